"""Whether an answer declines to answer."""

from __future__ import annotations

import re

_TASKS = (
    "answer|assign|assist|comply|complete|engage|fulfil|give|guess|help (?:with|you)|judge|predict"
    "|provide|rate|respond|score"
)
_TASKS_DE = "antworten|beantworten|bewerten|beurteilen|einschätzen|erfüllen|geben|helfen|vergeben"
_REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:i|we) (?:can(?:not|'t| not)|won't|will not) (?:\w+ )?(?:{_TASKS})\b",
        r"\b(?:i am|i'm|we are) (?:not able|unable) to\b",
        r"\bi (?:must|have to|respectfully) (?:decline|refuse)\b",
        r"\bas an? (?:\w+ )?(?:ai|language model)\b",
        rf"\bich (?:kann|darf|werde|möchte) (?:[\w,]+ ){{0,8}}nicht (?:\w+ )?(?:{_TASKS_DE})\b",
        r"\bals (?:ki|künstliche intelligenz|sprachmodell)\b",
    )
)


def refuses(text: str) -> bool:
    """Whether an answer declines to answer, by a short list of phrases (English and German)."""
    folded = text.casefold().replace("’", "'")
    return any(pattern.search(folded) for pattern in _REFUSALS)
