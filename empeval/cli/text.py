"""Rows of text as a table, Markdown or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from empeval.marks import Marked


def print_rows(rows: Sequence[Mapping[str, Any]], form: str) -> None:
    """Print rows with the keys of the first as headers."""
    if form == "json":
        print_json(list(rows))
        return
    from tabulate import tabulate

    style = "github" if form == "md" else "simple"
    cells = [[_cell(v) for v in row.values()] for row in rows]
    headers = list(rows[0]) if rows else []
    print(tabulate(cells, headers=headers, tablefmt=style, disable_numparse=True))


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_notices(texts: Sequence[str]) -> None:
    """Print what must not be overlooked above a table, and a line end after it."""
    for text in texts:
        print(f"NOTE WELL: {text}")
    if texts:
        print()


def print_marks(marks: Sequence[Marked], form: str, names: Mapping[str, str] | None = None) -> None:
    """Print what is known of the scorers' agreement with people, and a line end after it.

    Args:
        marks: of one or more runs.
        form: of the tables beside it.
        names: run folder -> what a line calls it.
    """
    from empeval.marks import mark_lines, mark_warnings

    lines = mark_lines(marks, names)
    if lines:
        print("agreement with people:")
        print(*(_listed(line, form) for line in lines), sep="\n")
    for warning in mark_warnings(marks, names):
        print(_listed(f"warning: {warning}", form))
    if lines:
        print()


def _listed(text: str, form: str) -> str:
    """Text as a line of a list; in Markdown it becomes no tag, link or table."""
    return "- " + re.sub(r"([\\`*_\[\]|#<>&])", r"\\\1", text) if form == "md" else f"  {text}"


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
