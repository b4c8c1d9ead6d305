"""Inspect: a log as ``.json`` or ``.eval`` (a zip with a JSON file a sample)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from empeval.answers.fields import count_in, first_in, object_in
from empeval.answers.records import Row, SavedAnswer
from empeval.answers.turns import content_of, reasoning_of, turns_of
from empeval.errors import DataError
from empeval.records import Message, ResponseStatus

NAME = "Inspect log"

_ATTACHED = "attachment://"
_CUT = ("max_tokens", "model_length")


def fits(document: Row) -> bool:
    """Whether an object is a log of Inspect's."""
    return isinstance(document.get("eval"), dict) and (
        "samples" in document or {"version", "status"} <= document.keys()
    )


def read(document: Row, label: str) -> Iterator[SavedAnswer]:
    """The samples as answers, one an epoch.

    An id that is text is the data set's. A number may only be an index, so it names no item.

    Raises:
        DataError: there is no sample, or one is not what Inspect writes.
    """
    samples = document.get("samples")
    if not isinstance(samples, list) or not samples:
        raise DataError(
            f"{label} is an Inspect log without samples; the run failed at once, or it was "
            "written with --no-log-samples."
        )
    model = object_in(document, "eval").get("model")
    for number, sample in enumerate(samples, 1):
        where = f"{label}, sample {number}"
        if not isinstance(sample, dict):
            raise DataError(f"{where}: not a JSON object.")
        yield _answer(sample, model if isinstance(model, str) else None, where)


def _answer(sample: Row, model: str | None, where: str) -> SavedAnswer:
    identifier, attached = sample.get("id"), object_in(sample, "attachments")
    output = object_in(sample, "output")
    message = object_in(first_in(output, "choices"), "message")
    told = message.get("content", output.get("completion") or None)
    content = content_of(_whole(told, attached), where)
    reason = first_in(output, "choices").get("stop_reason")
    status, note = _outcome(sample, output, reason)
    usage, epoch = object_in(output, "usage"), count_in(sample, "epoch")
    seconds = output.get("time")
    return SavedAnswer(
        where=where,
        text=content.text if status in (None, "truncated") else None,
        id=None if identifier is None else str(identifier),
        own_id=isinstance(identifier, str) and not identifier.isdecimal(),
        messages=_question(sample, attached, where),
        source=model,
        repeat=max(0, (epoch or 1) - 1),
        status=status,
        note=note,
        reasoning=reasoning_of(message, content),
        stop=reason if isinstance(reason, str) and reason != "unknown" else None,
        prompt_tokens=count_in(usage, "input_tokens"),
        completion_tokens=count_in(usage, "output_tokens"),
        seconds=seconds if isinstance(seconds, float) else None,
        left_out=content.left_out,
    )


def _outcome(sample: Row, output: Row, reason: Any) -> tuple[ResponseStatus | None, str | None]:
    failed = object_in(sample, "error").get("message") or output.get("error")
    if failed:
        return "error", f"Inspect: {failed}"[:500]
    if reason == "content_filter":
        return "error", "withheld by a content filter"
    return ("truncated", None) if reason in _CUT else (None, None)


def _question(sample: Row, attached: Row, where: str) -> tuple[Message, ...]:
    """What was sent where the log has it (a solver may have changed it), else the input."""
    sent = sample.get("messages")
    if isinstance(sent, list):
        for index in range(len(sent) - 1, -1, -1):  # the messages before the last answer
            if isinstance(sent[index], dict) and sent[index].get("role") == "assistant":
                sent = sent[:index]
                break
    if not (isinstance(sent, list) and sent):
        sent = sample.get("input")
    if isinstance(sent, str):
        return (Message("user", str(_whole(sent, attached))),)
    turns = [{**m, "content": _whole(m.get("content"), attached)} if isinstance(m, dict) else m
             for m in sent] if isinstance(sent, list) else sent  # fmt: skip
    return turns_of(turns, where).messages if turns else ()


def _whole(content: Any, attached: Row) -> Any:
    """Content in which texts that Inspect set apart as attachments stand where they belong."""
    if isinstance(content, str) and content.startswith(_ATTACHED):
        return attached.get(content.removeprefix(_ATTACHED), content)
    if isinstance(content, list):
        return [
            {k: _whole(v, attached) if isinstance(v, str) else v for k, v in part.items()}
            if isinstance(part, dict)
            else part
            for part in content
        ]
    return content
