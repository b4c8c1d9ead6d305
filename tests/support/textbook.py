"""What a comparison should find, written out slowly from the formulas: loops, scipy, statsmodels.

Nothing of ``empeval.comparing`` is used. It holds for so few clusters that all sign patterns can
be counted and Student's t stands alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from support.matrix import COUNT, KnownMetric, clusters

MOST_UNSCORED = 0.05


@dataclass(frozen=True)
class Expected:
    """What is to be found of a metric; differences are candidate less base."""

    base: float
    candidate: float
    difference: float
    interval: tuple[float, float]
    inner: tuple[float, float]
    p: float
    p_t: float
    n: int
    groups: int
    worst_case: float | None


def expected(known: KnownMetric, rows: Sequence[int] | None = None) -> Expected:
    """A metric's numbers, on all items or on some."""
    wanted = range(COUNT) if rows is None else rows
    both = [n for n in wanted if math.isfinite(known.base[n] + known.candidate[n])]
    change = {n: float(known.candidate[n] - known.base[n]) for n in both}
    mean = math.fsum(change.values()) / len(both)
    sums: dict[int, float] = {}
    off: dict[int, float] = {}
    for n in both:
        group = int(clusters()[n])
        sums[group] = sums.get(group, 0.0) + change[n]
        off[group] = off.get(group, 0.0) + change[n] - mean
    groups = len(sums)
    error = math.sqrt(groups / (groups - 1) * math.fsum(x * x for x in off.values())) / len(both)
    freedom = groups - 1

    def interval(level: float) -> tuple[float, float]:
        half = stats.t.ppf((1 + level) / 2, freedom) * error
        return mean - half, mean + half

    return Expected(
        base=math.fsum(known.base[n] for n in both) / len(both),
        candidate=math.fsum(known.candidate[n] for n in both) / len(both),
        difference=mean,
        interval=interval(0.95),
        inner=interval(0.9),
        p=_sign_flips(list(sums.values())),
        p_t=_t_test(mean, error, freedom),
        n=len(both),
        groups=groups,
        worst_case=_worst_case(known),
    )


def _t_test(mean: float, error: float, freedom: int) -> float:
    if error < 1e-12:  # nothing varies
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean / error), freedom))


def _sign_flips(sums: Sequence[float]) -> float:
    """How many of all sign patterns give a sum as far from 0 as the observed one."""
    seen = abs(math.fsum(sums))
    far = sum(
        abs(math.fsum(s * x for s, x in zip(signs, sums, strict=True))) >= seen - 1e-9
        for signs in itertools.product((1, -1), repeat=len(sums))
    )
    return far / 2 ** len(sums)


def _worst_case(known: KnownMetric) -> float | None:
    every = [float(x) for x in (*known.base, *known.candidate)]
    there = [x for x in every if math.isfinite(x)]
    if len(there) == len(every):
        return None
    worst = known.end
    if worst is None:
        worst = max(there) if known.higher_is_better is False else min(there)
    filled = [x if math.isfinite(x) else worst for x in every]
    return (math.fsum(filled[COUNT:]) - math.fsum(filled[:COUNT])) / COUNT


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p by name."""
    from statsmodels.stats.multitest import multipletests

    adjusted = multipletests(list(p.values()), method="holm")[1] if p else []
    return {name: float(x) for name, x in zip(p, adjusted, strict=True)}


def lacks(known: KnownMetric, share: float = MOST_UNSCORED) -> bool:
    """Whether either side lacks the scores of more than a share of its items."""
    return any(count > share * COUNT for count in known.lost)


def verdict(known: KnownMetric, found: Expected, margin: float | None, adjusted: float) -> str:
    """The word for a headline metric, by the rules of docs/comparing.md."""
    if known.higher_is_better is None:
        return "inconclusive"
    if lacks(known):
        worst = found.difference if found.worst_case is None else found.worst_case
        fallen = margin is not None and known.sign * worst <= -margin
        return "worse" if fallen else "inconclusive"
    low, high = sorted(known.sign * end for end in found.interval)
    inner = sorted(known.sign * end for end in found.inner)
    if margin is not None and -margin < inner[0] and inner[1] < margin:
        return "equivalent"
    if (low > 0 or high < 0) and adjusted < 0.05:
        return "better" if low > 0 else "worse"
    return "inconclusive"


def safe(known: KnownMetric, found: Expected, margin: float) -> bool:
    """Whether it is shown that the candidate is not worse by the margin."""
    low = min(known.sign * end for end in found.interval)
    return not lacks(known) and low > -margin


def outcome(known: KnownMetric, found: Expected, margin: float, adjusted: float) -> str:
    """What a gate says of a headline metric that must hold."""
    if safe(known, found, margin):
        return "pass"
    return "regression" if verdict(known, found, margin, adjusted) == "worse" else "inconclusive"


def rows_of(parts: Sequence[str], part: str) -> range:
    """The items of one of as many parts of equal size."""
    size = COUNT // len(parts)
    return range(size * parts.index(part), size * (parts.index(part) + 1))


def parts(known: KnownMetric, names: Sequence[str], margin: float) -> dict[str, str]:
    """What a gate says of each part: a fall beyond the margin counts when it is shown."""
    found = {name: expected(known, rows_of(names, name)) for name in names}
    adjusted = stats.false_discovery_control([e.p_t for e in found.values()])
    outcomes = {}
    for (name, e), p in zip(found.items(), adjusted, strict=True):
        fallen = known.sign * e.difference <= -margin
        outcomes[name] = "pass" if not fallen else "regression" if p < 0.05 else "inconclusive"
    return outcomes


def reach(means: Sequence[float]) -> float:
    """How far two repeats lie apart 19 times in 20: t * sd * root of two."""
    sd = float(np.std(means, ddof=1))
    return float(stats.t.ppf(0.975, len(means) - 1)) * sd * math.sqrt(2)
