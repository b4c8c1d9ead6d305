"""A gallery of plugins that misbehave, each in a few lines, and what a user sees of it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

HEAD = """
import os, sys, threading, time
from empeval import *
from empeval import hookimpl
from empeval.testing import Echo, FakeScorer, FakeTask, fake_item

class Asks(FakeTask):
    card = TaskCard(version="1", summary="Asks.", provides=("reply",), scorers=("fine",),
                    license="none")
    def __init__(self):
        super().__init__(count=3)

class Says(Echo):
    pass

class Fine(FakeScorer):
    pass
"""
POINTS = {
    "empeval.tasks": {"asks": "gallery_module:Asks"},
    "empeval.generators": {"says": "gallery_module:Says"},
    "empeval.scorers": {"fine": "gallery_module:Fine"},
}


@dataclass(frozen=True)
class Case:
    """A plugin that misbehaves.

    Attributes:
        kind: of the component called ``bad``: scorers, tasks, generators, or hooks.
        source: of its module; what ``HEAD`` defines is there.
        code: the exit code of a run that uses it.
        sees: what stands on standard error, or in the table or the notes of its scores.
        fine: whether the other scorer's metrics are there all the same.
        value: of the entry point.
    """

    kind: str
    source: str
    code: int
    sees: str
    fine: bool = True
    value: str = "bad_module:Bad"


def scorer(body: str, code: int, sees: str, *, fine: bool = False) -> Case:
    return Case("scorers", "class Bad(FakeScorer):\n" + _in(body), code, sees, fine)


def score(line: str, sees: str, code: int = 1) -> Case:
    """A scorer whose ``score`` does this; the runner keeps it to itself."""
    return scorer("def score(self, samples):\n" + _in(line), code, sees, fine=True)


def metrics(line: str) -> Case:
    return scorer(f"def metrics(self, scored): {line}", 1, "metrics of the scorer", fine=True)


def task(body: str, code: int, sees: str, *, fine: bool = False) -> Case:
    return Case("tasks", "class Bad(Asks):\n" + _in(body), code, sees, fine)


def items(line: str, sees: str, code: int = 1) -> Case:
    return task("def items(self):\n" + _in(line), code, sees)


def model(body: str, code: int, sees: str, *, fine: bool = False) -> Case:
    return Case("generators", "class Bad(Echo):\n" + _in(body), code, sees, fine)


def answers(line: str, sees: str, code: int = 1, *, fine: bool = False) -> Case:
    return model("def generate(self, items, sampling):\n" + _in(line), code, sees, fine=fine)


def module(source: str, code: int, sees: str, value: str = "bad_module:Bad") -> Case:
    """A scorer's module that does something while it is imported."""
    return Case("scorers", source, code, sees, False, value)


def hook(body: str, sees: str) -> Case:
    return Case("hooks", body, 0, sees, True, "bad_module")


def _in(text: str) -> str:
    return textwrap.indent(text, "    ")


GOOD = "class Bad(FakeScorer):\n    pass\n"
ONE = "[Score(s.id, values={'length': 1.0}) for s in samples]"

