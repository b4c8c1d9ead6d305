"""Human ratings of empathy: EPITOME's levels and the 1-3 ratings of replies to ED speakers.

Neither file is on the model hub. ``epitome_dev.csv`` has the columns of EPITOME (Sharma et al.
2020), ``welivita_pu_2024_dev.jsonl`` a rated reply a line (Welivita and Pu 2024). Dialogues are
split once and for all into a part that weights are fitted on and a part that figures are
reported on; a dialogue is never in both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from empeval import DataError, UsageError, read_rows, require_columns

Part = Literal["fit", "test"]
Source = Literal["epitome", "ratings"]

EPITOME = "epitome_dev.csv"
RATINGS = "welivita_pu_2024_dev.jsonl"
MECHANISMS = ("er", "ip", "ex")
"""Emotional reaction, interpretation, exploration; each 0 none, 1 weak, 2 strong."""

FIT_SHARE = 60
"""Percent of the dialogues that fitting may see."""


@dataclass(frozen=True)
class Rated:
    """A reply that people rated.

    Attributes:
        id: of the rating, unique; EPITOME rated a few replies twice, and the second is ``...:2``.
        dialogue: what was replied to; replies to the same are of one dialogue.
        context: the turns before the reply.
        values: ``er``, ``ip``, ``ex`` (0-2) and ``sum`` (0-6), or ``rating`` (1-3).
        system: who replied, where known.
        emotion: the speaker's, where known.
    """

    id: str
    source: Source
    dialogue: str
    context: tuple[str, ...]
    reply: str
    values: dict[str, float] = field(default_factory=dict)
    system: str = "human"
    emotion: str | None = None

    @property
    def part(self) -> Part:
        """The part that its dialogue belongs to: 60 % of dialogues are for fitting."""
        digest = hashlib.sha256(f"{self.source} {self.dialogue}".encode()).digest()
        return "fit" if int.from_bytes(digest[:4], "big") % 100 < FIT_SHARE else "test"


def read_rated(folder: Path) -> list[Rated]:
    """Every rated reply of both files in a folder.

    Raises:
        UsageError: the folder lacks one of them.
        DataError: a file does not have its columns, or a rating is out of range.
    """
    for name in (EPITOME, RATINGS):
        if not (folder / name).is_file():
            raise UsageError(
                f"{folder} has no {name}. Give the folder of the human ratings, or leave the "
                "option out to use the weights that were fitted before."
            )
    return [*_epitome(folder / EPITOME), *_ratings(folder / RATINGS)]


def _epitome(path: Path) -> Iterator[Rated]:
    rows = read_rows(path)
    require_columns(
        rows, ("sp_id", "rp_id", "seeker_post", "response_post", *MECHANISMS), path.name
    )
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows, 2):
        where = f"{path.name}, row {number}"
        levels = {m: _number(row[m], 0, 2, f"{where}: {m}") for m in MECHANISMS}
        for mechanism, level in levels.items():
            if not level.is_integer():
                raise DataError(f"{where}: {mechanism} is {level:g}; a level is 0, 1 or 2.")
        post, response = (_text(row[name], where) for name in ("seeker_post", "response_post"))
        if not (post and response):
            continue
        name = f"epitome:{row['sp_id']}:{row['rp_id']}"
        seen[name] += 1
        yield Rated(
            id=name if seen[name] == 1 else f"{name}:{seen[name]}",
            source="epitome",
            dialogue=row["sp_id"],
            context=(post,),
            reply=response,
            values={**levels, "sum": sum(levels.values())},
        )


def _ratings(path: Path) -> Iterator[Rated]:
    rows = read_rows(path)
    needed = ("dialog_id", "emotion", "speaker_utterance", "system", "response", "empathy_rating")
    require_columns(rows, needed, path.name)
    for number, row in enumerate(rows, 1):
        where = f"{path.name}, row {number}"
        rating = _number(row["empathy_rating"], 1, 3, f"{where}: empathy_rating")
        speaker, response, dialogue, system, emotion = (
            _text(row[name], where)
            for name in ("speaker_utterance", "response", "dialog_id", "system", "emotion")
        )
        if not (speaker and response):
            continue
        yield Rated(
            id=f"ratings:{dialogue}:{system}",
            source="ratings",
            dialogue=dialogue,
            context=(speaker,),
            reply=response,
            values={"rating": rating},
            system=system,
            emotion=emotion,
        )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {value!r} stands where a text must be.")
    return value.strip()


def _number(value: object, low: float, high: float, where: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise DataError(f"{where} is {value!r}; it must be from {low:g} to {high:g}.")
    return number
