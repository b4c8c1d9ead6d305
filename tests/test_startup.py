"""Looking around is instant: nothing heavy is imported before it is needed."""

from __future__ import annotations

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
