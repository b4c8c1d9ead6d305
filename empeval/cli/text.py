"""Rows of text as a table, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


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


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
