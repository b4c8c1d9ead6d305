"""A run folder's own ``responses/<task>.jsonl``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.errors import DataError
from empeval.records import ResponseLine

NAME = "a run folder's responses"


def fits(row: Row) -> bool:
    """Whether a row is a line of a run folder."""
    return "item_hash" in row and isinstance(row.get("item"), dict) and "status" in row


def read(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Lines as answers, with the status that they had.

    Raises:
        DataError: a line is not what a run folder holds.
    """
    for where, row in rows:
        try:
            line = msgspec.convert(row, ResponseLine)
        except msgspec.ValidationError as error:
            raise DataError(f"{where}: no line of a run folder ({error}).") from error
        failed = line.status in ("missing", "error")
        emotion = line.item.target.get("emotion")
        yield SavedAnswer(
            where=where,
            text=None if failed else line.response,
            id=line.id,
            task=line.item.task or None,
            messages=line.item.messages,
            reference=line.item.reference,
            emotion=emotion if isinstance(emotion, str) else None,
            cluster=line.item.cluster,
            status=line.status,
            note=line.note,
            reasoning=line.reasoning,
            stop=line.stop,
            prompt_tokens=line.prompt_tokens,
            completion_tokens=line.completion_tokens,
            seconds=line.seconds,
        )
