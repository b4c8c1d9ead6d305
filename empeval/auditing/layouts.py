"""The layouts in which rated replies are published, recognised by their columns.

A dialogue's name begins with the kind of text that it is of, so that two sets on the same
EmpatheticDialogues conversation put it into the same part.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from empeval.auditing.rated import Dimension, RatedReply, RatedSet, Rating
from empeval.errors import DataError
from empeval.tables import Row, read_rows

MECHANISMS = {
    "er": "emotional_reaction",
    "ip": "interpretation",
    "ex": "exploration",
}
"""EPITOME's columns and what they are called here; each 0 none, 1 weak, 2 strong."""

MECHANISM_DIMENSIONS = (
    *(Dimension(name=name, low=0, high=2) for name in MECHANISMS.values()),
    Dimension(name="mechanisms", low=0, high=6, parts=tuple(MECHANISMS.values())),
)


SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
"""Of files of rows, also with ``.gz``."""


class Layout:
    """A published layout: the columns that give it away, and how its rows are read.

    Args:
        name: of the set.
        columns: all of these must be there.
        read: rows and a name for errors -> rated replies.
        dimensions: what was rated.
        source, license: as in ``RatedSet``.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        read: Callable[[Sequence[Row], str], Iterator[RatedReply]],
        dimensions: tuple[Dimension, ...],
        source: str,
        license: str | None,
    ) -> None:
        self.name, self.columns = name, frozenset(columns)
        self._read, self._dimensions = read, dimensions
        self.source, self._license = source, license

    def matches(self, row: Row) -> bool:
        """Whether a row has the layout's columns."""
        return self.columns <= row.keys()

    def rated(self, rows: Sequence[Row], where: str) -> RatedSet:
        """The rows as a rated set; rows without a text to judge are left out and counted.

        Raises:
            DataError: a rating or a text is not what it should be; the row is named.
        """
        replies = tuple(self._read(rows, where))
        if not replies:
            raise DataError(f"{where} has no rated reply.")
        lost = len(rows) - len(replies)
        blank = f"{lost} of {len(rows)} rows have no text to judge"
        return RatedSet(
            name=self.name,
            replies=replies,
            dimensions=self._dimensions,
            source=self.source,
            license=self._license,
            notes=(blank,) if lost > 0 else (),
        )


def read_layout(path: Path) -> RatedSet | None:
    """The rated set in a file of a published layout; ``None`` where it is of none of them.

    Raises:
        DataError: the file cannot be read, or a row is not what it should be.
    """
    if not path.name.removesuffix(".gz").endswith(SUFFIXES):
        return None  # what a folder has beside its rows, such as a note
    rows = read_rows(path)
    if not rows:
        raise DataError(f"{path} has no rows.")
    for layout in LAYOUTS:
        if layout.matches(rows[0]):
            return layout.rated(rows, path.name)
    return None


def read_rows_of(name: str, rows: Sequence[Row], where: str) -> RatedSet:
    """Rows that are known to be of a published layout, as a rated set.

    Raises:
        DataError: a row is not what it should be.
    """
    layout = next(layout for layout in LAYOUTS if layout.name == name)
    return layout.rated(rows, where)


def _epitome(rows: Sequence[Row], where: str) -> Iterator[RatedReply]:
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows, 2):
        at = f"{where}, row {number}"
        levels = {name: _level(row[key], 0, 2, f"{at}: {key}") for key, name in MECHANISMS.items()}
        post, response = (_text(row[key], at) for key in ("seeker_post", "response_post"))
        if not (post and response):
            continue
        name = f"{row['sp_id']}:{row['rp_id']}"
        seen[name] += 1  # a few replies were rated twice
        ratings = {key: (Rating(value),) for key, value in levels.items()}
        yield RatedReply(
            id=name if seen[name] == 1 else f"{name}:{seen[name]}",
            dialogue=f"epitome {row['sp_id']}",
            context=(post,),
            reply=response,
            ratings={**ratings, "mechanisms": (Rating(sum(levels.values())),)},
            system="human",
        )


def _three_levels(rows: Sequence[Row], where: str) -> Iterator[RatedReply]:
    for number, row in enumerate(rows, 1):
        at = f"{where}, row {number}"
        rating = _level(row["empathy_rating"], 1, 3, f"{at}: empathy_rating")
        speaker, response, dialogue, system, emotion = (
            _text(row.get(key, ""), at)
            for key in ("speaker_utterance", "response", "dialog_id", "system", "emotion")
        )
        if not (speaker and response):
            continue
        group = row.get("rater_group")
        yield RatedReply(
            id=f"{dialogue}:{system}",
            dialogue=f"ratings {dialogue}",
            context=(speaker,),
            reply=response,
            ratings={"empathy": (Rating(rating, None if group is None else str(group)),)},
            system=system or None,
            emotion=emotion or None,
        )


