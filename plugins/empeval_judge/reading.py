"""Reads scores out of what a judge wrote; a score that is not plainly there is none.

Read are lines ``name: N`` (perhaps ``N/5`` under a scale that ends at 5, a list's mark before the
name, Markdown's stars around it) and JSON objects that begin a line and have the names as keys.
Every scale must have one number, a whole one inside of its range; a name that stands there with
two different numbers has none. All other text is left alone: what a judge quotes behind ``| `` or
in the middle of a line is no score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from empeval.toolkit import refuses
from empeval_judge.rubrics import Rubric, Scale

LONGEST = 300
"""Characters that are kept of a reason."""

_LINE = re.compile(r"(?:(?:[-•]|\d+[.)])\s+)?([A-Za-z][\w -]*?)\s*[:=]\s*(.*?)\s*")
_NUMBER = re.compile(r"(\d{1,4})(?:\.0+)?(?:\s*/\s*(\d{1,4}))?\.?")
_CHOICES = {"a": 1, "b": -1, "tie": 0, "reply a": 1, "reply b": -1}
_OBJECT = re.compile(r"^[ \t]*\{", re.MULTILINE)


class Judged(msgspec.Struct, frozen=True):
    """What was read of one judgement.

    Attributes:
        scores: of every scale, or empty.
        problem: why there are none.
        refused: whether the judge declines.
        reason: in the judge's words, ``""`` where it gave none.
    """

    scores: dict[str, int] = {}
    problem: str = ""
    refused: bool = False
    reason: str = ""


def read(rubric: Rubric, text: str) -> Judged:
    """The scores in a judge's answer.

    Args:
        rubric: that it was asked by.
        text: the answer without thoughts.
    """
    said = _said(text)
    reason = _reason(said)
    if not any(scale.name in said for scale in rubric.scales):
        return _nothing(text, "scores", reason)
    scores: dict[str, int] = {}
    for scale in rubric.scales:
        given = said.get(scale.name, [])
        numbers = {_number(scale, value) for value in given}
        if not numbers:
            return Judged(problem=f"no score of {scale.name}", reason=reason)
        if len(numbers) > 1:
            shown = " and ".join(sorted({value[:20] for value in given}))
            return Judged(problem=f"more than one score of {scale.name}: {shown}", reason=reason)
        (number,) = numbers
        if number is None:
            wanted = f"no whole number from {scale.low} to {scale.high}"
            return Judged(problem=f"{scale.name} is {given[0][:40]!r}, {wanted}", reason=reason)
        scores[scale.name] = number
    return Judged(scores=scores, reason=reason)


def read_choices(names: Sequence[str], text: str) -> Judged:
    """Which of two replies a judge prefers, by each of some names: 1 for A, -1 for B, 0 for a tie.

    Args:
        names: that it was asked about.
        text: the answer without thoughts.
    """
    said = _said(text)
    reason = _reason(said)
    if not any(name in said for name in names):
        return _nothing(text, "choices", reason)
    scores: dict[str, int] = {}
    for name in names:
        given = said.get(name, [])
        choices = {_CHOICES.get(value.strip(" .\"'").lower()) for value in given}
        if not given or len(choices) > 1 or None in choices:
            shown = " and ".join(sorted({value[:20] for value in given})) or "not there"
            return Judged(problem=f"{name} is {shown}, not one of A, B and tie", reason=reason)
        scores[name] = next(choice for choice in choices if choice is not None)
    return Judged(scores=scores, reason=reason)


def _said(text: str) -> dict[str, list[str]]:
    """What stands behind each name."""
    said: dict[str, list[str]] = {}
    for name, value in [*_in_lines(text), *_in_objects(text)]:
        said.setdefault(re.sub(r"[ -]+", "_", name.strip().lower()), []).append(value)
    return said


def _reason(said: Mapping[str, Sequence[str]]) -> str:
    return " ".join(" ".join(said.get("reason", [])).split())[:LONGEST]


def _nothing(text: str, what: str, reason: str) -> Judged:
    if refuses(text):
        return Judged(problem="the judge declines", refused=True, reason=reason)
    return Judged(problem=f"no {what} in the answer", reason=reason)


def _number(scale: Scale, value: str) -> int | None:
    found = _NUMBER.fullmatch(value)
    if found is None or (found[2] is not None and int(found[2]) != scale.high):
        return None
    number = int(found[1])
    return number if scale.low <= number <= scale.high else None


def _in_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = _LINE.fullmatch(re.sub(r"[*`]", "", line).strip())
        if found is not None:
            yield found[1], found[2]


def _in_objects(text: str) -> Iterator[tuple[str, str]]:
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    end = 0
    for found in _OBJECT.finditer(text):
        start = found.end() - 1
        if start < end:
            continue  # inside of an object that was read
        try:
            pairs, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        for name, value in pairs:
            if not isinstance(value, bool | list | None):
                yield name, str(value)


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """An object as pairs, so that a key that comes twice is seen twice."""
    return pairs
