"""``empeval list``: what is installed, read from metadata; nothing is imported."""

from __future__ import annotations

import argparse

from empeval.cli.options import Verbs, add_format, add_verb

EPILOG = """examples:
  empeval list tasks
  empeval list scorers --format json

'empeval show NAME' tells more about one of them.
"""


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = add_verb(
        verbs,
        "list",
        "list installed tasks, scorers or generators",
        EPILOG,
    )
    parser.add_argument("kind", choices=("tasks", "scorers", "generators"))
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from empeval import registry
    from empeval.cli.text import print_rows

    rows = [
        {"name": c.name, "plugin": f"{c.distribution} {c.version}", "class": c.value}
        for c in registry.components(options.kind)
    ]
    print_rows(rows, options.format)
    return 0
