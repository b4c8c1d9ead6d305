"""The scales that the three models learn: what people rated, relevance, and a teacher's label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from empeval.auditing.rated import RatedReply
from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.scales import LABEL, RELEVANCE
from empeval_training.examples import Example
from empeval_training.teacher.targets import HEADS, Head

LABEL_WEIGHT = 0.5
"""A label differs from the next by a tenth of a point: what it teaches is which variants are worse,
and a larger weight would drown what people said."""
SCALES = (
    *(replace(head, weight=1.0) if head.name in MECHANISMS else head for head in HEADS),
    Head(LABEL, "", "", 1, 5, LABEL_WEIGHT, True),
)
"""The teacher's heads, its label, and each mechanism as heavy as a rating: few rows have them."""
RATED_SETS = tuple(sorted({scale.rated_set for scale in HEADS if scale.rated_set}))
NAMES = tuple(scale.name for scale in SCALES)
CANDIDATES: dict[str, dict[str, float]] = {
    "exchanges + ratings": {"exchanges": 1.0, "ratings": 1.0},
    "exchanges + 2 ratings": {"exchanges": 1.0, "ratings": 2.0},
    "2 exchanges + ratings": {"exchanges": 2.0, "ratings": 1.0},
}
"""Sums of scales of which validation chooses ``empathy``, each with several multiples of relevance.
Both crowds who rated replies of EmpatheticDialogues are in each: a few hundred ratings of one rater
each cannot say that one of them need not be heard."""


def as_config() -> list[dict[str, Any]]:
    """The scales as a model's configuration has them."""
    return [
        {"name": scale.name, "low": scale.low, "high": scale.high, "weight": scale.weight}
        for scale in SCALES
    ]


def said_of(reply: RatedReply, rated_set: str) -> dict[str, float]:
    """What people said of a reply, by scale; several raters' mean."""
    found = {
        scale.name: reply.mean(scale.dimension) for scale in SCALES if scale.rated_set == rated_set
    }
    return {name: round(value, 4) for name, value in found.items() if value is not None}


def row(ratings: Mapping[str, float]) -> tuple[float, ...]:
    """A number a scale, NaN where nothing is known."""
    return tuple(ratings.get(name, float("nan")) for name in NAMES)


def of_label(example: Example) -> Example:
    """An example of EmpatheticDialogues with its label, and whether the reply is one to it."""
    ratings = dict(example.ratings)
    if example.empathy is not None:
        ratings[LABEL] = example.empathy
    if example.variant in ("human", "stranger"):
        ratings[RELEVANCE] = float(example.variant == "human")
    return msgspec.structs.replace(example, ratings=ratings)
