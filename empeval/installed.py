"""Entry points of the installed distributions, whatever state some of those are in.

An interrupted installation leaves metadata that cannot be read; it must not take the others down.
"""

from __future__ import annotations

from importlib import metadata
from typing import NamedTuple

UNKNOWN = "(unknown)"


class Point(NamedTuple):
    """An entry point and where it comes from."""

    distribution: str
    version: str
    entry: metadata.EntryPoint


def entry_points(group: str) -> tuple[list[Point], list[tuple[str, str]]]:
    """The entry points of a group, and ``(distribution, reason)`` of those that cannot be read."""
    try:
        return [_point(entry) for entry in metadata.entry_points(group=group)], []
    except Exception:  # of the one distribution that is broken; find out which
        return _one_by_one(group)


def _one_by_one(group: str) -> tuple[list[Point], list[tuple[str, str]]]:
    points: list[Point] = []
    problems: list[tuple[str, str]] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name, _ = _identity(distribution)
        if name != UNKNOWN and name in seen:
            continue  # hidden by the one that stands earlier on the path
        seen.add(name)
        try:
            points += [_point(entry) for entry in distribution.entry_points.select(group=group)]
        except Exception as error:  # whatever is wrong with its files
            reason = f"its metadata cannot be read: {type(error).__name__}: {error}"
            problems.append((name, f"{reason}; reinstall or remove it"))
    return points, problems


def _point(entry: metadata.EntryPoint) -> Point:
    return Point(*_identity(entry.dist), entry)


def _identity(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Name and version, as far as they can be read."""
    if distribution is None:
        return UNKNOWN, ""
    try:
        return distribution.name or UNKNOWN, distribution.version or ""
    except Exception:  # its metadata is no text
        return UNKNOWN, ""
