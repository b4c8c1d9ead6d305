"""docs/exports.md: its commands are run, its formats are those that are there, its code works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from support.exported import asked_run

import empeval
from empeval.exporting import BUILT_IN
from empeval.hooks import Hooks
from empeval.spreadsheets import FORMATS
from empeval_trackers.hooks import TRACKERS

TEXT = (Path(__file__).parents[1] / "docs" / "exports.md").read_text(encoding="utf-8")
COMMANDS = [c for c in re.findall(r"^ {4}(empeval .+)$", TEXT, re.MULTILINE) if "FORMAT" not in c]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return asked_run(tmp_path_factory.mktemp("exported"))


def test_the_commands_are_of_every_format_but_those_of_other_packages():
    named = {shlex.split(command)[4] for command in COMMANDS}
    assert named == set(BUILT_IN) - {"inspect-eval"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_writes_into_its_folder(run, cli, tmp_path, command):
    words = shlex.split(command)[1:]
    words[words.index("empeval-runs/NAME")] = str(run.path)
    done = cli(*words)
    assert done.code == 0, done.err
    folder = tmp_path / words[words.index("--out") + 1]
    written = [tmp_path / path for path in done.out.split()]
    assert written
    assert {path for path in folder.rglob("*") if path.is_file()} == set(written)


def test_every_format_and_tracker_stands_in_a_table():
    first = set(re.findall(r"^\| (.+?) \|", TEXT, re.MULTILINE))
    named = {name for cell in first for name in re.findall(r"`([\w-]+)`", cell)}
    assert {*BUILT_IN, *FORMATS, *TRACKERS} <= named


def test_every_option_is_explained():
    import importlib

    for module in BUILT_IN.values():
        for option in importlib.import_module(module).FORMAT.options:
            assert re.search(rf"`?\b{option}\b", TEXT), option


def test_the_format_of_the_document_is_one(run, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    module = ModuleType("documented")
    exec(code, module.__dict__)
    hooks = Hooks()
    hooks.register(module, "documented")
    (path,) = empeval.export(run, tmp_path / "o", "answers", options={"indent": " "}, hooks=hooks)
    answers = json.loads(path.read_text(encoding="utf-8"))
    assert answers == {line.id: line.response for line in run.responses("eqbench-mini")}
    assert not hooks.problems
