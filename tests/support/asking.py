"""Asks generators, and watches what their models are asked in turn."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from empeval import EmpevalError, Generator, Item, Message, Response, Sampling


def items(prompts: Sequence[str | Sequence[tuple[str, str]]]) -> list[Item]:
    """Items "0", "1" ... : a single user message each, or (role, content) pairs."""
    return [
        Item(
            str(number),
            ((Message("user", prompt),) if isinstance(prompt, str) else _messages(prompt)),
            cluster=str(number),
        )
        for number, prompt in enumerate(prompts)
    ]


def _messages(pairs: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in pairs)  # type: ignore[arg-type]


def ask(
    generator: Generator, prompts: Sequence[str | Sequence[tuple[str, str]]], **sampling: Any
) -> list[Response]:
    """The responses to prompts, in their order, after checking that there is one of each."""
    asked = items(prompts)
    responses = list(generator.generate(asked, Sampling(**sampling)))
    assert sorted(r.id for r in responses) == sorted(item.id for item in asked)
    return sorted(responses, key=lambda response: int(response.id))


def texts(generator: Generator, prompts: Sequence[Any], **sampling: Any) -> list[str]:
    """The text of each response, all of which have to have come about without an error."""
    responses = ask(generator, prompts, **sampling)
    assert [r.note for r in responses if r.status == "error"] == []
    return [response.response for response in responses]


def refused(attempt: Callable[[], object]) -> pytest.ExceptionInfo[EmpevalError]:
    """The error in one line that an attempt ends with."""
    with pytest.raises(EmpevalError) as caught:
        attempt()
    assert "\n" not in str(caught.value)
    return caught


def watch_forward(
    monkeypatch: pytest.MonkeyPatch, model: type, before: Callable[[tuple[int, int]], None]
) -> None:
    """Call ``before`` with (rows, width) of the tokens of every forward pass of a model class."""
    forward = model.forward

    @functools.wraps(forward)
    def watched(self: Any, *arguments: Any, **options: Any) -> Any:
        ids = options["input_ids"] if "input_ids" in options else arguments[0]
        before(tuple(ids.shape))
        return forward(self, *arguments, **options)

    monkeypatch.setattr(model, "forward", watched)
