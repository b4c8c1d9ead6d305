"""Writes the list of codes in docs/errors.md from the classes: ``python docs/error_codes.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import empeval
import empeval.generators.openai.failures
from empeval.cli.failing import OWN_CODES
from empeval.errors import EmpevalError

PAGE = Path(__file__).with_name("errors.md")
BEGIN, END = "<!-- codes: python docs/error_codes.py -->\n", "<!-- end of codes -->\n"


def kinds() -> list[type[EmpevalError]]:
    """Every class of empeval's errors that is raised, a parent before its children."""
    for name in empeval.__all__:
        getattr(empeval, name)  # imported, so that it is among the subclasses
    return [cls for cls in _below(EmpevalError) if cls.__module__.startswith("empeval.")]


def _below(cls: type[EmpevalError]) -> Iterator[type[EmpevalError]]:
    if not cls.__name__.startswith("_"):
        yield cls
    children = cls.__subclasses__()  # in the order in which modules happened to be imported
    for child in sorted(children, key=lambda c: (c.__module__ != cls.__module__, c.__module__)):
        yield from _below(child)


def table() -> str:
    """The list of codes, as a table of Markdown."""
    lines = ["| code | exit code | class | when | attributes |", "|---|---|---|---|---|"]
    for cls in kinds():
        when = " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())
        for code, said in {cls.code: when, **cls.finer}.items():
            held = ", ".join(f"`{name}`" for name in cls.objects)
            lines.append(f"| `{code}` | {cls.exit_code} | `{cls.__name__}` | {said} | {held} |")
    return "\n".join(lines) + "\n"


def own_table() -> str:
    """The codes of the command line alone."""
    lines = ["| code | when |", "|---|---|"]
    return "\n".join(lines + [f"| `{code}` | {said} |" for code, said in OWN_CODES.items()]) + "\n"


def page(text: str) -> str:
    """The page with the lists as the code has them."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"\n{table()}\nThe command line alone has\n\n{own_table()}\n"
    return f"{before}{BEGIN}{made}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