GALLERY = {
    # while it is imported
    "its module is missing": module("", 2, "ModuleNotFoundError", "nowhere:Bad"),
    "its class is missing": module("", 2, "AttributeError: module 'bad_module' has no"),
    "it is no class": module("Bad = 3", 2, "is not a subclass of Scorer"),
    "it is of another kind": module("Bad = Echo", 2, "is not a subclass of Scorer"),
    "it has a typing error": module("def (", 2, "SyntaxError"),
    "it raises at import": module("1 / 0", 2, "ZeroDivisionError: division by zero"),
    "it exits at import": module("sys.exit(0)", 2, "SystemExit: 0"),
    "it prints at import": module("print('NOISE')\n" + GOOD, 0, ""),
    "it changes the folder at import": module("os.chdir('/')\n" + GOOD, 0, ""),
    "it hangs at import": module(
        "time.sleep(0.6)\n" + GOOD, 0,
        "bad-plugin/bad to be imported (EMPEVAL_DISABLE_PLUGINS=bad-plugin leaves it out)",
    ),
    "it has an old interface": module(GOOD + "    interface = 0", 2, "for interface version 0"),
    "it is from the future": module(GOOD + "    interface = 99", 2, "for interface version 99"),
    "it has no score": module(
        "class Bad(Scorer):\n    card = Fine.card", 2, "(bad_module:Bad) lacks score"
    ),
    "it has no card": module(
        "class Bad(Scorer):\n    def score(self, samples): return []", 2, "lacks card"
    ),
    "its card is a dict": module(GOOD + "    card = {'version': '1'}", 2, "lacks card"),
    # while it is made
    "it raises when it is made": scorer("def __init__(self): 1 / 0", 1, "ZeroDivisionError"),
    "it needs an argument": scorer("def __init__(self, size): pass", 1, "missing 1 required"),
    "its options have no types": scorer(
        "def __init__(self, *, a: 'Nowhere' = 1): pass", 1, "name 'Nowhere' is not defined"
    ),
    "its card cannot be written": scorer(
        "card = ScorerCard(version=1, summary='x', values=())", 2, "card of the scorer"
    ),
    "its card raises": scorer(
        "@property\ndef card(self): raise OSError('gone')", 2, "lacks card (a ScorerCard)"
    ),
    "its fingerprint is a number": scorer("def fingerprint(self): return 7", 2, "must be text"),
    "its fingerprint raises": scorer("def fingerprint(self): 1 / 0", 1, "ZeroDivisionError"),
    # while it scores
    "it raises": score("1 / 0", "ZeroDivisionError: division by zero"),
    "it exits": score("sys.exit(0)", "SystemExit: 0"),
    "it raises what cannot be shown": score(
        "class E(Exception):\n    def __str__(self): 1 / 0\nraise E",
        "(its message cannot be shown)",
    ),
    "it runs out of stack": score("return self.score(samples)", "RecursionError"),
    "it runs out of memory": score("raise MemoryError", "MemoryError"),
    "it raises for one sample": score(
        f"if any(s.id == '2' for s in samples): raise ValueError('two')\nreturn {ONE}", "two", 0
    ),
    "it prints": score(f"print('NOISE')\nreturn {ONE}", "", 0),
    "it changes the folder": score(f"os.chdir('/')\nreturn {ONE}", "", 0),
    "it leaves a thread": score(
        f"threading.Thread(target=time.sleep, args=(1.5,), name='left').start()\nreturn {ONE}",
        "left a thread behind (left)", 0,
    ),
    "it gives NaN": score("return " + ONE.replace("1.0", "float('nan')"), "is not a finite"),
    "it gives infinity": score("return " + ONE.replace("1.0", "float('inf')"), "is not a finite"),
    "it gives text": score("return " + ONE.replace("1.0", "'long'"), "could not convert"),
    "it gives nothing": score("return None", "TypeError: 'NoneType' object is not iterable"),
    "it gives too few": score(f"return {ONE}[:-1]", "returned 0 scores for 1 samples"),
    "it gives too many": score(f"return {ONE} * 2", "returned 2 scores for 1 samples"),
    "it gives another order": score(f"return {ONE}[::-1]", "", 0),
    "it gives numbers alone": score("return [1.0 for s in samples]", "AttributeError"),
    "it gives other ids": score("return " + ONE.replace("s.id", "'x'"), "or in another order"),
    "it leaves its range": score("return " + ONE.replace("1.0", "-5.0"), "outside of the card's"),
    "it invents a value": score("return " + ONE.replace("length", "charm"), "is no value of the"),
    "it invents a status": score(
        "return [Score(s.id, status='great') for s in samples]", "Invalid enum value 'great'"
    ),
    "its labels are numbers": score(
        "return [Score(s.id, labels={'a': 1}) for s in samples]", "Expected `str`, got `int`"
    ),
    "it changes the sample": score("samples[0].item.id = 'x'", "immutable type: 'Item'"),
    "its metrics raise": metrics("1 / 0"),
    "its metrics are none": metrics("return None"),
    "its metrics are texts": metrics("return ['x']"),
    # tasks
    "its items raise": items("raise LookupError('no shelf')", "fails with LookupError: no shelf"),
    "its items exit": items("sys.exit(3)", "fails with SystemExit: 3"),
    "it has no items": items("return []", "has no items", 2),
    "its ids are doubled": items("return [fake_item('1'), fake_item('1')]", "doubled item ids", 2),
    "its ids are numbers": items("return [fake_item(1)]", "invalid item, 1: Expected `str`", 2),
    "its items ask nothing": items("return [fake_item(messages=())]", "without a message", 2),
    "its items are texts": items("return ['Hello.']", "fails with", 1),
    "its items are torn": items("return [fake_item(text='\\ud83d')]", "surrogates not allowed", 2),
    "its choice raises": task("def select(self, items, limit, seed): 1 / 0", 1, "ZeroDivision"),
    "its scorers are unknown": task(
        "card = msgspec.structs.replace(Asks.card, scorers=('fien',))", 2, "Did you mean 'fine'"
    ),
    "its own metrics raise": task("def metrics(self, scored): 1 / 0", 1, "metrics of the task",
                                  fine=True),
    # generators
    "the model raises when made": model("def __init__(self, target): 1 / 0", 1, "ZeroDivision"),
    "the model takes no target": model("def __init__(self): pass", 2, "takes no target"),
    "the model's card raises": model("@property\ndef card(self): 1 / 0", 1, "card of the gen"),
    "the model's card is none": model(
        "@property\ndef card(self): return None", 2, "it is no ModelCard"
    ),
    "the model refuses in its own words": model(
        "def prepare(self, questions): raise UsageError('Not these.')", 2, "error: Not these."
    ),
    "the model's plan raises": model("def plan(self, items, sampling): 1 / 0", 1, "ZeroDivision"),
    "the model's plan loses items": model(
        "def plan(self, items, sampling): return [[items[0]]]", 1, "left items unanswered"
    ),
    "the model raises midway": answers(
        "yield Response('1', 'x')\nraise RuntimeError('full')", "fails with RuntimeError: full"
    ),
    "the model exits midway": answers("yield Response('1', 'x')\nsys.exit(0)", "SystemExit: 0"),
    "the model says nothing": answers("return iter(())", "left items unanswered: 1, 2, 3"),
    "the model returns none": answers("return None", "'NoneType' object is not iterable"),
    "the model answers others": answers("yield Response('x', 'y')", "answered 'x', which was not"),
    "the model gives texts": answers("yield 'Hello.'", "gave a str, no Response"),
    "the model's text is none": answers("yield Response('1', None)", "is no valid response"),
    "the model prints": answers(
        "print('NOISE')\nfor i in items: yield Response(i.id, 'x')", "", 0, fine=True
    ),
    "the model answers twice": answers(
        "for i in [*items, *items]: yield Response(i.id, 'x')", "", 0, fine=True
    ),
    "the model cannot close": model("def close(self): 1 / 0", 0, "ZeroDivisionError", fine=True),
    "the model's runtime raises": model("def runtime(self): 1 / 0", 1, "ZeroDivisionError"),
    # hooks
    "hooks raise at import": hook("1 / 0", ""),
    "hooks exit at import": hook("sys.exit(0)", ""),
    "hooks change the folder at import": hook("os.chdir('/')", ""),
    "a hook is misspelt": hook("@hookimpl\ndef empeval_run_finnished(folder): ...", ""),
    "a hook raises": hook("@hookimpl\ndef empeval_run_started(event): 1 / 0", "ZeroDivisionError"),
    "a hook exits": hook("@hookimpl\ndef empeval_run_finished(event): sys.exit(9)", "SystemExit"),
    "a hook prints": hook("@hookimpl\ndef empeval_run_started(event): print('NOISE')", ""),
    "a verb is taken twice": hook(
        "@hookimpl\ndef empeval_register_commands(commands): commands.add('run', 'x')",
        "empeval_register_commands raised ",
    ),
}  # fmt: skip
"""What is wrong -> the plugin."""
