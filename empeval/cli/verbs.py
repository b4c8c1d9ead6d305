"""The verbs that come with empeval: name and summary here, all else in the module of each.

``empeval --help`` and a mistyped verb need no more than this; a module is imported, and its options
are declared, when its verb is used.
"""

from __future__ import annotations

import argparse
import importlib

from empeval.cli.options import Fill, Verbs

SUMMARIES = {
    "run": "ask a model, score its answers, print the metrics",
    "score": "score a run folder or a file of dialogues",
    "items": "write a task's questions, to answer them anywhere",
    "compare": "compare runs item by item",
    "gate": "pass or stop a release by a policy",
    "power": "items needed for a margin, from past runs",
    "audit": "how far scorers agree with people, and what can fool them",
    "list": "list installed tasks, scorers or generators",
    "show": "show a run's metrics, or what a component is",
    "report": "write runs as one HTML file",
    "runs": "list, show, prune and repair runs",
    "export": "write a run as a spreadsheet or another program's results",
    "models": "models that come inside PyPI wheels: list, get, remove",
    "plugins": "list, begin or check plugins",
    "schema": "print the JSON Schema of a file",
    "doctor": "check installation, plugins, models and data",
}
"""Verb -> one line for ``empeval --help``, in its order."""
_MODULES = {"list": "listing"}
"""Verb -> its module, where that has another name."""


def add_verbs(verbs: Verbs) -> None:
    """Declare every verb."""
    for name, summary in SUMMARIES.items():
        verbs.add_parser(
            name,
            help=summary,
            description=summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            fill=_filled_by(_MODULES.get(name, name)),
        )


def _filled_by(module: str) -> Fill:
    def fill(parser: argparse.ArgumentParser) -> None:
        verb = importlib.import_module(f"empeval.cli.{module}")
        parser.epilog = verb.EPILOG
        verb.add(parser)

    return fill
