"""Text of others where it meets a terminal, Markdown or a spreadsheet: one function each.

A model's name, an answer, an id, a note, a file's name: whatever a run folder holds was written
by somebody. HTML has its template's autoescaping (``empeval.report``).
"""

from __future__ import annotations

import re

SHEET_NAME_LIMIT = 31
"""Characters of a sheet's name."""

_STEERING = re.compile(
    # control characters of both kinds, line and paragraph separators, what turns the direction
    # of writing, a byte order mark and annotations, tags that nobody sees, halves of a character
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MARKUP = re.compile(r"([\\`*_\[\]|#~])")
_NO_SHEET = re.compile(r"[\[\]:*?/\\]")


def plain(text: object) -> str:
    """Text for one line of a terminal: whatever would steer it is written out, as in ``\\x1b``.

    Plain text stays as it is, so it does no harm to ask twice.
    """
    return _STEERING.sub(_written, str(text))


def lines(text: object) -> str:
    """Text for several lines of a terminal: ``plain``, but for line ends and tabs."""
    return _STEERING.sub(lambda m: m[0] if m[0] in "\n\t" else _written(m), str(text))


def markdown(text: object) -> str:
    """Text for one line or cell of Markdown: it becomes no tag, link, list or table."""
    shown = " ".join(plain(text).split())
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        shown = shown.replace(sign, entity)
    return _MARKUP.sub(r"\\\1", shown)


def code(text: object) -> str:
    """Text as a span of code in Markdown."""
    return f"`{' '.join(plain(text).replace('`', chr(39)).split())}`"


def sheet_name(text: str) -> str:
    """Text as the name of a spreadsheet's sheet: at most 31 characters without ``[]:*?/\\``."""
    return _NO_SHEET.sub("-", plain(text)).strip("' ")[:SHEET_NAME_LIMIT].strip("' ") or "sheet"


def json_text(text: str) -> str:
    """JSON for a terminal: what would steer it is escaped inside of the strings.

    Args:
        text: JSON; its own line ends and spaces stay.
    """
    return _STEERING.sub(lambda m: m[0] if m[0] in "\n\t" else _json_escape(m[0]), text)


def _written(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in _NAMED:
        return _NAMED[sign]
    number = ord(sign)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
