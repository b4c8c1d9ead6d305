"""Looking around is instant: nothing heavy is imported before it is needed."""

from __future__ import annotations

import json

import pytest
from support.command import python

HEAVY = ("torch", "transformers", "datasets", "numpy", "scipy", "pyarrow", "huggingface_hub")

REPORT = """
import sys
try:
    {statement}
except SystemExit:
    pass
sys.stdout.flush()
print(*(name for name in sys.argv[1].split() if name in sys.modules), file=sys.stderr)
"""


OTHERS = """
import json, sys
before = set(sys.modules)
from empeval.cli import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit:
    pass
new = {name.partition(".")[0] for name in set(sys.modules) - before}
others = [name for name in new - sys.stdlib_module_names if not name.startswith("empeval")]
needless = {"asyncio", "concurrent", "difflib", "email", "hashlib", "logging", "multiprocessing"}
needless = sorted(new & needless | {"importlib.metadata"} & set(sys.modules) - before)
print(json.dumps([others, needless]), file=sys.stderr)
"""

COUNTED = """
import collections, json, os, sys
opened = collections.Counter()

def hear(event, told):
    if event == "open" and str(told[0]).endswith(("METADATA", "entry_points.txt")):
        opened[os.path.realpath(told[0])] += 1

sys.addaudithook(hear)
from empeval.cli import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit:
    pass
listed = [name for name in opened if name.endswith("entry_points.txt")]
print(json.dumps([len(listed), max(opened.values())]), file=sys.stderr)
"""

VERBS = """
import json, sys
from empeval.cli import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit:
    pass
verbs = [name for name in sys.modules if hasattr(sys.modules[name], "EPILOG")]
print(json.dumps(sorted(set(verbs) - {"empeval.cli"})), file=sys.stderr)
"""


def imported(statement, folder, watched=HEAVY):
    """Which of the watched modules are there after a statement, in a new interpreter."""
    outcome = python(REPORT.format(statement=statement), " ".join(watched), folder=folder)
    assert outcome.code == 0, outcome.err
    return outcome.err.splitlines()[-1].split()


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["audit", "--help"],
        ["list", "tasks"],
        ["list", "scorers"],
        ["list", "generators", "--format", "json"],
        ["plugins", "list"],
        ["schema", "metrics"],
        ["models", "list"],
        ["train", "--help"],
        ["train", "mvc", "--help"],
    ],
    ids=" ".join,
)
def test_looking_around_imports_nothing_heavy(tmp_path, command):
    statement = f"from empeval.cli import main; main({command!r})"
    assert imported(statement, tmp_path) == []


@pytest.mark.parametrize("command", [["--help"], ["list", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_nothing_of_others_but_pluggy(tmp_path, command):
    told = python(OTHERS, json.dumps(command), folder=tmp_path)
    assert told.code == 0, told.err
    others, needless = json.loads(told.err.splitlines()[-1])
    assert others == ["pluggy"]
    assert needless == []


@pytest.mark.parametrize("kind", ["tasks", "generators"])
def test_a_list_of_names_needs_a_table_and_no_records(tmp_path, kind):
    told = python(OTHERS, json.dumps(["list", kind]), folder=tmp_path)
    assert told.code == 0, told.err
    others, _ = json.loads(told.err.splitlines()[-1])
    assert set(others) <= {"pluggy", "tabulate", "wcwidth"}


@pytest.mark.parametrize(("command", "most"), [(["--help"], 2), (["--version"], 1)])
def test_what_is_installed_is_read_once_for_the_verbs_and_once_for_the_examples(
    tmp_path, command, most
):
    told = python(COUNTED, json.dumps(command), folder=tmp_path)
    assert told.code == 0, told.err
    listed, oftenest = json.loads(told.err.splitlines()[-1])
    assert listed > 10
    assert oftenest == most


@pytest.mark.parametrize(
    ("command", "modules"),
    [
        (["--help"], []),
        (["rune"], []),
        (["run", "--help"], ["empeval.cli.run"]),
        (["list", "tasks"], ["empeval.cli.listing"]),
        (["eq-variants", "--help"], ["empeval_heads.cli"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_only_the_verb_that_is_asked_for_is_imported(tmp_path, command, modules):
    told = python(VERBS, json.dumps(command), folder=tmp_path)
    assert json.loads(told.err.splitlines()[-1]) == modules


@pytest.mark.parametrize("name", ["Scorer", "Item", "hookimpl", "UsageError", "__version__"])
def test_what_a_plugin_needs_to_be_found_imports_nothing_heavy(tmp_path, name):
    assert imported(f"from empeval import {name}", tmp_path) == []


@pytest.mark.parametrize("name", ["PooledEncoder", "load_encoder", "unusable", "warn"])
def test_the_toolkit_imports_nothing_heavy(tmp_path, name):
    assert imported(f"from empeval.toolkit import {name}", tmp_path) == []


def test_this_test_can_see_what_is_imported(tmp_path):
    assert imported("import numpy", tmp_path) == ["numpy"]


def test_scoring_a_run_folder_loads_no_model(cli, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "mini-01#2", "response": "Oh no."}\n')
    command = ["run", "--model", "replay:a.jsonl", "--tasks", "ed-mini", "--scorers", ","]
    assert cli(*command, "--out", "run").code == 0
    (tmp_path / "a.jsonl").unlink()
    score = ["score", "run", "--scorers", "surface"]
    statement = f"from empeval.cli import main; assert main({score!r}) == 0"
    watched = ("torch", "transformers", "empeval.generators.replay", "empeval.generators.hf")
    assert imported(statement, tmp_path, watched) == []
    assert (tmp_path / "run" / "scores" / "ed-mini" / "surface.jsonl").exists()
