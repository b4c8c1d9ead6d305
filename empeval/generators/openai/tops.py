"""Likelihoods out of the likeliest tokens alone: what is not among them is bounded, not guessed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from empeval.generators.hf.rows import goes_on

Tops = Sequence[tuple[str, float]]
"""The likeliest next tokens as texts, with their probabilities."""

MOST_OFF = 1e-3
"""How much of the texts' probability may be unknown: no share of one is then off by more."""
NEGLIGIBLE = 1e-4
"""Of the probability found so far: a beginning that has less is not looked into."""
MOST_STEPS = 64
ROUNDING = 1e-6
"""How exact the sum of a server's probabilities is."""


class Found(msgspec.Struct, frozen=True):
    """What was found of some texts.

    Attributes:
        values: natural logarithms of their probabilities; none where there is a note.
        bounded: indices of those that are upper bounds.
        note: why too little is known.
    """

    values: tuple[float, ...] = ()
    bounded: tuple[int, ...] = ()
    note: str | None = None


def read_tops(choice: dict[str, Any]) -> Tops | None:
    """The likeliest first tokens in a reply's choice, ``None`` where it has none.

    Both of OpenAI's shapes are read: that of completions (an object of probabilities by token)
    and that of chats (a list of objects); llama.cpp gives the second one everywhere.
    """
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return None
    content, legacy = logprobs.get("content"), logprobs.get("top_logprobs")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(content, list) and content and isinstance(content[0], dict):
        listed = content[0].get("top_logprobs")
        if isinstance(listed, list):
            pairs = [(t.get("token"), t.get("logprob")) for t in listed if isinstance(t, dict)]
    elif isinstance(legacy, list) and legacy and isinstance(legacy[0], dict):
        pairs = list(legacy[0].items())
    sound = [
        (token, math.exp(value))
        for token, value in pairs
        if isinstance(token, str) and is_log(value)
    ]
    return sound if sound and len(sound) == len(pairs) else None


def is_log(value: Any) -> bool:
    """Whether a value can be the logarithm of a probability, up to rounding."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value <= MOST_OFF


async def walked(texts: Sequence[str], ask: Callable[[str], Awaitable[Tops]]) -> Found:
    """Follow texts token by token along the likeliest ones.

    Args:
        texts: different ones.
        ask: the likeliest tokens behind what precedes the texts and a beginning of some of them.
    """
    found, slack = [0.0] * len(texts), [0.0] * len(texts)
    unknown = 0.0
    beginnings = {"": 1.0}
    for step in range(MOST_STEPS + 1):
        if not beginnings:
            break
        said = max(beginnings, key=lambda text: (beginnings[text], text))
        weight = beginnings.pop(said)
        inside = [i for i, text in enumerate(texts) if goes_on(text, said)]
        if step == MOST_STEPS or weight <= NEGLIGIBLE * sum(found):
            unknown += weight
            for i in inside:
                slack[i] += weight
            continue
        tops = await ask(said)
        for token, share in tops:
            now = said + token
            if not token:
                continue
            if any(goes_on(texts[i], now) for i in inside):
                beginnings[now] = beginnings.get(now, 0.0) + weight * share
            for i in inside:
                over = len(said) < len(texts[i]) < len(now)  # past the end of a shorter text
                if now == texts[i] or (over and now in texts and now.startswith(texts[i])):
                    found[i] += weight * share
        lacking = [
            _beginnings(texts[i][len(said) :]) - {token for token, _ in tops} for i in inside
        ]
        unknown += weight * _unlisted(tops, len(set().union(*lacking)))
        for i, ways in zip(inside, lacking, strict=True):
            slack[i] += weight * _unlisted(tops, len(ways))
    return _judged(texts, found, slack, unknown)


def first_tokens(texts: Sequence[str], tops: Tops) -> Found:
    """Read texts off the likeliest first tokens of an answer, with or without blanks around them.

    Args:
        texts: different ones, also without their blanks; each has to be one token.
        tops: of the answer's beginning.
    """
    bare = [text.strip() for text in texts]
    listed = [(token.strip(), share, token) for token, share in tops]
    found, slack = [], []
    begun = 0.0
    for text in bare:
        same = [share for token, share, _ in listed if token == text]
        found.append(sum(same))
        whole = any(token == text for _, _, token in listed)  # it is a token of its own
        parts = [share for token, share, _ in listed if token and goes_on(text, token)]
        begun += 0.0 if whole else sum(parts)
        slack.append(_unlisted(tops, 1) + (0.0 if whole else sum(parts)))
    for i in sorted(range(len(bare)), key=lambda i: -len(bare[i])):
        longer = [j for j, text in enumerate(bare) if goes_on(text, bare[i])]
        nearest = [j for j in longer if not any(goes_on(bare[j], bare[k]) for k in longer)]
        found[i] += sum(found[j] for j in nearest)  # see LogLikelihood.values
    absent = sum(not any(token == text for token, _, _ in listed) for text in bare)
    return _judged(texts, found, slack, begun + _unlisted(tops, absent))


def _beginnings(text: str) -> set[str]:
    return {text[: n + 1] for n in range(len(text))}


def _unlisted(tops: Tops, count: int) -> float:
    """The most that ``count`` tokens can have that are not among the likeliest."""
    if not count:
        return 0.0
    left = max(1 - sum(share for _, share in tops), 0.0) + ROUNDING
    return min(count * min(share for _, share in tops), left)


def _judged(
    texts: Sequence[str], found: Sequence[float], slack: Sequence[float], unknown: float
) -> Found:
    total = sum(found)
    lacking = [i for i, share in enumerate(found) if share <= 0]
    if unknown > MOST_OFF * total:
        worst = max(range(len(texts)), key=lambda i: (i in lacking, slack[i]))
        where = "is not" if worst in lacking else "may be only in part"
        return Found(
            note=f"{texts[worst]!r} {where} among the likeliest tokens that the server tells: it "
            f"may have up to {slack[worst]:.2g} more of the probability, and what was found has "
            f"{total:.2g}; raise top_logprobs, or ask a server that gives the probabilities of a "
            "prompt's tokens"
        )
    values = [math.log(share if share > 0 else max(slack[i], 1e-300)) for i, share in
              enumerate(found)]  # fmt: skip
    return Found(tuple(min(value, 0.0) for value in values), tuple(lacking))
