"""OpenAI's batch output: a line a request, with ``custom_id`` and the server's response.

The bodies of chat completions, completions and responses are read, and lines that failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from empeval.answers.fields import count_in, first_in, name_in, object_in
from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.answers.turns import Content, content_of, reasoning_of
from empeval.errors import DataError
from empeval.records import ResponseStatus

NAME = "OpenAI batch output"
INPUT = "OpenAI batch input"


def fits(row: Row) -> bool:
    """Whether a row is a line of batch output."""
    return "custom_id" in row and ("error" in row or isinstance(row.get("response"), dict))


def asks(row: Row) -> bool:
    """Whether a row is a line of batch input: what is sent, not what comes back."""
    return "custom_id" in row and "method" in row and "body" in row


def read_input(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Refuse batch input.

    Raises:
        DataError: always.
    """
    raise DataError(
        f"{rows[0].where}: this is batch input, the questions; the file that the server gives "
        "back, with a 'response' a line, holds the answers."
    )


def read(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Lines as answers; ``custom_id`` is the item's id.

    Raises:
        DataError: a line is not what a server writes.
    """
    for where, row in rows:
        identifier = name_in(row, "custom_id", where)
        body = object_in(object_in(row, "response"), "body")
        failure = _failure(row, body)
        if failure is not None:
            yield SavedAnswer(where=where, id=identifier, text=None, status="error", note=failure)
            continue
        content, reason = _answer(body, where)
        usage = object_in(body, "usage")
        status, note = _outcome(content, reason)
        model = body.get("model")
        yield SavedAnswer(
            where=where,
            id=identifier,
            text=None if status == "error" else content.text,
            source=model if isinstance(model, str) else None,
            status=status,
            note=note,
            reasoning=content.reasoning,
            stop=reason,
            prompt_tokens=count_in(usage, "prompt_tokens") or count_in(usage, "input_tokens"),
            completion_tokens=count_in(usage, "completion_tokens")
            or count_in(usage, "output_tokens"),
            left_out=content.left_out,
        )


def _failure(row: Row, body: Row) -> str | None:
    """What the server said of a request that failed."""
    error = row.get("error") or body.get("error")
    code = object_in(row, "response").get("status_code")
    if not error and (body or not isinstance(code, int) or code == 200) and row.get("response"):
        return None
    said = error.get("message") or error.get("code") if isinstance(error, dict) else error
    what = f"status {code}: " if isinstance(code, int) and code != 200 else ""
    return f"{what}{said or 'the request has no response'}"[:500]


def _answer(body: Row, where: str) -> tuple[Content, str | None]:
    if isinstance(body.get("output"), list):  # the responses endpoint
        return _outputs(body, where)
    choice = first_in(body, "choices")
    reason = choice.get("finish_reason")
    stop = reason if isinstance(reason, str) else None
    if isinstance(choice.get("text"), str):  # completions
        return Content(choice["text"]), stop
    message = object_in(choice, "message")
    content = content_of(message.get("content"), where)
    text = message.get("refusal") if content.text is None else content.text
    if not isinstance(text, str | None):
        raise DataError(f"{where}: the answer must be text.")
    return Content(text, reasoning_of(message, content), content.left_out), stop


def _outputs(body: Row, where: str) -> tuple[Content, str | None]:
    parts: list[Any] = []
    for output in body["output"]:
        if isinstance(output, dict) and output.get("type") == "message":
            held = output.get("content")
            parts += held if isinstance(held, list) else []
    reason = object_in(body, "incomplete_details").get("reason")
    stop = {"max_output_tokens": "length"}.get(str(reason), reason)
    return content_of(parts, where), stop if isinstance(stop, str) else None


def _outcome(content: Content, reason: str | None) -> tuple[ResponseStatus | None, str | None]:
    if reason == "content_filter":
        return "error", "withheld by a content filter"
    if reason == "length":
        return "truncated", None
    return None, None if content.text is not None else "the response holds no text"
