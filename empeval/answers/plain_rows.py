"""Our own rows: an id, a response, and what else may stand beside them; CSV and Parquet too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from empeval.answers.fields import name_in, text_in
from empeval.answers.mapping import Fields
from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.answers.turns import Content, Turns, alternating, content_of, turns_of
from empeval.errors import DataError
from empeval.records import Message

NAMELESS = (
    "needs an 'id' (text or a whole number); where the file calls it otherwise, say how: --map "
    "id=FIELD,response=FIELD."
)
"""What is wrong with a row that nobody can find the question of."""
NAME = "rows with id and response"
MESSAGES = "OpenAI messages"
SHAREGPT = "ShareGPT conversations"


def fits_messages(row: Row) -> bool:
    """Whether a row is a conversation that ends with the model and has no answer beside it."""
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return "response" not in row and isinstance(last, dict) and last.get("role") == "assistant"


def fits_sharegpt(row: Row) -> bool:
    """Whether a row is a conversation of ``from`` and ``value``."""
    return isinstance(row.get("conversations"), list) and "response" not in row


def read_sharegpt(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Conversations of ``from`` and ``value`` as answers to their last turn but one."""
    return read(rows, Fields({"messages": "conversations"}))


def read(rows: Iterable[Placed], fields: Fields | None = None) -> Iterator[SavedAnswer]:
    """Rows as answers.

    Args:
        rows: of the file.
        fields: which field is which.

    Raises:
        DataError: a field is missing or holds something else; the message names the row.
    """
    fields = fields if fields is not None else Fields()
    for where, raw in rows:
        try:
            row = fields.of(raw)
        except DataError as error:
            raise error.reworded(f"{where}: {error}") from error
        yield _answer(row, where, response_field(fields))


def response_field(fields: Fields) -> str:
    """What the file calls the response."""
    return fields.paths.get("response", "response")


def _answer(row: Row, where: str, response: str) -> SavedAnswer:
    identifier = name_in(row, "id", where)
    turns, unread = Turns((), None, 0), None
    try:
        turns = _question(row, where)
    except DataError as error:
        if identifier is None or "response" not in row:
            raise
        unread = str(error)  # the answer has an id and may be used all the same
    if identifier is None and not turns.messages:
        raise DataError(f"{where}: {NAMELESS}")
    content = _response(row, turns, where, response)
    emotion = text_in(row, "emotion", where)
    return SavedAnswer(
        where=where,
        id=identifier,
        text=content.text,
        task=_task(row, where),
        messages=turns.messages,
        source=_model(row),
        reference=text_in(row, "reference", where),
        emotion=emotion.strip().casefold() or None if emotion else None,
        cluster=None if row.get("cluster") is None else name_in(row, "cluster", where),
        reasoning=text_in(row, "reasoning", where) or content.reasoning,
        left_out=turns.left_out + content.left_out,
        unread=unread,
    )


def _response(row: Row, turns: Turns, where: str, response: str) -> Content:
    if "response" not in row:
        if turns.answer is not None:
            return turns.answer
        raise DataError(f"{where}: needs a '{response}' (text, or null where it failed).")
    if turns.answer is not None:
        raise DataError(
            f"{where}: 'messages' must end with the speaker (role user) where there is a "
            f"'{response}' as well; which of the two is the answer?"
        )
    value = row["response"]
    if isinstance(value, list) and not all(isinstance(part, dict) for part in value):
        value = {}
    if not isinstance(value, str | list | None):
        raise DataError(f"{where}: needs a '{response}' (text, or null where it failed).")
    return content_of(value, where)


def _question(row: Row, where: str) -> Turns:
    given = [name for name in ("context", "messages") if _held(row, name) is not None]
    if len(given) == 2:
        raise DataError(f"{where}: needs either 'context' or 'messages', not both.")
    if "messages" in given:
        return turns_of(_listed(row["messages"]), where)
    if "context" in given:
        context = _listed(row["context"])
        return Turns(alternating(context, where), None, 0)
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        return turns_of(prompt, where)
    if not isinstance(prompt, str | None):
        raise DataError(f"{where}: 'prompt' must be text.")
    return Turns((Message("user", prompt),) if prompt else (), None, 0)


def _held(row: Row, name: str) -> Any:
    value = row.get(name)
    return None if value == "" else value  # an empty cell of a table


def _listed(value: Any) -> Any:
    """A list that a cell of a table holds as JSON; one text alone is left as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _task(row: Row, where: str) -> str | None:
    task = row.get("task")
    if not isinstance(task, str | None):
        raise DataError(f"{where}: 'task' must be a task's name.")
    return task or None


def _model(row: Row) -> str | None:
    model = row.get("model")
    return model if isinstance(model, str) and model else None
