"""Formats of exports that plugins add."""

from __future__ import annotations

import pytest
from support.exported import asked_run

import empeval
from empeval import ExportFormat, hookimpl
from empeval.hooks import Hooks


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return asked_run(tmp_path_factory.mktemp("exported"))


class Adding:
    def __init__(self, *formats):
        self.formats = formats

    @hookimpl
    def empeval_export_formats(self):
        return list(self.formats)


def hooks_with(*formats):
    hooks = Hooks()
    hooks.register(Adding(*formats), "adding")
    return hooks


def listing(run, out, options):
    out.mkdir(parents=True)
    path = out / "ids.txt"
    path.write_text(
        options.get("sep", "\n").join(sorted(r.id for r in run.responses("eqbench-mini")))
    )
    return [path]


def test_a_plugin_adds_a_format(run, tmp_path):
    added = ExportFormat("ids", "the items' ids", listing, {"sep": "what stands between them"})
    out = tmp_path / "out"
    written = empeval.export(run, out, "ids", options={"sep": ","}, hooks=hooks_with(added))
    assert written == [out / "ids.txt"]
    assert len((out / "ids.txt").read_text().split(",")) == 28


def test_a_plugins_format_that_fails_is_named(run, tmp_path):
    def broken(run, out, options):
        raise ZeroDivisionError("no")

    hooks = hooks_with(ExportFormat("broken", "fails", broken))
    with pytest.raises(empeval.EmpevalError, match="The export format 'broken' fails with Zero"):
        empeval.export(run, tmp_path, "broken", hooks=hooks)


def test_a_plugins_format_takes_nobodys_name(run, tmp_path, caplog):
    hooks = hooks_with(ExportFormat("inspect", "mine", listing), "nonsense")
    (path,) = empeval.export(run, tmp_path / "out", "inspect", hooks=hooks)
    assert path.suffix == ".json"
    err = caplog.text
    assert "called 'inspect', as another is" in err
    assert "gave a str for an export format" in err
