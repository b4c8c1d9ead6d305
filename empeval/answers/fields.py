"""Checked values out of rows that anybody may have written."""

from __future__ import annotations

from typing import Any

from empeval.answers.records import Row
from empeval.errors import DataError


def name_in(row: Row, key: str, where: str) -> str | None:
    """A name (text or a whole number) as text; ``None`` where the row has no such field.

    Raises:
        DataError: it is there and is something else.
    """
    if key not in row:
        return None
    value = row[key]
    if isinstance(value, float) and value.is_integer():  # a table's column of numbers
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        article = "an" if key[:1] in "aeiou" else "a"
        raise DataError(f"{where}: needs {article} '{key}' (text or a whole number).")
    return str(value)


def text_in(row: Row, key: str, where: str) -> str | None:
    """Text; ``None`` where the field is missing or ``null``.

    Raises:
        DataError: it is something else.
    """
    value = row.get(key)
    if not isinstance(value, str | None):
        raise DataError(f"{where}: '{key}' must be text.")
    return value


def count_in(row: Any, key: str) -> int | None:
    """A count, where the field holds one."""
    value = row.get(key) if isinstance(row, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def object_in(row: Any, key: str) -> Row:
    """An object; an empty one where the field holds something else."""
    value = row.get(key) if isinstance(row, dict) else None
    return value if isinstance(value, dict) else {}


def first_in(row: Any, key: str) -> Row:
    """The first object of a list; an empty one where there is none."""
    value = row.get(key) if isinstance(row, dict) else None
    held = value[0] if isinstance(value, list) and value else None
    return held if isinstance(held, dict) else {}
