"""What a shell is offered after TAB."""

from __future__ import annotations

import json

import pytest
from support.command import python

pytest.importorskip("argcomplete", reason="the extra 'completion' is not installed")

ASK = """
import json, os, sys
from empeval.cli import main

def leave(code):  # what argcomplete ends with; how, is looked at first
    heavy = {"torch", "transformers", "numpy", "scipy", "huggingface_hub"} & set(sys.modules)
    assert not heavy, heavy
    os._exit(code)

import argcomplete
ended, argcomplete.CompletionFinder.__call__ = argcomplete.CompletionFinder.__call__, None
def call(self, parser, **options):
    return ended(self, parser, exit_method=leave, **options)
argcomplete.CompletionFinder.__call__ = call
argcomplete.autocomplete = argcomplete.CompletionFinder()
os.environ |= json.loads(sys.argv[1])
main([])
sys.exit("it went on")
"""


def offered(line, folder):
    """What is offered where a line ends."""
    file = folder / "offered"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(file),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    outcome = python(ASK, json.dumps(asked), folder=folder)
    assert outcome.code == 0, outcome.err
    return set(file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("empeval comp", {"compare"}, {"run"}),
        ("empeval run --tasks eqb", {"eqbench", "eqbench-de", "eqbench-mini"}, {"ed-mini"}),
        ("empeval run --tasks eqbench,eqb", {"eqbench,eqbench-de"}, {"eqbench,eqbench", "eqbench"}),
        ("empeval run --scorers surface,m", {"surface,mvc"}, {"surface,stm", "mvc"}),
        ("empeval run --scorers mine", {"mine.py"}, {"mvc"}),
        ("empeval run --model ", {"hf:", "human:", "replay:"}, {"hf"}),
        ("empeval run --model packaged:smol", {"packaged:smollm2-135m-instruct"}, {"hf:"}),
        ("empeval run --model replay:mi", {"replay:mine.py"}, {"packaged:smollm2-135m-instruct"}),
        ("empeval audit mv", {"mvc"}, {"stm"}),
        ("empeval show eqbench-m", {"eqbench-mini"}, {"eqbench"}),
        ("empeval power --task ed-", {"ed-mini", "ed-empathy"}, {"eqbench"}),
        ("empeval models get smol", {"smollm2-135m-instruct"}, {"mine.py"}),
        ("empeval list sco", {"scorers"}, {"tasks"}),
    ],
)
def test_what_is_offered(tmp_path, line, wanted, unwanted):
    (tmp_path / "mine.py").write_text("", encoding="utf-8")
    found = offered(line, tmp_path)
    assert wanted <= found
    assert not unwanted & found
