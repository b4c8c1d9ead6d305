"""``empeval plugins list``: distributions, their components and hooks, as JSON."""

from __future__ import annotations

import argparse
from typing import Any

from empeval.cli.options import Verbs, add_verb

EPILOG = """examples:
  empeval plugins list
  empeval plugins list --check
"""


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = add_verb(verbs, "plugins", "list installed plugins as JSON", EPILOG)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = add_verb(actions, "list", "list installed plugins as JSON")
    listing.add_argument(
        "--check", action="store_true", help="import every component and report those that fail"
    )
    listing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from empeval.cli.text import print_json

    print_json(installed(options.hooks, check=options.check))
    return 0


def installed(hooks: Any, *, check: bool) -> list[dict[str, Any]]:
    """Every distribution that adds something, with what could not be loaded."""
    from empeval import registry

    found: dict[str, dict[str, Any]] = {}

    def entry(name: str, version: str = "") -> dict[str, Any]:
        empty = {"name": name, "version": version, "components": [], "hooks": [], "errors": []}
        return found.setdefault(name, empty)

    for kind in registry.KINDS:
        for component in registry.components(kind):
            facts = entry(component.distribution, component.version)
            facts["components"].append(
                {"kind": kind.removesuffix("s"), "name": component.name, "class": component.value}
            )
            if check:
                try:
                    registry.load(component)
                except registry.PluginError as error:
                    facts["errors"].append(str(error))
    for name in hooks.names():
        entry(name.partition("/")[0])["hooks"].append(name.partition("/")[2] or name)
    for name, problem in hooks.problems:
        entry(name.partition("/")[0])["errors"].append(f"{name}: {problem}")
    return [found[name] for name in sorted(found)]
