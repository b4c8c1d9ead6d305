"""Colour for a person at a terminal: verdicts, statuses and the word before a message, no more.

``NO_COLOR`` turns it off and ``FORCE_COLOR`` on, if they are not empty; else there is colour where
a stream is a terminal and ``TERM`` is not ``dumb``.
"""

from __future__ import annotations

import os
from typing import TextIO

RED, GREEN, YELLOW = 31, 32, 33

WORDS = {
    GREEN: ("better", "equivalent", "pass", "ok", "complete", "ready"),
    YELLOW: ("inconclusive", "partial", "running", "interrupted", "note"),
    RED: ("worse", "regression", "fail", "FAIL", "failed", "FAILED", "damaged"),
}
"""Colour -> the words that have it, where one stands alone."""
PREFIXES = {"error:": RED, "warning:": YELLOW}
"""How a message begins -> the colour of that beginning."""

_COLOURS = {word: colour for colour, words in WORDS.items() for word in words}


def wanted(stream: TextIO) -> bool:
    """Whether a stream gets colour."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def word(text: str, stream: TextIO) -> str:
    """A verdict or status in its colour; any other text as it is.

    Args:
        text: without what steers a terminal.
        stream: what it will be written to.
    """
    colour = _COLOURS.get(text.strip())
    return _painted(text, colour) if colour is not None and wanted(stream) else text


def message(text: str, stream: TextIO) -> str:
    """A message whose beginning, ``error:`` or ``warning:``, is in its colour."""
    for prefix, colour in PREFIXES.items():
        if text.startswith(prefix) and wanted(stream):
            return _painted(prefix, colour) + text[len(prefix) :]
    return text


def _painted(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"
