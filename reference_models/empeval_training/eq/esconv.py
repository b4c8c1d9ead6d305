"""ESConv: emotional support talks, in the original layout or the hub's.

Liu et al. (2021). A talk has turns of a seeker and a supporter; the supporter's carry a strategy,
some of the seeker's a feedback (1-5), and most talks the seeker's rating of empathy (1-5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from empeval import DataError
from empeval_heads.labels import STRATEGIES
from empeval_tasks.esconv_replay import rows
from empeval_tasks.esconv_replay.rows import DATASET, LICENSE, SEEKER, SUPPORTER

__all__ = ["DATASET", "LICENSE", "SEEKER", "SUPPORTER", "Talk", "Turn", "read_failed", "read_talks"]

SPLITS = ("train", "validation", "test")
FAILED = "FailedESConv.json"

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
    return list(_talks(rows.split_files(split), split, failed=False))


def read_failed() -> list[Talk]:
    """The talks that the authors rejected; empty where the data set at hand has none."""
    from empeval import HubError, UsageError

    try:
        return list(_talks((FAILED, "FailedESConv.jsonl"), "failed", failed=True))
    except (HubError, UsageError):
        return []


def _talks(files: tuple[str, ...], split: str, *, failed: bool) -> Iterator[Talk]:
    for talk in rows.read_talks(files, split):
        seeker = _mapping(_mapping(talk.facts.get("survey_score")).get("seeker"))
        yield Talk(
            id=talk.id,
            turns=tuple(_turns(talk)),
            situation=str(talk.facts.get("situation") or ""),
            empathy=_rating(seeker.get("empathy")),
            failed=failed,
        )


def _turns(talk: rows.Talk) -> Iterator[Turn]:
    for place, turn in enumerate(talk.turns, 1):
        where = f"{talk.where}: turn {place}"
        speaker, text = rows.spoken(turn, where)
        if text:
            strategy = _strategy(rows.strategy_of(turn), where)
            if speaker == SEEKER:
                strategy = None
            feedback = {**turn, **_mapping(turn.get("annotation"))}.get("feedback")
            yield Turn(speaker, text, strategy, _rating(feedback))


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
