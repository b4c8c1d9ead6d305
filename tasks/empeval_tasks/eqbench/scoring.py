"""EQ-Bench v2's item score, and what answers without any reading of the dialogue would get.

The formula is that of EQ-Bench (Paech 2023, arXiv 2312.06281; ``lib/scoring.py`` of its
repository, MIT).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Scores = Mapping[str, float]
"""Emotion -> intensity, 0 to 10."""

WEIGHT = 0.7477
INTENSITIES = range(11)


def penalty(distance: float) -> float:
    """What one emotion costs before weighting, by its distance from the reference.

    Nothing at 0, 6.5 / (1 + e^(-1.2 (d - 4))) up to 5, the distance itself beyond. The boundary
    is that of the published code; every published result file that was checked agrees to 0.01
    with a logistic part that ends just before 5.

    Args:
        distance: absolute difference of two intensities, at least 0.
    """
    if distance == 0:
        return 0.0
    if distance <= 5:
        return 6.5 / (1 + math.exp(-1.2 * (distance - 4)))
    return distance


def item_score(answer: Scores, reference: Scores) -> float:
    """Score one answer: 10 - 0.7477 x the sum of the four penalties.

    Args:
        answer: an intensity for every emotion of the reference; others are not looked at.
        reference: the four emotions with their reference intensities.

    Returns:
        Points, 10 at best. There is no floor: intensities outside 0-10 are not limited here.
    """
    return 10 - WEIGHT * sum(penalty(abs(answer[name] - reference[name])) for name in reference)


def constant_scores(references: Sequence[Scores], intensity: float) -> list[float]:
    """Points on every item for answering the same intensity for every emotion."""
    return [item_score(dict.fromkeys(reference, intensity), reference) for reference in references]


def best_constant(references: Sequence[Scores]) -> int:
    """The whole number from 0 to 10 that scores best when it is the answer to everything.

    Raises:
        ValueError: there are no references.
    """
    return max(INTENSITIES, key=lambda intensity: sum(constant_scores(references, intensity)))


def random_score(reference: Scores) -> float:
    """Expected points of answers drawn evenly from the whole numbers 0 to 10, exactly."""
    expected = sum(
        sum(penalty(abs(intensity - wanted)) for intensity in INTENSITIES) / len(INTENSITIES)
        for wanted in reference.values()
    )
    return 10 - WEIGHT * expected
