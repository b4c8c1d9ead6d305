"""The order of items in a run: by their ids, numbers counted as numbers."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence


def natural_key(identifier: str) -> bytes:
    """A sort key under which "2" stands before "10"; different ids have different keys.

    Texts and numbers alternate. A text ends with a byte pair that is below any of its own, a
    number begins with its length, and what has no number more begins with a length of 0.
    """
    parts = re.split(r"([0-9]+)", identifier)
    key = bytearray()
    for place, part in enumerate(parts):
        if place % 2:
            digits = part.lstrip("0")
            key += (len(digits) + 1).to_bytes(4, "big") + digits.encode()
        else:
            key += _bytes(part).replace(b"\0", b"\0\2") + b"\0\1"
    return bytes(key + bytes(4) + _bytes(identifier))


def _bytes(text: str) -> bytes:
    """UTF-8, whose bytes have the order of the characters, also of what it cannot hold."""
    return text.encode("utf-8", "surrogatepass")


def natural_order(ids: Sequence[str]) -> array[int]:
    """The places of ids in their natural order."""
    keys = [natural_key(identifier) for identifier in ids]
    return array("q", sorted(range(len(keys)), key=keys.__getitem__))
