"""The program ``llm``: what ``llm logs --json -n 0`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from empeval.answers.fields import count_in, text_in
from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.records import Message

NAME = "llm logs"


def fits(row: Row) -> bool:
    """Whether a row is a response in the log."""
    return {"conversation_id", "model", "prompt", "response"} <= row.keys()


def read(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Responses as answers; what was said before in a conversation stands before the prompt.

    The log's ids are its own and name no item. A conversation is a cluster.

    Raises:
        DataError: a field is not what ``llm`` writes.
    """
    said: dict[str, tuple[Message, ...]] = {}
    for where, row in sorted(rows, key=lambda placed: str(placed.row.get("datetime_utc") or "")):
        prompt, response = text_in(row, "prompt", where), text_in(row, "response", where)
        conversation = text_in(row, "conversation_id", where) or where
        before = said.get(conversation, ())
        system = text_in(row, "system", where)
        if system and not before:
            before = (Message("system", system),)
        messages = (*before, Message("user", prompt or ""))
        said[conversation] = (*messages, Message("assistant", response or ""))
        identifier, duration = row.get("id"), count_in(row, "duration_ms")
        yield SavedAnswer(
            where=where,
            text=response,
            id=None if identifier is None else str(identifier),
            own_id=False,
            messages=messages,
            source=text_in(row, "model", where),
            cluster=conversation,
            reasoning=text_in(row, "reasoning", where),
            prompt_tokens=count_in(row, "input_tokens"),
            completion_tokens=count_in(row, "output_tokens"),
            seconds=None if duration is None else duration / 1000,
        )
