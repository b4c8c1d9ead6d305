"""Entry points as they stand in the files of installed distributions.

``importlib.metadata`` reads the same, and takes longer to be imported than everything else that a
``--help`` does. What it finds in plain folders is little: ``NAME-VERSION.dist-info`` (or
``.egg-info``) on ``sys.path`` with the files ``entry_points.txt`` and ``METADATA``. That is read
here, by its rules. Anything else (a zip file on the path, an egg, a finder of somebody's own, a
file that is broken) is ``UnusualError``: whoever asks has ``importlib.metadata`` read all of it.

Nothing is kept from one reading to the next.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

_ENDINGS = (".dist-info", ".egg-info")
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""What ``importlib.metadata`` takes for a file that is not there."""


class UnusualError(Exception):
    """Something lies on the path that only ``importlib.metadata`` can read, or complain about."""


class Entry(NamedTuple):
    """An entry point: what is written left and right of its ``=``, and under which heading."""

    name: str
    value: str
    group: str

    def load(self) -> Any:
        """Import what it stands for: a module, or something in one.

        Raises:
            ImportError: there is no such module.
            AttributeError: it has no such name.
        """
        module, _, attribute = self.value.partition("[")[0].partition(":")
        found: Any = importlib.import_module(module.strip())
        for part in filter(None, attribute.strip().split(".")):
            found = getattr(found, part)
        return found


def read_entries(groups: Sequence[str]) -> list[tuple[str, str, Entry]]:
    """Name and version of a distribution, and an entry point of it, in the order of the groups.

    Of two distributions with one name that which stands first on the path hides the other.

    Raises:
        UnusualError: see the module.
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is no UTF-8 text.
    """
    found: dict[str, list[tuple[str, str, Entry]]] = {group: [] for group in groups}
    for folder in _folders():
        own = [one for one in _entries(folder) if one.group in found]
        if own:
            name, version = _identity(folder)
            for one in own:
                found[one.group].append((name, version, one))
    return [one for group in groups for one in found[group]]


def _folders() -> Iterator[str]:
    """The folder of each distribution that is not hidden, in the order of the path."""
    for finder in sys.meta_path:
        if finder is not PathFinder and hasattr(finder, "find_distributions"):
            raise UnusualError(f"{finder} finds distributions by itself")
    seen: set[str] = set()
    for folder in sys.path:
        try:
            children = os.listdir(folder or ".")
        except FileNotFoundError:
            continue
        except OSError as error:  # a zip file, perhaps
            raise UnusualError(folder) from error
        egg = folder.lower().rstrip("/\\").endswith(".egg")
        for child in children:
            low = child.lower()
            if low.endswith(_ENDINGS):
                name = _normal(child.rpartition(".")[0].partition("-")[0])
                if not name or not child.endswith(_ENDINGS):
                    raise UnusualError(child)  # its name stands inside only
                if name not in seen:
                    seen.add(name)
                    yield os.path.join(folder, child)
            elif egg and low == "egg-info":
                raise UnusualError(folder)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _entries(folder: str) -> list[Entry]:
    """All entry points of a distribution."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), "rb", buffering=0) as file:
            text = file.read().decode("utf-8")
    except _ABSENT:
        return []
    found: list[Entry] = []
    group: str | None = None
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
            continue
        if group is None:
            continue
        name, sign, value = line.partition("=")
        if not sign:
            raise UnusualError(folder)
        found.append(Entry(name.strip(), value.strip(), group))
    return found


def _identity(folder: str) -> tuple[str, str]:
    """Name and version of a distribution: the head of its metadata, without the README below."""
    for file_name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(folder, file_name), encoding="utf-8") as file:
                text = file.read()
        except _ABSENT:
            continue
        head = _head(folder, text)
        if head.get("name") and head.get("version"):
            return head["name"], head["version"]
        break
    raise UnusualError(folder)


def _head(folder: str, text: str) -> dict[str, str]:
    """The first value of each field above the first empty line, by the field's name in lower case.

    Values on several lines are cut to their first; a name or a version is refused there.
    """
    found: dict[str, str] = {}
    key = ""
    for line in text.split("\n"):
        if not line:
            break
        if line[0] in " \t":
            if key in ("name", "version"):
                raise UnusualError(folder)
            continue
        field, sign, value = line.partition(":")
        if not sign or " " in field:
            raise UnusualError(folder)
        key = field.lower()
        found.setdefault(key, value.lstrip(" \t"))
    return found
