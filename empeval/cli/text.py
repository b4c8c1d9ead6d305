"""The presenter that every verb shares: tables, lines beside them, JSON.

A form is one of ``options.FORMATS``. ``table`` is for a terminal and fits its width; ``md`` is for
a page; ``json`` is the record itself; ``csv`` and ``latex`` are one table and nothing else on
standard output: the lines beside it go to standard error.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from empeval import colour
from empeval.escaping import json_text, markdown, plain

if TYPE_CHECKING:
    from empeval.marks import Marked

ALONE = ("csv", "latex")
"""Forms in which a table stands alone on standard output."""
STATES = ("", "gate", "result", "state", "status", "verdict")
"""Columns in which a word says how something stands."""
WIDE = 100
"""Characters of a line of a sentence where no terminal says how wide it is."""
LONG, NARROWEST = 14, 5
"""Characters of a word that is not broken if need not be, and that a column keeps at least, when
a table is made to fit."""


def print_rows(rows: Sequence[Mapping[str, Any]], form: str, *, more: bool = False) -> None:
    """Print rows with the keys of the first as headers.

    Args:
        rows: a value a column.
        form: of the table.
        more: the table stands beside another one; forms in which one stands alone leave it out.
    """
    if form == "json":
        print_json(list(rows))
        return
    if more and form in ALONE:
        return
    from tabulate import tabulate

    escape = markdown if form == "md" else plain
    cells = [["" if v is None else escape(v) for v in row.values()] for row in rows]
    headers = [escape(key) for key in rows[0]] if rows else []
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([headers, *cells] if rows else [])
        print(text.getvalue(), end="")
        return
    styles = {"md": "github", "latex": "latex_booktabs"}
    width = _width() if form == "table" else None
    columns = fitted([headers, *cells], width) if rows and width else None
    if form == "table":
        cells = [[colour.word(cell, sys.stdout) if key in STATES else cell
                  for key, cell in zip(headers, row, strict=True)] for row in cells]  # fmt: skip
    if columns:  # the headers are a row like others: tabulate sets more space around its own
        cells = [headers, ["-" * size for size in columns], *cells]
        print(tabulate(cells, tablefmt="plain", disable_numparse=True, maxcolwidths=columns))
        return
    print(
        tabulate(cells, headers=headers, tablefmt=styles.get(form, "simple"), disable_numparse=True)
    )


def _width() -> int | None:
    """The terminal's width, or ``COLUMNS``; ``None`` where a file or a program reads."""
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None


def fitted(rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Widths of columns with which a table fits, the widest cut first; ``None``: it fits already.

    Words of up to ``LONG`` characters stay whole while there is a longer one to cut. A column is
    never narrower than ``NARROWEST``, so a table of very many still does not fit.

    Args:
        rows: headers and cells.
        width: of the terminal.
    """
    columns = list(zip(*rows, strict=True))
    narrow = [max(map(len, column), default=0) for column in columns]
    room = width - 2 * (len(columns) - 1)
    if sum(narrow) + 2 * len(columns) <= room:  # tabulate's headers have two spaces more
        return None
    words = [max((len(w) for cell in column for w in cell.split()), default=0)
             for column in columns]  # fmt: skip
    for floors in ([min(word, LONG) for word in words], [NARROWEST] * len(columns)):
        while sum(narrow) > room:
            spare = [have - floor for have, floor in zip(narrow, floors, strict=True)]
            if max(spare) <= 0:
                break
            narrow[max(range(len(narrow)), key=lambda n: (spare[n] > 0) * narrow[n])] -= 1
    return [max(1, size) for size in narrow]


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
    beside = sys.stderr if form in ALONE else None
    print(markdown(text) if form == "md" else _line(text), file=beside)


def print_wrapped(texts: Sequence[str], form: str = "table", indent: str = "  ") -> None:
    """Print sentences that may be longer than a line; in Markdown as a list.

    Args:
        texts: a sentence each.
        form: of the tables beside them.
        indent: of what does not fit a sentence's first line.
    """
    import textwrap

    beside = sys.stderr if form in ALONE else None
    for text in texts:
        line = f"- {markdown(text)}" if form == "md" else plain(text)
        if form == "table":
            line = textwrap.fill(line, _width() or WIDE, subsequent_indent=indent)
        print(line, file=beside)


def _line(text: object) -> str:
    """A line for a terminal; one that is a verdict and nothing else is in its colour."""
    return colour.word(plain(text), sys.stdout)


def blank(form: str = "table") -> None:
    """Print a line end between what is said and a table."""
    if form not in ALONE:
        print()


def print_notices(texts: Sequence[str], form: str) -> None:
    """Print what must not be overlooked above a table, and a line end after it.

    Args:
        texts: a line each.
        form: of the tables below it.
    """
    for text in texts:
        say(f"NOTE WELL: {text}", form)
    if texts:
        blank(form)


def print_marks(marks: Sequence[Marked], form: str, names: Mapping[str, str] | None = None) -> None:
    """Print what is known of the scorers' agreement with people, and a line end after it.

    Args:
        marks: of one or more runs.
        form: of the tables beside it.
        names: run folder -> what a line calls it.
    """
    from empeval.marks import mark_lines, mark_warnings

    lines = mark_lines(marks, names)
    beside = sys.stderr if form in ALONE else None
    if lines:
        print("agreement with people:", file=beside)
        print(*(_listed(line, form) for line in lines), sep="\n", file=beside)
    for warning in mark_warnings(marks, names):
        print(_listed(f"warning: {warning}", form), file=beside)
    if lines:
        blank(form)


def _listed(text: str, form: str) -> str:
    """Text as a line of a list; in Markdown it becomes no tag, link or table."""
    return f"- {markdown(text)}" if form == "md" else f"  {plain(text)}"
