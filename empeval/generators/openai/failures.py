"""What can go wrong with a request: what passes, what stays with the item, what ends the run."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from empeval.errors import EmpevalError, UsageError
from empeval.escaping import plain
from empeval.records import Response
from empeval.redacting import redact

LONGEST_WAIT = 600.0
"""Seconds that a server may ask to wait; more is told to the user instead."""

_KEY_CODES = ("invalid_api_key", "account_deactivated")
_MONEY_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_MODEL_CODES = ("model_not_found", "model_not_available")
_FILTER_CODES = ("content_filter", "content_policy_violation")
_PASSING = (408, 409, 425, 429)


class PassingError(Exception):
    """It may well go better the next time.

    Attributes:
        kind: a few words, for counting. reason: the same in full.
        wait: seconds that the server asks for. slow: whether it asks to be asked less.
        most: tries after which it is taken to stay, where that is fewer than for others.
        reached: whether anybody answered. left: what the item becomes if it does not pass.
    """

    def __init__(
        self,
        kind: str,
        reason: str = "",
        *,
        wait: float | None = None,
        slow: bool = False,
        most: int | None = None,
        reached: bool = True,
        left: Response | None = None,
    ) -> None:
        super().__init__(reason or kind)
        self.kind = kind
        self.wait = wait
        self.slow = slow
        self.most = most
        self.reached = reached
        self.left = left


class StayingError(Exception):
    """The server refuses this question, and would again.

    Attributes:
        filtered: whether a content filter does.
        field: the field of the request that the server does not know, where it says so.
    """

    def __init__(self, reason: str, *, filtered: bool = False, field: str = "") -> None:
        super().__init__(reason)
        self.filtered = filtered
        self.field = field


class KeyRefusedError(UsageError):
    """The key is wrong, missing or blocked."""

    code = "key-refused"


class ModelRefusedError(UsageError):
    """There is no such model, or nothing that speaks this language."""

    code = "model-refused"


class NoLikelihoodsError(UsageError):
    """A server gives no probabilities of tokens, so no likelihoods can be read.

    Args:
        server: its address. model: as it calls it. said: what it answered, in brackets.
    """

    code = "no-likelihoods"
    objects = ("server", "model")

    def __init__(self, server: str, model: str, said: str = "") -> None:
        self.server = server
        self.model = model
        super().__init__(
            f"{server} gives no probabilities of tokens of '{model}'{said}, so no likelihoods can "
            "be read.",
            hint="Ask a server that gives logprobs (vLLM, llama.cpp), try the other api "
            "(--model-args api=completions), use hf:, or have answers generated.",
        )


class ServerGoneError(EmpevalError):
    """The server wants no more questions for a long time, no money is left, or nobody is there."""

    code = "server-gone"


def raise_for(status: int, headers: Mapping[str, str], data: Any, text: str) -> None:
    """Raise what a reply other than 200 means.

    Args:
        status: the HTTP status, or an error's own code in a reply of status 200.
        headers: of the reply.
        data: its JSON, ``None`` where it is none.
        text: its body.

    Raises:
        PassingError, StayingError, KeyRefusedError, ModelRefusedError, ServerGoneError.
    """
    code, said = _told(data, text)
    reason = f"HTTP {status}{': ' if said else ''}{said}"
    if status == 401 or code in _KEY_CODES:
        raise KeyRefusedError(reason)
    if status == 402 or code in _MONEY_CODES:
        raise ServerGoneError(f"the account has nothing left to spend ({reason})")
    if 300 <= status < 400:
        target = headers.get("location", "")
        raise ModelRefusedError(f"{reason} it sends elsewhere: {shortly(target)}")
    if status in (404, 405) or code in _MODEL_CODES:
        raise ModelRefusedError(reason)
    if status in _PASSING or status >= 500:
        wait = _wait(headers)
        if wait is not None and wait > LONGEST_WAIT:
            raise ServerGoneError(f"the server asks to wait {wait:.0f} seconds ({reason})")
        slow = status == 429 or (status == 503 and wait is not None)
        raise PassingError(f"HTTP {status}", reason, wait=wait, slow=slow)
    filtered = code in _FILTER_CODES
    field = "max_completion_tokens" if "max_completion_tokens" in said else ""
    raise StayingError(reason, filtered=filtered, field=field)


def shortly(text: str, most: int = 300) -> str:
    """What a server said, for a person: one line, no secrets, not long."""
    line = plain(redact(" ".join(text.split())))
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _told(data: Any, text: str) -> tuple[str, str]:
    """The code and the message of an error, in the forms that servers give them."""
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        said = error.get("message") or error.get("detail") or error.get("error")
        codes = [error.get(name) for name in ("code", "type")]
        inner = error.get("innererror")  # how Azure tells which of its policies it was
        codes += [inner.get("code")] if isinstance(inner, dict) else []
        known = (*_KEY_CODES, *_MONEY_CODES, *_MODEL_CODES, *_FILTER_CODES)
        code = next((c for c in codes if isinstance(c, str) and c.lower() in known), "")
        told = said if isinstance(said, str) else msgspec.json.encode(error).decode()
        return code.lower(), shortly(told)
    return "", shortly(error if isinstance(error, str) else text)


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by ``Retry-After`` (a number or a date) or ``retry-after-ms``."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
        return max(0.0, seconds) if seconds == seconds else None
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
