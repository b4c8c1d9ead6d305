"""``empeval plugins``: what is installed, a plugin to begin with, the contract of one."""

from __future__ import annotations

import argparse
from typing import Any

from empeval.cli.options import add_format, add_verb, positive

EPILOG = """examples:
  empeval plugins list
  empeval plugins list --check
  empeval plugins new warm-tone --kind scorer
  empeval plugins check warm-tone
  empeval plugins check my_scorer.py:thanks

EMPEVAL_DISABLE_PLUGINS=A,B leaves distributions out; EMPEVAL_LOAD_PLUGINS=A,B leaves out all but
those and empeval's own. '*' stands for anything, A/NAME for one entry point.
"""

KINDS = ("scorer", "task", "generator")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = add_verb(actions, "list", "list installed plugins as JSON")
    listing.add_argument(
        "--check", action="store_true", help="import every component and report those that fail"
    )
    listing.set_defaults(run=run)
    new = add_verb(actions, "new", "write a distribution that installs and passes its contract")
    new.add_argument("name", metavar="NAME", help="of the component, such as warm-tone")
    new.add_argument("--kind", choices=KINDS, required=True, help="what the component is")
    new.add_argument("--out", metavar="FOLDER", help="where to write it (default: empeval-NAME)")
    new.set_defaults(run=run_new)
    check = add_verb(actions, "check", "run the contract of a component (needs pytest)")
    check.add_argument("name", metavar="NAME", help="a name, FILE.py:NAME or FILE.yaml")
    check.add_argument("--kind", choices=KINDS, help="where several kinds have the name")
    check.add_argument(
        "--timeout",
        type=positive,
        default=600,
        metavar="SECONDS",
        help="for each component (default 600)",
    )
    add_format(check)
    check.set_defaults(run=run_check)


def run(options: argparse.Namespace) -> int:
    """Print what is installed."""
    from empeval.cli.text import print_json

    print_json(installed(options.hooks, check=options.check))
    return 0


def run_new(options: argparse.Namespace) -> int:
    """Write a distribution and say what to do with it."""
    import shlex

    from empeval.cli.text import say
    from empeval.newplugin import write_plugin
    from empeval.runs import document_path

    out = document_path(options.out, "--out") if options.out else None
    written = write_plugin(options.name, options.kind, out)
    folder = written[0].parent
    for path in written:
        say(path)
    print()
    say(f"next: pip install -e {shlex.quote(f'{folder}[test]')}")
    say(f"      empeval plugins check {options.name.removeprefix('empeval-')}")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Run the contract; returns 1 where a check fails."""
    from empeval.cli.text import print_rows, say
    from empeval.errors import UsageError

    try:
        import pytest  # noqa: F401
    except ImportError as error:
        raise UsageError("The checks need pytest: pip install pytest.") from error
    from empeval.contracts import check
    from empeval.references import split_target
    from empeval.registry import named

    kinds = dict.fromkeys(component.kind for component in named(split_target(options.name)[0]))
    kinds = {kind: None for kind in kinds if options.kind in (None, kind.removesuffix("s"))}
    if not kinds:
        one = options.kind or "plugin"
        raise UsageError(f"There is no {one} '{options.name}'; 'empeval plugins list' shows all.")
    checks = []
    for kind in kinds:
        checks += check(options.name, kind, timeout=options.timeout)
    failed = [one for one in checks if not one.passed]
    rows = [
        {"kind": c.kind, "check": c.check, "result": "ok" if c.passed else f"FAILED {c.reason}"}
        for c in checks
    ]
    print_rows(rows, options.format)
    if options.format == "table":
        print()
        say(f"{options.name}: {len(checks) - len(failed)} of {len(checks)} checks passed")
    return 1 if failed else 0


def installed(hooks: Any, *, check: bool) -> list[dict[str, Any]]:
    """Every distribution that adds something, with what could not be loaded or is left out."""
    from empeval import registry
    from empeval.installed import entry_points, points_left_out

    found: dict[str, dict[str, Any]] = {}

    def entry(name: str, version: str = "") -> dict[str, Any]:
        empty = {"name": name, "version": version, "components": [], "hooks": [], "errors": []}
        return found.setdefault(name, empty | {"left_out": []})

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
    versions = {point.distribution: point.version for point in entry_points("empeval")[0]}
    for name in hooks.names():
        distribution = name.partition("/")[0]
        entry(distribution, versions.get(distribution, ""))["hooks"].append(
            name.partition("/")[2] or name
        )
    for name, problem in hooks.problems:
        entry(name.partition("/")[0])["errors"].append(f"{name}: {problem}")
    for point, switch in points_left_out():
        facts = entry(point.distribution, point.version)
        facts["left_out"].append(f"{point.entry.name} ({switch})")
    return [found[name] for name in sorted(found)]
