"""People's ratings as the training's own steps look at them: a row a reply, a number a rating."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from empeval import UsageError
from empeval.auditing.layouts import MECHANISMS as LONG_NAMES
from empeval.auditing.layouts import read_layout
from empeval.auditing.rated import Part

MECHANISMS = tuple(LONG_NAMES)
"""Emotional reaction, interpretation, exploration; each 0 none, 1 weak, 2 strong."""

SOURCES = {
    "epitome": "epitome",
    "ratings-1-3": "ratings",
    "exchanges-1-5": "exchanges",
    "condolence": "condolence",
}
NEEDED = ("epitome", "ratings-1-3")


@dataclass(frozen=True)
class Rated:
    """A reply that people rated.

    Attributes:
        id: unique in its source.
        source: one of ``SOURCES``' values.
        dialogue: what was replied to; replies to the same are of one dialogue.
        context: the turns before the reply.
        part: of its dialogue: ``train``, ``validation`` or ``test``.
        values: ``er``, ``ip``, ``ex`` (0-2) and ``sum`` (0-6) of EPITOME, ``rating`` of the others.
        system: who replied, where known.
        emotion: the speaker's, where known.
    """

    id: str
    source: str
    dialogue: str
    context: tuple[str, ...]
    reply: str
    part: Part
    values: dict[str, float] = field(default_factory=dict)
    system: str = "human"
    emotion: str | None = None


def read_rated(folder: Path) -> list[Rated]:
    """Every rated reply of the files in a folder that are of a published layout.

    Raises:
        UsageError: the folder lacks EPITOME's levels or the ratings 1-3.
        DataError: a file does not have its columns, or a rating is out of range.
    """
    paths = sorted(path for path in folder.glob("*") if path.is_file())
    sets = {one.name: one for one in map(read_layout, paths) if one is not None}
    lacking = [name for name in NEEDED if name not in sets]
    if lacking:
        raise UsageError(
            f"{folder} has no file with the rated set {' or '.join(lacking)}. Give the folder of "
            "the human ratings."
        )
    rows = []
    for name, source in SOURCES.items():
        for reply in sets[name].replies if name in sets else ():
            if source == "epitome":
                values = {m: reply.mean(long) or 0.0 for m, long in LONG_NAMES.items()}
                values["sum"] = reply.mean("mechanisms") or 0.0
            else:
                values = {"rating": reply.mean("empathy") or 0.0}
            rows.append(
                Rated(
                    id=f"{source}:{reply.id}",
                    source=source,
                    dialogue=reply.dialogue,
                    context=reply.context,
                    reply=reply.reply,
                    part=reply.part,
                    values=values,
                    system=reply.system or "human",
                    emotion=reply.emotion,
                )
            )
    return rows
