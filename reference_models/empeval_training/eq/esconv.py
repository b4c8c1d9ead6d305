"""ESConv: emotional support talks, in the original layout or the hub's.

Liu et al. (2021). A talk has turns of a seeker and a supporter; the supporter's carry a strategy,
some of the seeker's a feedback (1-5), and most talks the seeker's rating of empathy (1-5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from empeval import DataError, load_rows
from empeval_heads.labels import STRATEGIES

DATASET = "thu-coai/esconv"
LICENSE = "CC BY-NC 4.0, academic use"
SPLITS = ("train", "validation", "test")
FAILED = "FailedESConv.json"

SEEKER, SUPPORTER = "seeker", "supporter"

_SPEAKERS = {
    "seeker": SEEKER,
    "usr": SEEKER,
    "speaker": SEEKER,
    "supporter": SUPPORTER,
    "sys": SUPPORTER,
    "listener": SUPPORTER,
}
_OLDER_NAMES = {
    "questions": "Question",
    "other": "Others",
    "approval and reassurance": "Affirmation and Reassurance",
    "restatement": "Restatement or Paraphrasing",
    "direct guidance": "Providing Suggestions",
}
"""Strategies of the failed talks, which have the names of an earlier version."""


@dataclass(frozen=True)
class Turn:
    """Something one of the two said.

    Attributes:
        strategy: the supporter's, one of 8; ``None`` for the seeker and where none is known.
        feedback: the seeker's, 1-5, on what the supporter said before; ``None`` mostly.
    """

    speaker: str
    text: str
    strategy: str | None = None
    feedback: int | None = None


@dataclass(frozen=True)
class Talk:
    """One talk.

    Attributes:
        id: split and number.
        empathy: the seeker's rating of the supporter's empathy, 1-5.
        failed: it was rejected by the data set's authors.
    """

    id: str
    turns: tuple[Turn, ...]
    situation: str = ""
    empathy: int | None = None
    failed: bool = False

    def merged(self) -> Talk:
        """The talk with successive turns of one speaker joined; strategy and feedback, the last."""
        turns: list[Turn] = []
        for turn in self.turns:
            if turns and turns[-1].speaker == turn.speaker:
                before = turns.pop()
                turns.append(
                    replace(
                        turn,
                        text=f"{before.text} {turn.text}",
                        strategy=turn.strategy or before.strategy,
                        feedback=turn.feedback or before.feedback,
                    )
                )
            else:
                turns.append(turn)
        return replace(self, turns=tuple(turns))


def read_talks(split: str) -> list[Talk]:
    """The talks of a split.

    Raises:
        DataError: a row is no talk; its number is named.
        HubError: the data set cannot be fetched.
    """
    files = (f"{split}.jsonl", f"{split}.txt", f"*/{split}*.parquet")
    return list(_talks(load_rows(DATASET, files), split, failed=False))


def read_failed() -> list[Talk]:
    """The talks that the authors rejected; empty where the data set at hand has none."""
    from empeval import HubError, UsageError

    try:
        rows = load_rows(DATASET, (FAILED, "FailedESConv.jsonl"))
    except (HubError, UsageError):
        return []
    return list(_talks(rows, "failed", failed=True))


def _talks(rows: list[dict[str, Any]], split: str, *, failed: bool) -> Iterator[Talk]:
    for number, row in enumerate(rows, 1):
        where = f"{DATASET}, {split}, row {number}"
        facts = _facts(row, where)
        turns = facts.get("dialog")
        if not isinstance(turns, list):
            raise DataError(f"{where}: it has no list 'dialog'.")
        seeker = _mapping(_mapping(facts.get("survey_score")).get("seeker"))
        yield Talk(
            id=f"{split}-{number}",
            turns=tuple(_turns(turns, where)),
            situation=str(facts.get("situation") or ""),
            empathy=_rating(seeker.get("empathy")),
            failed=failed,
        )


def _facts(row: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The row itself, or the JSON in its column ``text`` (the hub's layout)."""
    if "dialog" in row:
        return row
    try:
        facts = json.loads(row["text"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: it has neither 'dialog' nor JSON in 'text'.") from error
    return _mapping(facts)


def _turns(turns: list[Any], where: str) -> Iterator[Turn]:
    for place, turn in enumerate(turns, 1):
        facts = _mapping(turn)
        notes = {**facts, **_mapping(facts.get("annotation"))}
        speaker = _SPEAKERS.get(str(facts.get("speaker")))
        text = facts.get("content", facts.get("text"))
        if speaker is None or not isinstance(text, str):
            raise DataError(f"{where}: turn {place} has no speaker and text.")
        text = " ".join(text.split())
        if text:
            strategy = _strategy(notes.get("strategy"), f"{where}, turn {place}")
            if speaker == SEEKER:
                strategy = None
            yield Turn(speaker, text, strategy, _rating(notes.get("feedback")))


def _strategy(value: Any, where: str) -> str | None:
    if value is None or value == "":
        return None
    name = str(value).strip()
    known = {strategy.casefold(): strategy for strategy in STRATEGIES} | _OLDER_NAMES
    if name.casefold() not in known:
        raise DataError(f"{where}: unknown strategy {name!r}.")
    return known[name.casefold()]


def _rating(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if text in ("1", "2", "3", "4", "5") else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
