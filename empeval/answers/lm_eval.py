"""lm-evaluation-harness: ``samples_TASK_DATE.jsonl``, written with ``--log_samples``.

A line has ``doc_id`` (an index from 0), ``doc`` (the row of the data set), ``arguments`` (the
prompt as it was sent) and ``resps`` (what came back, before any filter).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.answers.turns import turns_of
from empeval.errors import DataError
from empeval.records import Message

NAME = "lm-eval samples"


def fits(row: Row) -> bool:
    """Whether a row is a sample of lm-eval's."""
    return "doc_id" in row and ("resps" in row or "filtered_resps" in row)


def read(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Samples as answers; of several filters' lines of one document, the first.

    Raises:
        DataError: a sample holds no generated text.
    """
    filters: dict[Any, Any] = {}
    for where, row in rows:
        index = row["doc_id"]
        if isinstance(index, bool) or not isinstance(index, int):
            raise DataError(f"{where}: 'doc_id' must be a whole number.")
        if filters.setdefault(index, row.get("filter")) != row.get("filter"):
            continue
        for repeat, text in enumerate(_texts(row, where)):
            yield SavedAnswer(
                where=where,
                text=text,
                id=str(index),
                own_id=False,
                messages=_question(row, where),
                repeat=repeat,
            )


def _texts(row: Row, where: str) -> list[str | None]:
    """One text a repeat. ``resps`` holds a list for each request, of which generation has one."""
    held = row.get("resps", row.get("filtered_resps"))
    if isinstance(held, list) and len(held) == 1 and isinstance(held[0], list):
        held = held[0]
    if not (isinstance(held, list) and held and all(isinstance(t, str | None) for t in held)):
        raise DataError(
            f"{where}: its 'resps' hold no generated text (log-likelihoods of given answers, it "
            "seems); empeval reads answers that a model wrote."
        )
    return list(held)


def _question(row: Row, where: str) -> tuple[Message, ...]:
    prompt = _prompt(row.get("arguments"))
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        return turns_of(prompt, where).messages
    if isinstance(prompt, list) and prompt:  # a chat server's messages, as a tuple of one text
        prompt = prompt[0]
    if not isinstance(prompt, str):
        document = row.get("doc")
        prompt = document.get("prompt") if isinstance(document, dict) else None
    if not isinstance(prompt, str):
        return ()
    if prompt.lstrip().startswith("[{"):  # how chat servers are sent their messages
        try:
            return turns_of(json.loads(prompt), where).messages
        except (ValueError, RecursionError):  # a prompt that only begins like that
            pass
    return (Message("user", prompt),)


def _prompt(arguments: Any) -> Any:
    """The first argument of the first request: ``{"gen_args_0": {"arg_0": ...}}`` or lists."""
    for _ in range(2):
        if isinstance(arguments, dict):
            arguments = next(iter(arguments.values()), None)
        elif isinstance(arguments, list):
            arguments = arguments[0] if arguments else None
    return arguments
