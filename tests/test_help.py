"""What stands in --help: every argument says what it is, in the field's words."""

from __future__ import annotations

import argparse
import ast

import pytest
from support.hub_server import ROOT

from empeval.cli import build_parser
from empeval.hooks import Hooks


def arguments(parser, verbs=()):
    """Every argument of a parser and of the verbs below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from arguments(below, (*verbs, name))
        elif verbs and not isinstance(action, argparse._HelpAction):
            yield verbs, action


@pytest.fixture(scope="module")
def declared():
    return list(arguments(build_parser(Hooks().load_installed())))


def test_every_argument_has_more_than_a_word_of_help(declared):
    assert len(declared) > 100
    short = [f"{' '.join(verbs)}: {action.option_strings or action.dest}"
             for verbs, action in declared if len((action.help or "").split()) < 4]  # fmt: skip
    assert short == []


def test_one_word_is_one_thing_in_every_verb(declared):
    """What --seed seeds and what --resamples resamples is said wherever they stand."""
    told = {"--seed": "random seed of", "--resamples": "bootstrap", "--temperature": "of decoding",
            "--clusters": "independent clusters", "--set": "may be repeated"}  # fmt: skip
    seen = set()
    for verbs, action in declared:
        for option in set(action.option_strings) & set(told):
            assert told[option] in action.help, (verbs, option)
            seen.add(option)
    trained = any(verbs[0] == "train" for verbs, _ in declared)
    assert seen == (set(told) if trained else set(told) - {"--set"})


def test_help_says_the_exit_codes(cli):
    for verb, words in (([], "2 invalid input; 130"), (["gate"], "3 regression; 4 inconclusive")):
        outcome = cli(*verb, "--help")
        assert outcome.code == 0
        assert words in " ".join(outcome.out.split())


def test_docstrings_say_something():
    folders = ("empeval", "plugins", "tasks", "reference_models")
    empty = {"do it", "run it", "go", "todo", "see above"}
    found, said = 0, []
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
                found += bool(text)
                if text.strip(" .!").lower() in empty:
                    said.append(f"{path.name}:{node.lineno}")
    assert found > 1000
    assert said == []
