"""Plugins that misbehave: what a user sees of each, and that it hurts nobody else."""

from __future__ import annotations

import json
import time

import pytest
from support.distributions import make_distribution
from support.gallery import GALLERY, HEAD, POINTS, Case

from empeval import Run, notices
from empeval.registry import components


@pytest.fixture
def use(cli, tmp_path, install, monkeypatch):
    """Installs a plugin that misbehaves and has a run use it."""
    monkeypatch.setattr(notices, "PATIENCE", 0.3)

    def run(case, **settings):
        site = tmp_path / f"site-{len(list(tmp_path.glob('site-*')))}"
        make_distribution(site, "fine-plugin", points=POINTS, modules={"gallery_module": HEAD})
        group = "empeval" if case.kind == "hooks" else f"empeval.{case.kind}"
        make_distribution(
            site,
            "bad-plugin",
            points={group: {"bad": case.value}},
            modules={"bad_module": f"{HEAD}\nimport msgspec\n{case.source}\n"},
        )
        install(site)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        components.cache_clear()
        chosen = {
            "scorers": {"scorers": "bad,fine"},
            "tasks": {"tasks": "bad"},
            "generators": {"model": "bad:"},
            "hooks": {},
        }[case.kind]
        asked = {"model": "says:x", "tasks": "asks", "scorers": "fine"} | chosen
        if case.kind == "tasks":
            del asked["scorers"]
        words = [word for key, value in asked.items() for word in (f"--{key}", value)]
        return cli("run", *words, "--limit", "3", "--out", "run", "--format", "json")

    return run


@pytest.mark.parametrize("what", GALLERY)
def test_a_plugin_that_misbehaves_is_named_and_hurts_nobody_else(use, tmp_path, capsys, what):
    case = GALLERY[what]
    found = use(case)
    notes = ""
    if "thread" in what:
        time.sleep(0.5)  # a timer tells it while the process waits
        notes = capsys.readouterr().err
    if (tmp_path / "run" / "scores").is_dir():
        notes += "".join(p.read_text() for p in (tmp_path / "run" / "scores").rglob("bad.jsonl"))
    said = found.err + notes
    if found.code and found.err:  # the command asks for JSON
        said += f"error: {json.loads(found.err.splitlines()[-1])['error']['message']}"
    assert found.code == case.code, said
    assert case.sees in said, said
    assert "Traceback" not in found.err
    assert "NOISE" not in found.out
    if found.out:
        json.loads(found.out)  # a program that reads it is not disturbed
    if found.code and case.kind != "hooks":
        assert "bad" in found.err.lower() or "Not these." in found.err
    if case.fine:
        run = Run(tmp_path / "run")
        assert {m.scorer for m in run.metrics()} >= {"fine"}
    if found.code == 2:
        assert not (tmp_path / "run").exists(), "a question that makes no sense writes nothing"


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("EMPEVAL_DISABLE_PLUGINS", "bad-plugin"),
        ("EMPEVAL_DISABLE_PLUGINS", "other,Bad_Plugin/bad"),
        ("EMPEVAL_DISABLE_PLUGINS", "bad-*"),
        ("EMPEVAL_LOAD_PLUGINS", "fine-plugin"),
    ],
)
def test_a_plugin_in_the_way_is_left_out_and_said_to_be(use, cli, name, listed):
    case = Case("hooks", "raise SystemExit('NOISE')", 0, "", value="bad_module")
    assert use(case, **{name: listed}).code == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(cli("plugins", "list").out)}
    assert plugins["bad-plugin"]["left_out"] == [f"bad ({name})"]
    assert plugins["bad-plugin"]["errors"] == []
    assert plugins["fine-plugin"]["left_out"] == plugins["empeval"]["left_out"] == []


def test_who_asks_for_what_is_left_out_is_told_which_variable_does_it(use):
    found = use(GALLERY["it prints"], EMPEVAL_LOAD_PLUGINS="fine-plugin")
    assert found.code == 2
    assert "Unknown scorer 'bad'. It is installed with bad-plugin, but EMPEVAL_LOAD" in found.err
    nothing = use(GALLERY["it prints"], EMPEVAL_LOAD_PLUGINS="")
    assert nothing.code == 2
    assert "'asks'" in nothing.err


def test_the_gallery_is_large_enough():
    assert len(GALLERY) >= 40
