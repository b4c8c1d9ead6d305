"""Scales that people rated replies on, and the one number for empathy that is made of them.

A model gives one unbounded number a scale, its latent. A rating above the k-th step of the scale
has the probability sigmoid(latent - step k) (McCullagh 1980: Regression models for ordinal data,
JRSS B 42), so the expected rating is the scale's low end plus the sum of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empeval_empathy.emotions import MECHANISMS

LABEL = "label"
"""The scale of a teacher's labels, 1-5."""
RELEVANCE = "relevance"
"""Whether a reply is one to this dialogue: 1, or a reply to another: 0."""


@dataclass(frozen=True, kw_only=True)
class Overall:
    """One number for empathy out of the latents of several scales.

    The latent is a weighted mean of the standardised latents of scales, plus a multiple of the log
    of the probability that the reply is to this dialogue. A rating above k of people's 1-5 has the
    probability sigmoid(slope g - threshold k); ``empathy`` is the expected rating.

    Attributes:
        chosen: the name of the sum.
        weights, means, deviations: scale -> weight on its standardised latent, and what
            standardises it.
        relevance: the multiple of log P(reply is to this dialogue).
        unsure: the latent of relevance at which that probability is one half.
        slope, thresholds: of the proportional odds.
    """

    chosen: str
    weights: dict[str, float]
    means: dict[str, float]
    deviations: dict[str, float]
    relevance: float
    unsure: float
    slope: float
    thresholds: tuple[float, ...]

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Overall:
        """From a configuration.

        Raises:
            ValueError: fields are missing or are no numbers.
        """
        try:
            return cls(
                chosen=str(facts["chosen"]),
                weights=_numbers(facts["weights"]),
                means=_numbers(facts["means"]),
                deviations=_numbers(facts["deviations"]),
                relevance=float(facts["relevance"]),
                unsure=float(facts["unsure"]),
                slope=float(facts["slope"]),
                thresholds=tuple(float(step) for step in facts["thresholds"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"overall is not what it should be: {error!r}") from error


def _numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in facts.items()}


def check_scales(scales: Sequence[Mapping[str, Any]], overall: Mapping[str, Any] | None) -> None:
    """Refuse scales without a name or ends, and an overall number of scales that are not there.

    Raises:
        ValueError: what is wrong.
    """
    names = [scale.get("name") for scale in scales]
    for scale in scales:
        low, high = scale.get("low"), scale.get("high")
        if not (isinstance(low, int) and isinstance(high, int) and low < high):
            raise ValueError(f"scale {scale.get('name')!r} goes from {low!r} to {high!r}")
    if scales and not {*MECHANISMS, LABEL} <= set(names):
        raise ValueError(f"the scales {names} lack one of {MECHANISMS} and '{LABEL}'")
    if overall is not None:
        made = Overall.read(overall)
        lacking = {*made.weights, *([RELEVANCE] if made.relevance else [])} - set(names)
        if (
            lacking
            or set(made.weights) - set(made.means)
            or set(made.weights) - set(made.deviations)
        ):
            raise ValueError(f"overall is made of scales that are not there: {sorted(lacking)}")
