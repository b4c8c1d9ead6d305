"""Rows of ESConv in the layouts in which it was published: the authors' and the hub's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from empeval import DataError, load_rows

DATASET = "thu-coai/esconv"
LICENSE = "CC BY-NC 4.0, academic use"
CITATION = "Liu et al. 2021: Towards Emotional Support Dialog Systems. ACL."

SEEKER, SUPPORTER = "seeker", "supporter"

_SPEAKERS = {
    "seeker": SEEKER,
    "usr": SEEKER,
    "speaker": SEEKER,
    "supporter": SUPPORTER,
    "sys": SUPPORTER,
    "listener": SUPPORTER,
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Talk:
    """A row: what it says of the talk, and its turns.

    Attributes:
        where: data set, split and row, for messages.
        id: split and number.
        facts: every field of the row.
        turns: in their order, at least one.
    """

    where: str
    id: str
    facts: Row
    turns: tuple[Row, ...]


@dataclass(frozen=True)
class Said:
    """What one of the two said until the other spoke.

    Attributes:
        speaker: ``SEEKER`` or ``SUPPORTER``.
        text: successive turns, joined by a space.
        strategies: the supporter's, as the data set names them.
    """

    speaker: str
    text: str
    strategies: tuple[str, ...] = ()


def split_files(split: str) -> tuple[str, ...]:
    """Where a split may lie inside the data set."""
    return (f"{split}.jsonl", f"{split}.txt", f"*/{split}*.parquet")


def read_talks(files: tuple[str, ...], split: str) -> Iterator[Talk]:
    """The talks in the first of these files that is there.

    Raises:
        DataError: a row is no talk; its number is named.
        HubError: the data set cannot be fetched.
    """
    for number, row in enumerate(load_rows(DATASET, files), 1):
        where = f"{DATASET}, {split}, row {number}"
        facts = _facts(row, where)
        turns = facts.get("dialog")
        if not isinstance(turns, list) or not turns:
            raise DataError(f"{where}: it has no list 'dialog' with turns in it.")
        if not all(isinstance(turn, Mapping) for turn in turns):
            raise DataError(f"{where}: a turn in 'dialog' is no object.")
        yield Talk(where, f"{split}-{number}", facts, tuple(turns))


def spoken(turn: Row, where: str) -> tuple[str, str]:
    """Who speaks in a turn, and what is said, its white space as single spaces; perhaps nothing.

    Raises:
        DataError: it does not say.
    """
    speaker = _SPEAKERS.get(str(turn.get("speaker")))
    text = turn.get("content", turn.get("text"))
    if speaker is None or not isinstance(text, str):
        raise DataError(f"{where} has no speaker and text.")
    return speaker, " ".join(text.split())


def strategy_of(turn: Row) -> str | None:
    """The supporter's strategy as the data set names it."""
    notes = turn.get("annotation")
    value = {**turn, **(notes if isinstance(notes, Mapping) else {})}.get("strategy")
    return str(value).strip() or None if value is not None else None


def alternating(talk: Talk) -> list[Said]:
    """The talk with successive turns of one speaker joined and silent ones left out.

    Raises:
        DataError: a turn does not say who speaks, or what.
    """
    made: list[Said] = []
    for number, turn in enumerate(talk.turns, 1):
        speaker, text = spoken(turn, f"{talk.where}: turn {number}")
        if not text:
            continue
        name = strategy_of(turn) if speaker == SUPPORTER else None
        named = () if name is None else (name,)
        if made and made[-1].speaker == speaker:
            before = made.pop()
            text, named = f"{before.text} {text}", (*before.strategies, *named)
        made.append(Said(speaker, text, named))
    return made


def _facts(row: Row, where: str) -> Row:
    """The row itself, or the JSON in its column ``text`` (the hub's layout)."""
    if "dialog" in row:
        return row
    try:
        facts = json.loads(row["text"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: it has neither 'dialog' nor JSON in 'text'.") from error
    return facts if isinstance(facts, Mapping) else {}
