"""``empeval list``: what is installed, read from metadata; nothing is imported."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from empeval.cli.options import add_format

if TYPE_CHECKING:
    from empeval.components import Component

EPILOG = """examples:
  empeval list tasks
  empeval list scorers --format json

'empeval show NAME' tells more about one of them.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "kind", choices=("tasks", "scorers", "generators"), help="what to list, installed here"
    )
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the installed components of a kind, from metadata alone."""
    from empeval.cli.text import print_rows
    from empeval.components import components

    print_rows([_row(c) for c in components(options.kind)], options.format)
    return 0


def _row(component: Component) -> dict[str, str]:
    """``audited`` says whether a scorer's package holds a certificate that can be read."""
    row = {
        "name": component.name,
        "plugin": f"{component.distribution} {component.version}",
        "class": component.value,
    }
    if component.kind == "scorers":
        from empeval.certificates import bundled_certificate

        row["audited"] = "no" if bundled_certificate(component) is None else "yes"
    return row
