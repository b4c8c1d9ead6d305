"""docs/writing-a-plugin.md is executed word for word; so is what 'plugins new' writes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import finish, python, start

from empeval.newplugin import KINDS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "writing-a-plugin.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
NAMED = re.compile(r"^```(\w+)(?: (\S+))?\n(?:# (\S+)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ {4}(empeval .+)$", re.MULTILINE)
TESTS = "import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))"


def install(folder: Path, *distributions: str) -> Path:
    """The folder in which pip has installed them."""
    pytest.importorskip("hatchling", reason="pip needs it to build a distribution offline")
    site = folder / "site"
    where = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *where, *distributions],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder with every file that the document shows, and its distribution installed."""
    folder = tmp_path_factory.mktemp("written")
    for _, info, comment, body in NAMED.findall(TEXT):
        path = folder / (info or comment)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
    install(folder, "./empeval-thanks")
    return folder


def test_every_block_of_the_document_is_a_file(written):
    blocks = TEXT.count("\n```") // 2
    files = [p for p in written.rglob("*") if p.is_file() and written / "site" not in p.parents]
    assert len([p for p in files if "build" not in p.parts]) >= blocks >= 9


@pytest.mark.parametrize("command", COMMAND.findall(TEXT))
def test_every_command_of_the_document_does_what_it_should(written, tmp_path, command):
    words = shlex.split(command)[1:]
    if words[0] == "run":
        words += ["--out", str(tmp_path / "run")]
    if words[:2] == ["plugins", "new"]:
        words += ["--out", str(tmp_path / "new")]
    found = finish(start(*words, folder=written, path=[written / "site"]))
    assert found.code == 0, found.err
    if words[:2] == ["plugins", "check"]:
        assert "checks passed" in found.out


def test_the_tests_of_the_document_pass(written):
    found = python(TESTS, "empeval-thanks/tests", folder=written, path=[written / "site"])
    assert found.code == 0, found.out


def test_the_metrics_are_those_that_the_document_means(written, tmp_path):
    words = ("run", "--model", "polite:Thank you.", "--model-args", "times=3", "--tasks", "favours")
    found = finish(start(*words, "--out", str(tmp_path / "run"), folder=written,
                         path=[written / "site"]))  # fmt: skip
    assert found.code == 0, found.err
    (metric,) = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    assert (metric["task"], metric["scorer"], metric["value"]) == ("favours", "thanks", 3.0)


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """A folder with a new plugin of each kind, installed."""
    folder = tmp_path_factory.mktemp("begun")
    for kind in KINDS:
        found = finish(start("plugins", "new", f"warm-{kind}", "--kind", kind, folder=folder))
        assert found.code == 0, found.err
        lines = found.out.splitlines()  # what brings pytest, without which there are no checks
        assert f"next: pip install -e 'empeval-warm-{kind}[test]'" in lines
        own = (folder / f"empeval-warm-{kind}" / "README.md").read_text(encoding="utf-8")
        assert "\n    pip install -e '.[test]'\n" in own, "zsh takes bare brackets for a pattern"
    install(folder, *(f"./empeval-warm-{kind}" for kind in KINDS))
    return folder


def test_new_plugins_are_listed_and_work_together(begun, tmp_path):
    def run(*words):
        return finish(start(*words, folder=begun, path=[begun / "site"]))

    plugins = {p["name"]: p for p in json.loads(run("plugins", "list", "--check").out)}
    for kind in KINDS:
        facts = plugins[f"empeval-warm-{kind}"]
        assert [(c["kind"], c["name"]) for c in facts["components"]] == [(kind, f"warm-{kind}")]
        assert facts["errors"] == []
    words = ("--tasks", "warm-task", "--scorers", "warm-scorer,default")
    for out, target in (("a", "How are you?"), ("b", "I see.")):
        found = run(
            "run", "--model", f"warm-generator:{target}", *words, "--out", f"{tmp_path}/{out}"
        )
        assert found.code == 0, found.err
    made = run("compare", f"{tmp_path}/a", f"{tmp_path}/b", "--metrics", "asks", "--format", "json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["differences"][0]["change"]["value"] == -100.0
    page = run("report", f"{tmp_path}/a", f"{tmp_path}/b", "-o", f"{tmp_path}/report.html")
    assert page.code == 0, page.err
    assert "warm-scorer" in (tmp_path / "report.html").read_text()


@pytest.mark.slow  # the same contract is among their own tests, below
@pytest.mark.parametrize("kind", KINDS)
def test_new_plugins_pass_their_contract(begun, kind):
    found = finish(start("plugins", "check", f"warm-{kind}", "--format", "json", folder=begun,
                         path=[begun / "site"]))  # fmt: skip
    assert found.code == 0, found.out
    rows = json.loads(found.out)
    assert len(rows) > 10
    assert {row["kind"] for row in rows} == {kind}


def test_the_tests_of_new_plugins_pass(begun):
    folders = [f"empeval-warm-{kind}/tests" for kind in KINDS]
    found = python(TESTS, *folders, folder=begun, path=[begun / "site"])
    assert found.code == 0, found.out
