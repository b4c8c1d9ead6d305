"""Which installed components play a part for which the core knows nobody by name.

A distribution says so in its metadata, under the class that it registers as a task or scorer::

    [project.entry-points."empeval.roles"]
    "dialogues.1" = "my_package.scorers:Politeness"

====================  =============================================================================
``dialogues.N``       scores saved dialogues when the user names no scorer, in the order of N
``rival.N``           what an audit holds every scorer against, by the first value of its card
``offline.N``         a task whose data come with it
``example.task``      a task for the examples of a help text; ``example.replies`` one that asks for
                      replies and has human ones; ``example.scorer`` and ``example.judge`` scorers
====================  =============================================================================

Nothing is imported. Where two distributions play a part, empeval's own comes first.
"""

from __future__ import annotations

from empeval.installed import OURS, Point, entry_points

GROUP = "empeval.roles"
_HOLDERS = ("empeval.tasks", "empeval.scorers")

EXAMPLES = {
    "task": "TASK",
    "replies": "TASK",
    "scorer": "SCORER",
    "judge": "SCORER",
}
"""Roles below ``example``, and what stands in a text where nobody plays them."""


def playing(role: str) -> list[str]:
    """The names of the components that play a role, as a user may write them.

    A name that several distributions have stands behind its distribution's, unless that is
    empeval's own.
    """
    return _playing(role, *_points())


def _points() -> tuple[list[Point], list[Point]]:
    """Who has roles, and what may have them."""
    every, _ = entry_points(GROUP, *_HOLDERS)
    roles = [point for point in every if point.entry.group == GROUP]
    return roles, [point for point in every if point.entry.group != GROUP]


def _playing(role: str, points: list[Point], known: list[Point]) -> list[str]:
    found = sorted(
        (
            point
            for point in points
            if point.entry.name == role or point.entry.name.startswith(f"{role}.")
        ),
        key=lambda point: (point.distribution != OURS, point.distribution, point.entry.name),
    )
    names = (_name_of(point, known) for point in found)
    return list(dict.fromkeys(name for name in names if name))


def example(role: str) -> str:
    """A name for the examples of a help text; what stands for one where nobody plays the role."""
    return with_examples(f"{{{role}}}")


def with_examples(text: str) -> str:
    """A text with ``{task}``, ``{offline}`` and the like replaced by names of what is installed."""
    if not any(f"{{{role}}}" in text for role in (*EXAMPLES, "offline")):
        return text
    points, known = _points()
    for role, otherwise in EXAMPLES.items():
        names = _playing(f"example.{role}", points, known)
        text = text.replace(f"{{{role}}}", next(iter(names), otherwise))
    offline = _playing("offline", points, known)
    return text.replace("{offline}", ",".join(offline) or EXAMPLES["task"])


def _name_of(point: Point, known: list[Point]) -> str | None:
    own = [
        holder.entry.name
        for holder in known
        if (holder.entry.value, holder.distribution) == (point.entry.value, point.distribution)
    ]
    if not own:
        return None
    (name, *_) = own
    others = {holder.distribution for holder in known if holder.entry.name == name}
    alone = others == {point.distribution} or point.distribution == OURS
    return name if alone else f"{point.distribution}/{name}"
