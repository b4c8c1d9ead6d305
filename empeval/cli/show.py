"""``empeval show``: a run folder's metrics, or what a component is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from empeval.cli.options import add_format

if TYPE_CHECKING:
    from empeval.certificates import Certificate
    from empeval.registry import Component

INDENT = 15
"""Where a fact begins, behind what it is called."""
EPILOG = """examples:
  empeval show empeval-runs/NAME
  empeval show {task}
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "name", metavar="RUN_OR_NAME", help="a run folder, or the name of a component"
    )
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a run folder's metrics, or the card of a component."""
    import os

    if os.path.isdir(options.name):
        from empeval.cli.tables import print_run
        from empeval.runs import Run, require_unchanged

        folder = Run(options.name)
        print_run(folder, options.format)
        require_unchanged(folder)
        return 0
    return show_component(options.name, options.format)


def show_component(name: str, form: str) -> int:
    """Print the card of every component of that name."""
    import msgspec

    from empeval import registry
    from empeval.certificates import one_line
    from empeval.cli.findings import print_findings
    from empeval.cli.text import ALONE, print_json, print_rows, print_wrapped
    from empeval.errors import UnknownNameError

    matches = registry.named(name)
    if not matches:
        known = [c.name for kind in registry.KINDS for c in registry.components(kind)]
        said = f"'{name}' is neither a run folder nor a component."
        raise UnknownNameError(said, kind="component", name=name, known=known)
    described = []
    certificates = {}
    for component in matches:
        cls = registry.load(component)
        card = getattr(cls, "card", None)
        facts = {
            "kind": component.kind.removesuffix("s"),
            "name": component.name,
            "plugin": component.origin,
            "class": component.value,
            "options": {k: _type(v) for k, v in registry.options(cls).items()},
            "summary": getattr(cls, "summary", ""),
        }
        if isinstance(card, msgspec.Struct):
            facts.update(msgspec.to_builtins(card))
        described.append(facts)
        if component.kind == "scorers":
            certificate, reason = _certificate(component, cls)
            certificates[len(described) - 1] = certificate
            facts["certificate"] = reason if certificate is None else certificate
    if form == "json":
        print_json(described)
        return 0
    for index, facts in enumerate(described):
        certificate = certificates.get(index)
        if certificate is not None:
            facts["certificate"] = one_line(certificate)
        shown = {k: v for k, v in facts.items() if v not in (None, "", {}, [])}
        if form in ALONE:
            print_rows([{"what": k, "value": _flat(v)} for k, v in shown.items()], form)
            continue
        for key, value in shown.items():
            for number, line in enumerate(_flat(value).splitlines()):
                print_wrapped([f"{'' if number else key:{INDENT}}{line}"], indent=" " * INDENT)
        print()
        if certificate is not None:
            print_findings(certificate, form)
            print_wrapped([f"audited {certificate.made} by empeval {certificate.empeval}"], form)
            print()
    return 0


def _certificate(component: Component, cls: type[Any]) -> tuple[Certificate | None, str]:
    """The certificate of a scorer as it is without a target, or why there is none."""
    from empeval import registry
    from empeval.certificates import bundled_certificate, certificate_of
    from empeval.errors import EmpevalError

    if component.local or bundled_certificate(component) is None:
        return None, "not audited"  # nothing is built for that
    name = component.full_name
    try:
        return certificate_of(name, registry.build(cls, {}, label=f"scorer '{name}'", target=None))
    except EmpevalError as error:
        return None, f"cannot be checked: {error}"


def _type(hint: object) -> str:
    text = getattr(hint, "__name__", "") if isinstance(hint, type) else str(hint)
    return text.replace("typing.", "").replace("Optional", "optional ")


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={_flat(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return "\n".join(_flat(v) for v in value)
    return str(value)
