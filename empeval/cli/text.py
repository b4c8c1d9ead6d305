"""Rows of text as a table, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from empeval.escaping import json_text, markdown, plain

if TYPE_CHECKING:
    from empeval.marks import Marked


def print_rows(rows: Sequence[Mapping[str, Any]], form: str) -> None:
    """Print rows with the keys of the first as headers."""
    if form == "json":
        print_json(list(rows))
        return
    from tabulate import tabulate

    style, escape = ("github", markdown) if form == "md" else ("simple", plain)
    cells = [["" if v is None else escape(v) for v in row.values()] for row in rows]
    headers = [escape(key) for key in rows[0]] if rows else []
    print(tabulate(cells, headers=headers, tablefmt=style, disable_numparse=True))


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    import msgspec

    print(json_text(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()))


def say(text: object, form: str = "table") -> None:
    """Print one line in which nothing steers the terminal; line ends in the text are written out.

    What a run, a model, a plugin or a file says goes through here, or through ``print_rows``.

    Args:
        text: the line.
        form: of the tables beside it; with ``md`` it becomes no tag, link or table.
    """
    print(markdown(text) if form == "md" else plain(text))


def print_notices(texts: Sequence[str], form: str) -> None:
    """Print what must not be overlooked above a table, and a line end after it.

    Args:
        texts: a line each.
        form: of the tables below it.
    """
    for text in texts:
        say(f"NOTE WELL: {text}", form)
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
    return f"- {markdown(text)}" if form == "md" else f"  {plain(text)}"
