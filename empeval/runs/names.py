"""Names of tasks and scorers as names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable


def slug(text: str, length: int = 60) -> str:
    """A file name out of any text: letters, digits, dots, dashes and underscores."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return clean[-length:].strip("-.") or "unnamed"


def same_file(names: Iterable[str]) -> str:
    """Two names that become the same file's, in quotation marks, or ``""``.

    Upper and lower case are the same to some systems.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(slug(name).casefold(), name)
        if other != name:
            return f"{other!r} and {name!r}"
    return ""
