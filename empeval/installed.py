"""Entry points of the installed distributions, whatever state some of those are in.

An interrupted installation leaves metadata that cannot be read; it must not take the others down.

``EMPEVAL_DISABLE_PLUGINS=A,B`` leaves distributions out, ``EMPEVAL_LOAD_PLUGINS=A,B`` leaves out
all but those and empeval's own; ``*`` stands for anything, and ``A/NAME`` for one entry point.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from empeval.distributions import Entry, read_entries

if TYPE_CHECKING:
    from importlib import metadata

UNKNOWN = "(unknown)"
OURS = "empeval"
DISABLE, LOAD = "EMPEVAL_DISABLE_PLUGINS", "EMPEVAL_LOAD_PLUGINS"


class Point(NamedTuple):
    """An entry point and where it comes from."""

    distribution: str
    version: str
    entry: Entry


def entry_points(*groups: str) -> tuple[list[Point], list[tuple[str, str]]]:
    """The entry points of groups, and ``(distribution, reason)`` of those that cannot be read.

    All metadata on the path are read once, however many groups there are. What the two variables
    leave out is in neither.
    """
    points, problems = _every(*groups)
    return [point for point in points if not _switch(point)], problems


def left_out(group: str, name: str) -> str:
    """Which variable leaves a name out that is installed, as a clause; ``""`` where none does."""
    for point in _every(group)[0]:
        switch = _switch(point)
        if switch and name in (point.entry.name, f"{point.distribution}/{point.entry.name}"):
            return f" It is installed with {point.distribution}, but {switch} leaves it out."
    return ""


def points_left_out() -> list[tuple[Point, str]]:
    """What is installed and left out, and by which variable."""
    groups = ("empeval", "empeval.tasks", "empeval.generators", "empeval.scorers")
    return [(point, switch) for point in _every(*groups)[0] if (switch := _switch(point))]


def _switch(point: Point) -> str:
    """The variable that leaves an entry point out, or ``""``."""
    if _among(point, os.environ.get(DISABLE, "")):
        return DISABLE
    load = os.environ.get(LOAD)
    if load is None or _normal(point.distribution) == OURS or _among(point, load):
        return ""
    return LOAD


def _among(point: Point, listed: str) -> bool:
    patterns = [part.strip() for part in listed.split(",") if part.strip()]
    if not patterns:
        return False
    import fnmatch

    own = _normal(point.distribution)
    names = (own, f"{own}/{point.entry.name}")
    return any(
        fnmatch.fnmatchcase(name, "/".join((_normal(pattern.partition("/")[0]), *rest)))
        for pattern in patterns
        for rest in [pattern.split("/", 1)[1:]]
        for name in names
    )


def _normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _every(*groups: str) -> tuple[list[Point], list[tuple[str, str]]]:
    try:
        return [Point(*one) for one in read_entries(groups)], []
    except Exception:  # unusual or broken: the standard library knows what to make of it
        return _by_the_library(groups)


def _by_the_library(groups: Sequence[str]) -> tuple[list[Point], list[tuple[str, str]]]:
    from importlib import metadata

    named = _Named()
    try:
        every = metadata.entry_points()
        return [named.point(one) for group in groups for one in every.select(group=group)], []
    except Exception:  # of the one distribution that is broken; find out which
        return _one_by_one(groups)


def _one_by_one(groups: Sequence[str]) -> tuple[list[Point], list[tuple[str, str]]]:
    from importlib import metadata

    points: list[Point] = []
    problems: list[tuple[str, str]] = []
    seen: set[str] = set()
    named = _Named()
    for distribution in metadata.distributions():
        name, _ = named.identity(distribution)
        if name != UNKNOWN and name in seen:
            continue  # hidden by the one that stands earlier on the path
        seen.add(name)
        try:
            own = distribution.entry_points
            points += [named.point(one) for group in groups for one in own.select(group=group)]
        except Exception as error:  # whatever is wrong with its files
            reason = f"its metadata cannot be read: {type(error).__name__}: {error}"
            problems.append((name, f"{reason}; reinstall or remove it"))
    return points, problems


class _Named:
    """Names and versions of distributions; the metadata, README and all, are parsed once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[metadata.Distribution | None, tuple[str, str]]] = {}

    def point(self, entry: metadata.EntryPoint) -> Point:
        """An entry point with what it is of."""
        return Point(*self.identity(entry.dist), Entry(entry.name, entry.value, entry.group))

    def identity(self, distribution: metadata.Distribution | None) -> tuple[str, str]:
        """Name and version, as far as they can be read."""
        key = id(distribution)
        if key not in self._known:  # which is kept, so that its number is nobody else's
            self._known[key] = distribution, _identity(distribution)
        return self._known[key][1]


def _identity(distribution: metadata.Distribution | None) -> tuple[str, str]:
    if distribution is None:
        return UNKNOWN, ""
    try:
        told = distribution.metadata
        return told["Name"] or UNKNOWN, told["Version"] or ""
    except Exception:  # its metadata is no text
        return UNKNOWN, ""
