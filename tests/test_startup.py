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
needless = sorted(new & {"asyncio", "concurrent", "difflib", "logging", "multiprocessing"})
print(json.dumps([others, needless]), file=sys.stderr)
"""

COUNTED = """
import collections, importlib.metadata as metadata, json, sys
walks, parsed = [], collections.Counter()
distributions, read = metadata.distributions, metadata.PathDistribution.read_text

def counted(**named):
    walks.append(1)
    return distributions(**named)

def reading(self, name):
    if name == "METADATA":
        parsed[self._path] += 1
    return read(self, name)

metadata.distributions, metadata.PathDistribution.read_text = counted, reading
from empeval.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print(json.dumps([len(walks), max(parsed.values())]), file=sys.stderr)
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


def test_help_reads_what_is_installed_twice_and_parses_each_distributions_metadata_no_oftener(
    tmp_path,
):
    told = python(COUNTED, folder=tmp_path)
    assert told.code == 0, told.err
    walks, most = json.loads(told.err.splitlines()[-1])
    assert 0 < walks <= 2  # for the hooks, which add verbs, and for the examples' names
    assert 0 < most <= walks


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
