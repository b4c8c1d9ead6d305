"""What comes back: a reply's JSON as a response, whatever is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from empeval.generators.openai.failures import PassingError, raise_for, shortly
from empeval.records import Response

DOUBTFUL = 2
"""Times that an answer without content is asked for again: it costs, and most often stays so."""

_VERSION = re.compile(r"[-:@](?:latest|\d{3,}(?:-\d+)*)")


class Price(msgspec.Struct, frozen=True):
    """US dollars for a million tokens of prompts, cached prompts and answers."""

    prompt: float
    cached: float
    completion: float


class Reader:
    """Reads replies.

    Args:
        model: the name that is asked for.
        served: the only name that may answer, ``None``: the model asked for in one of its versions,
            or a name that comes twice before any other.
        price: ``None``: the cost is what the server says, if it says so.

    Attributes:
        served: the name that answers.
    """

    def __init__(self, model: str, served: str | None, price: Price | None) -> None:
        self.model = model
        self.served = served
        self._pinned = served is not None
        self._strange: str | None = None
        self._price = price

    def response(
        self, identifier: str, data: Any, *, stops: Sequence[str], raw: bool, most_tokens: int
    ) -> Response:
        """The response in a reply of HTTP status 200.

        Args:
            identifier: of the item.
            data: the reply's JSON.
            stops: strings that end the answer; servers that know none get it cut here.
            raw: whether blank space around the answer is kept.
            most_tokens: that were asked for.

        Raises:
            PassingError: it holds no answer; ``left`` is what the item becomes if that stays.
            StayingError, KeyRefusedError, ModelRefusedError, ServerGoneError: as of ``raise_for``,
                where the reply is an error in spite of its status.
        """
        counted, choice = self.choice(identifier, data)
        message = choice.get("message")
        if not isinstance(message, dict):
            message = {"content": choice.get("text")} if "text" in choice else {}
        content, thought = _content(message)
        finish = choice.get("finish_reason")
        finish = finish if isinstance(finish, str) else None
        self.check_name(counted)
        if finish == "content_filter":
            return _filtered(counted, content, thought)
        if content is None:
            content = _text(message.get("refusal"))
            finish = "refusal" if content else finish
        if content is None:
            return _silent(counted, message, thought, finish)
        cut = finish == "length" or (
            finish is None and (counted.completion_tokens or 0) >= most_tokens
        )
        content, stop = _cut_at(content, stops)
        if stop is None:
            stop = "length" if cut else _stop(choice, finish, stops)
        return msgspec.structs.replace(
            counted,
            response=content if raw else content.strip(),
            status="truncated" if stop == "length" else "ok",
            reasoning=thought,
            stop=stop,
        )

    def choice(self, identifier: str, data: Any) -> tuple[Response, dict[str, Any]]:
        """A reply's first choice, with what it took as a response without text.

        Raises:
            PassingError: it holds none.
            StayingError, KeyRefusedError, ModelRefusedError, ServerGoneError: it is an error.
        """
        if not isinstance(data, dict):
            raise PassingError("not an object", "the reply is JSON and no object")
        _raise_error(data)
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        counted = self._counted(identifier, data)
        if not isinstance(choice, dict):
            raise _without(counted, "no choice", "the reply holds no choice", "error")
        _raise_error(choice)
        return counted, choice

    def most(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What so many tokens cost at most, in US dollars; ``None`` without a known price."""
        if self._price is None:
            return None
        dearer = max(self._price.prompt, self._price.cached)
        return (dearer * prompt_tokens + self._price.completion * completion_tokens) / 1e6

    def check_name(self, response: Response) -> None:
        """Notice an answer by another model.

        Raises:
            PassingError: it is one.
        """
        name = response.model
        if name is None or name == self.served:
            return
        if not self._pinned:
            again = name == self._strange  # a server's own name for what it has comes every time
            self._strange = name
            if is_version(name, self.model) or (self.served is None and again):
                self.served = self.served or name
                return
        wanted = self.served or self.model
        note = f"answered by '{shortly(name, 80)}', not by '{shortly(wanted, 80)}'"
        left = msgspec.structs.replace(response, status="error", note=note)
        raise PassingError("another model", note, most=DOUBTFUL, left=left)

    def _counted(self, identifier: str, data: dict[str, Any]) -> Response:
        """An empty response with the reply's model, tokens and cost."""
        usage = data.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        details = usage.get("prompt_tokens_details")
        details = details if isinstance(details, dict) else {}
        prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        cached = _count(details, "cached_tokens")
        if cached is None:
            cached = _count(usage, "prompt_cache_hit_tokens")
        cost = _dollars(usage.get("cost"))
        if self._price is not None and prompt is not None and completion is not None:
            held = min(cached or 0, prompt)
            price = self._price
            dollars = (prompt - held) * price.prompt + held * price.cached
            cost = (dollars + completion * price.completion) / 1e6
        return Response(
            identifier,
            "",
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            cost=cost,
            model=_text(data.get("model")),
        )


