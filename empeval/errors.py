"""Errors that speak to the person at the keyboard.

The command line prints ``error: MESSAGE`` for each of these and no traceback. The exit code
tells two kinds apart: 2, invalid input, ends the same way until the command or a file is
changed; 1, a runtime failure (network, disk, memory, a plugin), may pass when tried again.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class EmpevalError(Exception):
    """Something went wrong that the user can do something about.

    The message is one or two sentences: what was wrong, where, what to do.
    """

    exit_code = 1


class UsageError(EmpevalError):
    """Invalid input: a bad name, value, file or combination."""

    exit_code = 2


class DataError(UsageError):
    """A file or data set does not hold what it should (the message names file and line)."""


class HubError(EmpevalError):
    """A model or data set could not be fetched from the hub."""


class RunFolderError(UsageError):
    """A folder is no run folder, belongs to another question, or is damaged."""


class StorageError(EmpevalError):
    """The run folder could not be written (full disk, lost permission)."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Say which known names are close to ``name``, as a clause that can end an error message.

    Returns "" when nothing is known, otherwise text such as
    ``" Did you mean 'stories'? Known: small-talk, stories."``.
    """
    names = sorted(set(known))
    if not names:
        return ""
    close = _close(name, names)[:count]
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."


def _close(name: str, names: Sequence[str]) -> list[str]:
    """Names that look alike, then those that begin or end with it; case does not count."""
    folded = {known.casefold(): known for known in names}
    wanted = name.casefold()
    found = difflib.get_close_matches(wanted, folded, n=len(folded), cutoff=0.5)
    if len(wanted) > 1:
        found += [f for f in folded if f.startswith(wanted) or f.endswith(wanted)]
    return [folded[f] for f in dict.fromkeys(found)]


def some(names: Sequence[str], most: int = 5) -> str:
    """A few of many names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