def _exchanges(rows: Sequence[Row], where: str) -> Iterator[RatedReply]:
    """Exchanges of one conversation stand in each other's context, in their order."""
    before: dict[tuple[str, int], tuple[str, str]] = {}
    read = []
    for number, row in enumerate(rows, 1):
        at = f"{where}, row {number}"
        rating = _level(row["empathy"], 1, 5, f"{at}: empathy")
        conversation, speaker, listener = (
            _text(row[key], at) for key in ("conv_id", "speaker_utterance", "listener_utterance")
        )
        exchange = int(_number(row["exchange_number"], f"{at}: exchange_number"))
        if not (speaker and listener):
            continue
        before[conversation, exchange] = speaker, listener
        read.append((conversation, exchange, speaker, listener, rating, row.get("emotion")))
    for conversation, exchange, speaker, listener, rating, emotion in read:
        earlier: list[str] = []
        for one in range(exchange - 1, 0, -1):
            if (conversation, one) not in before:
                break
            earlier[:0] = before[conversation, one]
        yield RatedReply(
            id=f"{conversation}:{exchange}",
            dialogue=f"ratings {conversation}",
            context=(*earlier, speaker),
            reply=listener,
            ratings={"empathy": (Rating(rating),)},
            system="human",
            emotion=str(emotion) if emotion else None,
        )


def _condolence(rows: Sequence[Row], where: str) -> Iterator[RatedReply]:
    for number, row in enumerate(rows, 1):
        at = f"{where}, row {number}"
        target, observer = (_text(row[key], at) for key in ("target", "observer"))
        raters = row["raters"]
        if not isinstance(raters, list) or not raters:
            raise DataError(f"{at}: 'raters' must be a list of ratings.")
        said = tuple(
            Rating(_number(value, f"{at}: raters", 1, 5), f"rater {who}")
            for who, value in enumerate(raters, 1)
        )
        if not (target and observer):
            continue
        yield RatedReply(
            id=str(row["id"]),
            dialogue=f"condolence {_digest(target)}",
            context=(target,),
            reply=observer,
            ratings={"empathy": said},
            system="human",
        )


def _feedback(rows: Sequence[Row], where: str) -> Iterator[RatedReply]:
    """What a supporter said since the seeker last rated, and the seeker's rating of it."""
    for number, row in enumerate(rows, 1):
        at = f"{where}, row {number}"
        if "dialog" not in row:
            try:
                row = dict(json.loads(row["text"]))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{at}: it has neither 'dialog' nor JSON in 'text'.") from error
        turns = _joined(row.get("dialog") or [], at)
        name = f"esconv {_digest(' '.join(text for _, text, _ in turns))}"
        for index, (speaker, _, feedback) in enumerate(turns):
            if speaker != "seeker" or feedback is None or index < 2:
                continue
            yield RatedReply(
                id=f"{name}:{index}",
                dialogue=name,
                context=tuple(text for _, text, _ in turns[: index - 1]),
                reply=turns[index - 1][1],
                ratings={"empathy": (Rating(feedback),)},
                system="human",
            )


def _joined(turns: Sequence[Any], at: str) -> list[tuple[str, str, float | None]]:
    """Speaker, text and feedback of turns; successive ones of a speaker are joined."""
    joined: list[tuple[str, str, float | None]] = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise DataError(f"{at}: a turn is no object.")
        notes = turn.get("annotation") or {}
        text = _text(turn.get("content", turn.get("text", "")), at)
        speaker = {"usr": "seeker", "sys": "supporter"}.get(
            str(turn.get("speaker")), str(turn.get("speaker"))
        )
        said = str(notes.get("feedback", turn.get("feedback", ""))).strip()
        feedback = float(said) if said in ("1", "2", "3", "4", "5") else None
        if not text:
            continue
        if joined and joined[-1][0] == speaker:
            _, before, rated = joined.pop()
            text, feedback = f"{before} {text}", feedback if rated is None else rated
        joined.append((speaker, text, feedback))
    return joined


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{at}: {value!r} stands where a text must be.")
    return value.strip()


def _number(value: object, at: str, low: float = -1e9, high: float = 1e9) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise DataError(f"{at} is {value!r}; it must be from {low:g} to {high:g}.")
    return number


def _level(value: object, low: int, high: int, at: str) -> float:
    level = _number(value, at, low, high)
    if not level.is_integer():
        raise DataError(f"{at} is {level:g}; a level is a whole number.")
    return level


LAYOUTS = (
    Layout(
        "epitome",
        ("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex"),
        _epitome,
        MECHANISM_DIMENSIONS,
        "EPITOME: replies to posts of people who seek support, levels by trained annotators "
        "(Sharma, Miner, Atkins, Althoff 2020)",
        "academic, non-profit research use",
    ),
    Layout(
        "ratings-1-3",
        ("dialog_id", "speaker_utterance", "system", "response", "empathy_rating"),
        _three_levels,
        (Dimension(name="empathy", low=1, high=3),),
        "replies of people and two language model prompts to EmpatheticDialogues speakers, one "
        "crowd worker each (Welivita and Pu 2024)",
        None,
    ),
    Layout(
        "exchanges-1-5",
        ("conv_id", "exchange_number", "speaker_utterance", "listener_utterance", "empathy"),
        _exchanges,
        (Dimension(name="empathy", low=1, high=5),),
        "EmpatheticExchanges: listener turns of EmpatheticDialogues, rated 1-5",
        "CC BY-NC 4.0",
    ),
    Layout(
        "condolence",
        ("id", "target", "observer", "raters"),
        _condolence,
        (Dimension(name="empathy", low=1, high=5),),
        "replies to distressed posts, two raters each (Zhou and Jurgens 2020)",
        None,
    ),
    Layout(
        "esconv-feedback",
        ("dialog",),
        _feedback,
        (Dimension(name="empathy", low=1, high=5),),
        "ESConv: seekers' ratings of their supporters' turns (Liu et al. 2021)",
        "CC BY-NC 4.0, academic use",
    ),
)
