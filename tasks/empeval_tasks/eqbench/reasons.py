"""Why an answer could not be read: one reason, from what stands in the answer."""

from __future__ import annotations

import re
from collections.abc import Collection

from empeval import Response
from empeval.toolkit import refuses
from empeval_tasks.eqbench.parsing import Official, labels
from empeval_tasks.eqbench.tolerant import Plain, stated_emotions

REASONS = {
    "missing": "there is no answer to this question",
    "error": "the model failed on this question",
    "empty": "the answer is empty",
    "all_zero": "every score is 0, which EQ-Bench does not accept",
    "format": "the scores are there, but not in the format that was asked for",
    "placeholders": "the answer repeats the placeholders instead of giving scores",
    "refusal": "the model declines to answer",
    "wrong_emotions": "scores stand under other names than the four asked for",
    "truncated": "the answer was cut at the token limit before its scores were complete",
    "missing_scores": "the four scores are not all there",
}
"""Reason -> what it means, in the order in which tables show them."""


def reason_unread(
    response: Response, emotions: Collection[str], official: Official, plain: Plain | None
) -> str:
    """Say why the official parser has no scores of an answer.

    Args:
        response: the answer.
        emotions: the four names.
        official: what the official parser found.
        plain: what the tolerant parser found.

    Returns:
        A key of ``REASONS``.
    """
    if official.all_zero:
        return "all_zero"
    if plain is not None:
        cut = response.status == "truncated" and official.form == "revise"
        return "truncated" if cut else "format"
    return reason_no_scores(response, emotions)


def reason_no_scores(response: Response, emotions: Collection[str]) -> str:
    """Say why an answer does not plainly state its scores.

    Args:
        response: the answer.
        emotions: the four names.

    Returns:
        A key of ``REASONS``, neither ``all_zero`` nor ``format``.
    """
    if response.status in ("missing", "error"):
        return response.status
    text, cut = response.response, response.status == "truncated"
    if not text.strip():
        return "truncated" if cut else "empty"
    if _repeats_placeholders(text, emotions):
        return "placeholders"
    if refuses(text):
        return "refusal"
    if _scores_others(text, emotions):
        return "wrong_emotions"
    return "truncated" if cut else "missing_scores"


def _repeats_placeholders(text: str, emotions: Collection[str]) -> bool:
    """Whether some emotion is followed by words in brackets where its score belongs."""
    names = "|".join(re.escape(name) for name in emotions)
    pattern = rf"(?:{names})[*_`]*+\s*+:[\s*_`]*+[<\[({{][^\d\n<>\[\](){{}}]{{1,40}}[>\])}}]"
    return re.search(pattern, text, re.IGNORECASE) is not None


def _scores_others(text: str, emotions: Collection[str]) -> bool:
    """Whether enough scores stand there, only not under the right names.

    One number under some other word ("My answer: 7") does not count as scoring another emotion.
    """
    own = {name.casefold() for name in emotions}
    found = {label.casefold() for label in labels(text.replace("*", ""))}
    stated = {name.casefold() for name in stated_emotions(text, emotions)}
    right, others = (found & own) | stated, found - own
    if not right:
        return len(others) > 1
    return bool(others) and len(right | others) >= len(own)
