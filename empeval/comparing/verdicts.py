"""From an interval and a margin fixed beforehand to one word, and how many items it takes."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Literal

from empeval.errors import UsageError
from empeval.estimates import LEVEL, quantile

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]

POWER = 0.8
SMALLEST = 1e-6
"""Of effects, in standard deviations of clusters: a smaller one takes more than anybody has."""


def check_margin(name: str, margin: float, span: float | None) -> None:
    """Refuse a margin as wide as a metric's whole scale: nothing could ever be worse by so much.

    Args:
        name: of the metric.
        margin: the smallest difference that matters, in the metric's unit.
        span: how wide the scale is; ``None`` is open.

    Raises:
        UsageError: with the width of the scale.
    """
    if span is not None and margin >= span:
        raise UsageError(
            f"The margin of {name} is {margin:g}, and the whole scale of that metric is {span:g} "
            "wide: nothing could fail. Give it a smaller margin of its own, in its unit."
        )


def decide(
    interval: tuple[float, float] | None,
    inner: tuple[float, float] | None,
    margin: float | None,
) -> tuple[Verdict, bool | None]:
    """The verdict, and whether it is shown that the candidate is not worse by the margin.

    * *equivalent*: the 90 % interval lies inside the margin (two one-sided tests at 5 %,
      Schuirmann 1987), whether or not it holds 0;
    * *better* or *worse*: the 95 % interval lies on one side of 0;
    * *inconclusive*: anything else. Without a margin nothing is ever equivalent.

    Args:
        interval: 95 %, of candidate less base, turned so that more is better; ``None`` with fewer
            than two clusters.
        inner: the 90 % one.
        margin: the smallest difference that matters, above 0; ``None``: none was fixed.

    Returns:
        The verdict; and for a margin whether the 95 % interval lies above ``-margin``
        (non-inferiority at 2.5 %).
    """
    if interval is None or inner is None:
        return "inconclusive", None if margin is None else False
    low, high = interval
    safe = None if margin is None else low > -margin
    if margin is not None and -margin < inner[0] and inner[1] < margin:
        return "equivalent", safe
    if low > 0:
        return "better", safe
    if high < 0:
        return "worse", safe
    return "inconclusive", safe


def detectable(error: float, clusters: int) -> float | None:
    """The smallest true difference that would be found significant with 80 % power.

    That is the standard error times the noncentrality with which Student's t lies above its 97.5 %
    quantile 4 times in 5 (Cohen 1988, ch. 2).

    Args:
        error: standard error of the difference.
        clusters: behind it.
    """
    if clusters < 2 or not math.isfinite(error):
        return None
    return _noncentrality(clusters) * error


def clusters_needed(error: float, clusters: int, margin: float) -> int | None:
    """Clusters with which a true difference of the margin would be found with 80 % power.

    The standard error is taken to fall with the square root of their number.

    Args:
        error: standard error of the difference with ``clusters`` clusters.
        clusters: how many gave it.
        margin: the difference to find, above 0.
    """
    if clusters < 1 or not math.isfinite(error) or margin <= 0:
        return None
    effect = margin / (error * math.sqrt(clusters)) if error else math.inf
    if effect < SMALLEST:
        return None

    def found(count: int) -> bool:
        return _noncentrality(count) <= effect * math.sqrt(count)

    enough = 2
    while not found(enough):
        enough *= 2
    return bisect_left(range(enough), True, lo=2, key=found)


def _noncentrality(clusters: int) -> float:
    from scipy.special import nctdtrinc

    return float(nctdtrinc(clusters - 1, 1 - POWER, quantile((1 + LEVEL) / 2, clusters)))
