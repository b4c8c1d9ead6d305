"""The questions of a task as lines that another program can answer, and whose answers come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from empeval.records import Item, Sampling

BATCH_URL = "/v1/chat/completions"


def question_rows(items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """Each item as an object: with a ``response`` beside its ``id`` it is an answer.

    A dialogue is one object with its ``script``: what the user says, turn by turn, after
    ``messages``. References and targets stay out: who answers must not see them.
    """
    for item in items:
        messages = [{"role": m.role, "content": m.content} for m in item.messages]
        row = {"id": item.id, "task": item.task, "messages": messages}
        yield row | ({"script": [turn.content for turn in item.script]} if item.script else {})


def batch_rows(items: Sequence[Item], model: str, sampling: Sampling) -> Iterator[dict[str, Any]]:
    """Each item as a line of OpenAI's batch input, for servers of chat completions.

    Args:
        items: of one task, none of them a dialogue; ``custom_id`` is the item's id, so that the
            output is joined by it.
        model: what the server calls it.
        sampling: how to decode.
    """
    options: dict[str, Any] = {"max_tokens": sampling.max_tokens}
    options["temperature"] = sampling.temperature
    if sampling.temperature > 0:
        options |= {"top_p": sampling.top_p, "seed": sampling.seed}
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    for row in question_rows(items):
        body = {"model": model, "messages": row["messages"], **options}
        yield {"custom_id": row["id"], "method": "POST", "url": BATCH_URL, "body": body}
