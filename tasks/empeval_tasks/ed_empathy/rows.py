"""Rows of EmpatheticDialogues as conversations.

The data set was published as text in which commas are written ``_comma_`` and quotation marks
stand unescaped. The hub's copy was made with a CSV reader that took a quotation mark at the
start of a field for an opening one, so that some rows there hold the rows that follow, up to the
next quotation mark. Those are taken apart again here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from empeval import DataError, require_columns
from empeval_tasks.dialogues import EMOTIONS, Conversation

DATASET = "facebook/empathetic_dialogues"
CANDIDATES = "candidates"
"""What the official release has in a ninth field that its header does not name: replies to choose
from, for retrieval. They are not used."""
COLUMNS = ("conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance")
_ORIGINAL = (*COLUMNS, "selfeval", "tags")
_START = re.compile(r"^hit:\d+_conv:\d+,\d+,", re.MULTILINE)

Row = Mapping[str, Any]


def read_conversations(rows: Sequence[Row]) -> Iterator[Conversation]:
    """Put rows together, in the order in which the conversations begin.

    Turns are ordered by ``utterance_idx``, which counts from 1; where a number is missing the
    conversation ends before the gap, because what follows answers something unknown. The speaker
    has the odd turns. ``speaker_idx`` is not used: it names workers on the hub.

    Raises:
        DataError: missing columns, or a conversation with an unknown emotion, an empty utterance
            or a doubled number.
    """
    require_columns(rows, COLUMNS, DATASET)
    conversations: dict[str, dict[int, Row]] = {}
    for row in _whole_rows(rows):
        name = str(row["conv_id"])
        number = _number(row["utterance_idx"], name)
        turns = conversations.setdefault(name, {})
        if number in turns:
            raise _error(name, f"has two utterances with the number {number}")
        turns[number] = row
    for name, turns in conversations.items():
        yield _conversation(name, turns)


def _conversation(name: str, turns: Mapping[int, Row]) -> Conversation:
    emotion = str(turns[min(turns)]["context"]).strip()
    if emotion not in EMOTIONS:
        raise _error(name, f"has the unknown emotion {emotion!r}")
    texts: list[str] = []
    while (number := len(texts) + 1) in turns:
        text = _text(turns[number]["utterance"])
        if not text:
            raise _error(name, f"has an empty utterance, number {number}")
        texts.append(text)
    situation = _text(turns[min(turns)]["prompt"])
    return Conversation(id=name, emotion=emotion, situation=situation, turns=tuple(texts))


def _whole_rows(rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        if any(_START.search(str(row[column])) for column in ("prompt", "utterance")):
            yield from _swallowed_rows(row)
        else:
            yield row


def _swallowed_rows(row: Row) -> Iterator[Row]:
    values = (row.get(column) for column in _ORIGINAL)
    text = ",".join("" if value is None else str(value) for value in values)
    for line in text.split("\n"):
        fields = line.split(",")
        if _START.match(line) and len(fields) >= len(COLUMNS) and _text(fields[5]):
            yield dict(zip(COLUMNS, fields, strict=False))


def _text(value: Any) -> str:
    return "" if value is None else str(value).replace("_comma_", ",").strip()


def _number(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _error(name, f"has the utterance_idx {value!r}, which is no number") from None


def _error(name: str, problem: str) -> DataError:
    return DataError(
        f"Data set '{DATASET}': conversation {name} {problem}. Get the data set again, or read "
        "it from another copy with --data-dir."
    )
