"""From an interval and a margin fixed beforehand to one word, and how many items it takes."""

from __future__ import annotations

import math
from typing import Literal

from scipy.special import stdtr, stdtrit

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]

POWER = 0.8
LEVEL = 0.95


def t_interval(
    difference: float, error: float, clusters: int, level: float = LEVEL
) -> tuple[float, float] | None:
    """Student's t interval with clusters - 1 degrees of freedom; ``None`` with one cluster."""
    if clusters < 2 or not math.isfinite(error):
        return None
    half = float(stdtrit(clusters - 1, (1 + level) / 2)) * error
    return difference - half, difference + half


def t_p(difference: float, error: float, clusters: int) -> float | None:
    """Two-sided p of the paired t test over clusters; ``None`` where there is no variance."""
    if clusters < 2 or not math.isfinite(error):
        return None
    if error == 0:
        return 1.0 if difference == 0 else None
    return float(2 * stdtr(clusters - 1, -abs(difference / error)))


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

    Args:
        error: standard error of the difference.
        clusters: behind it.
    """
    if clusters < 2 or not math.isfinite(error):
        return None
    quantiles = stdtrit(clusters - 1, (1 + LEVEL) / 2) + stdtrit(clusters - 1, POWER)
    return float(quantiles) * error


def clusters_needed(error: float, clusters: int, margin: float) -> int | None:
    """Clusters with which a true difference of the margin would be found with 80 % power.

    The standard error is taken to fall with the square root of their number.

    Args:
        error: standard error of the difference with ``clusters`` clusters.
        clusters: how many gave it.
        margin: the difference to find, above 0.
    """
    if clusters < 2 or not math.isfinite(error) or margin <= 0:
        return None
    spread = error * math.sqrt(clusters)
    needed = 2
    for _ in range(60):  # the quantiles hang on the number: a fixed point, reached quickly
        quantiles = stdtrit(needed - 1, (1 + LEVEL) / 2) + stdtrit(needed - 1, POWER)
        wanted = max(2, math.ceil((float(quantiles) * spread / margin) ** 2))
        if wanted == needed:
            break
        needed = wanted if wanted > needed else (wanted + needed + 1) // 2
    return needed
