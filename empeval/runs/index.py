"""Where the lines of a file are, by their ids, and the order of ids: numbers count as numbers."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar
from weakref import WeakValueDictionary


def natural_key(identifier: str) -> bytes:
    """A sort key under which "2" stands before "10"; different ids have different keys.

    Texts and numbers alternate. A text ends with a byte pair that is below any of its own, a
    number begins with its length, and what has no number more begins with a length of 0.
    """
    parts = re.split(r"([0-9]+)", identifier)
    key = bytearray()
    for number, part in enumerate(parts):
        if number % 2:
            digits = part.lstrip("0")
            key += (len(digits) + 1).to_bytes(4, "big") + digits.encode()
        else:
            key += _bytes(part).replace(b"\0", b"\0\2") + b"\0\1"
    return bytes(key + bytes(4) + _bytes(identifier))


def _bytes(text: str) -> bytes:
    """UTF-8, whose bytes have the order of the characters, also of what it cannot hold."""
    return text.encode("utf-8", "surrogatepass")


def natural_order(ids: Sequence[str]) -> array[int]:
    """The indices of ids in their natural order."""
    keys = [natural_key(identifier) for identifier in ids]
    return array("q", sorted(range(len(keys)), key=keys.__getitem__))


class Index:
    """The ids of a file's lines and their rows.

    Args:
        ids: in the order of the lines.

    Attributes:
        ids: the same.
        rows: id -> row, the first of an id that comes more than once.
        doubled: ids that come more than once.
    """

    _known: ClassVar[WeakValueDictionary[int, Index]] = WeakValueDictionary()

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids
        self.rows: dict[str, int] = {}
        self.doubled: set[str] = set()
        for row, name in enumerate(ids):
            if self.rows.setdefault(name, row) != row:
                self.doubled.add(name)

    @classmethod
    def of(cls, ids: list[str]) -> Index:
        """The index of these ids; files with the same items in the same order share one."""
        key = hash(tuple(ids))
        known = cls._known.get(key)
        if known is None or known.ids != ids:
            known = cls._known[key] = cls(ids)
        return known

    @cached_property
    def natural(self) -> array[int]:
        """Rows in the natural order of their ids."""
        return natural_order(self.ids)