def is_version(name: str, asked: str) -> bool:
    """Whether a served name is the name asked for, or a version of it (a date, a number)."""
    name, asked = name.rsplit("/", 1)[-1].lower(), asked.rsplit("/", 1)[-1].lower()
    moving = asked.removesuffix("-latest").removesuffix(":latest")
    if name in (asked, moving):
        return True
    return name.startswith(moving) and _VERSION.fullmatch(name, len(moving)) is not None


def _without(counted: Response, kind: str, note: str, status: Any) -> PassingError:
    """What is raised for a reply without an answer, worth a few more tries."""
    left = msgspec.structs.replace(counted, status=status, note=note)
    return PassingError(kind, note, most=DOUBTFUL, left=left)


def _raise_error(holder: dict[str, Any]) -> None:
    """Raise the error that a gateway put into a reply of status 200."""
    error = holder.get("error")
    if not error:
        return
    code = error.get("code") if isinstance(error, dict) else None
    number = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 500
    raise_for(number if 300 <= number < 600 else 500, {}, {"error": error}, "")


def _filtered(counted: Response, content: str | None, thought: str | None) -> Response:
    return msgspec.structs.replace(
        counted,
        response=(content or "").strip(),
        status="truncated" if content and content.strip() else "empty",
        reasoning=thought,
        stop="content_filter",
        note="the server's content filter withheld the answer, or what was to follow",
    )


def _silent(
    counted: Response, message: dict[str, Any], thought: str | None, finish: str | None
) -> Response:
    """A reply whose content is null."""
    kept = msgspec.structs.replace(counted, reasoning=thought, stop=finish)
    if finish == "length" and thought:
        return msgspec.structs.replace(kept, status="truncated", note="cut off while reasoning")
    if message.get("tool_calls") or message.get("function_call"):
        return msgspec.structs.replace(kept, status="empty", note="it called a tool")
    status = "truncated" if finish == "length" else "empty"
    raise _without(kept, "null content", "the answer's content is null", status)


def _content(message: dict[str, Any]) -> tuple[str | None, str | None]:
    """The answer and the thoughts beside it, each ``None`` where there is none."""
    thought = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    content = message.get("content")
    if not isinstance(content, list):
        return (content if isinstance(content, str) else None), thought
    answers, thoughts = [], [thought] if thought else []
    for part in content:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            answers.append(part["text"])
        held = part.get("thinking")
        pieces = held if isinstance(held, list) else [{"text": held}]
        thoughts += [p["text"] for p in pieces if isinstance(p, dict) and _text(p.get("text"))]
    return ("".join(answers) if answers else None), ("\n\n".join(thoughts) or None)


def _cut_at(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    """The text before the first stop string in it, and that string."""
    found = [(position, stop) for stop in stops if (position := text.find(stop)) >= 0]
    if not found:
        return text, None
    position, stop = min(found)
    return text[:position], stop


def _stop(choice: dict[str, Any], finish: str | None, stops: Sequence[str]) -> str | None:
    """What ended an answer that was not cut: servers rarely tell a stop string from the end."""
    told = _text(choice.get("stop_reason"))
    if told in stops:
        return told
    if finish in ("stop", "eos", "eos_token", "end_turn"):
        return "stop" if stops else "eos"
    return finish


def _count(holder: dict[str, Any], name: str) -> int | None:
    value = holder.get(name)
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if whole else None


def _dollars(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e9 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
