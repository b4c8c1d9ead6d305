"""promptfoo: the JSON of ``promptfoo eval -o results.json``, or its JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from empeval.answers.fields import count_in, name_in, object_in
from empeval.answers.mapping import placed
from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.answers.turns import turns_of
from empeval.errors import DataError
from empeval.records import Message

NAME = "promptfoo results"


def fits(document: Row) -> bool:
    """Whether an object is the results of an evaluation."""
    return isinstance(object_in(document, "results").get("results"), list)


def fits_row(row: Row) -> bool:
    """Whether a row is one of its results."""
    return {"provider", "prompt", "vars"} <= row.keys() and ("response" in row or "error" in row)


def read(document: Row, label: str) -> Iterator[SavedAnswer]:
    """The results as answers.

    Raises:
        DataError: one is not what promptfoo writes.
    """
    return read_rows(placed(document["results"]["results"], label, "result"))


def read_rows(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """The same of rows. A variable ``id`` of the test is the item's id.

    Where a test was asked in several ways (prompts), each way of a provider's is a source.
    """
    several = len({str(row.get("promptIdx")) for _, row in rows}) > 1
    for where, row in rows:
        variables = object_in(row, "vars")
        prompt = object_in(row, "prompt").get("raw")
        response = object_in(row, "response")
        error = row.get("error") if "output" not in response else response.get("error")
        latency = row.get("latencyMs")
        identifier = name_in(variables, "id", where)
        yield SavedAnswer(
            where=where,
            text=None if error else _text(response.get("output")),
            id=_index(row) if identifier is None else identifier,
            own_id=identifier is not None,
            messages=_question(prompt, where),
            source=_source(row, several),
            status="error" if error else None,
            note=f"promptfoo: {error}"[:500] if error else None,
            prompt_tokens=count_in(object_in(response, "tokenUsage"), "prompt"),
            completion_tokens=count_in(object_in(response, "tokenUsage"), "completion"),
            seconds=latency / 1000 if isinstance(latency, int | float) else None,
        )


def _index(row: Row) -> str | None:
    index = count_in(row, "testIdx")
    return None if index is None else str(index)


def _source(row: Row, several: bool) -> str | None:
    provider = row.get("provider")
    named = provider.get("label") or provider.get("id") if isinstance(provider, dict) else provider
    name = named if isinstance(named, str) and named else "its provider"
    return f"{name}, prompt {row.get('promptIdx')}" if several else name


def _text(output: Any) -> str | None:
    """The output; what a provider parsed is JSON again."""
    return output if isinstance(output, str | None) else json.dumps(output, ensure_ascii=False)


def _question(prompt: Any, where: str) -> tuple[Message, ...]:
    if not isinstance(prompt, str) or not prompt:
        return ()
    if prompt.lstrip().startswith("["):  # a prompt of several messages is kept as JSON
        try:
            return turns_of(json.loads(prompt), where).messages
        except (ValueError, RecursionError, DataError):
            pass  # a text that begins like one
    return (Message("user", prompt),)
