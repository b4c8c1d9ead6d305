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
from support.matrix import COUNT, Figure, clusters

MOST_UNSCORED = 0.05


@dataclass(frozen=True)
class Expected:
    """What is to be found of a figure; differences are candidate less base."""

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


def expected(figure: Figure, rows: Sequence[int] | None = None) -> Expected:
    """A figure's numbers, on all items or on some."""
    wanted = range(COUNT) if rows is None else rows
    both = [n for n in wanted if math.isfinite(figure.base[n] + figure.candidate[n])]
    change = {n: float(figure.candidate[n] - figure.base[n]) for n in both}
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
        base=math.fsum(figure.base[n] for n in both) / len(both),
        candidate=math.fsum(figure.candidate[n] for n in both) / len(both),
        difference=mean,
        interval=interval(0.95),
        inner=interval(0.9),
        p=_sign_flips(list(sums.values())),
        p_t=_t_test(mean, error, freedom),
        n=len(both),
        groups=groups,
        worst_case=_worst_case(figure),
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


def _worst_case(figure: Figure) -> float | None:
    every = [float(x) for x in (*figure.base, *figure.candidate)]
    there = [x for x in every if math.isfinite(x)]
    if len(there) == len(every):
        return None
    worst = figure.end
    if worst is None:
        worst = max(there) if figure.higher_is_better is False else min(there)
    filled = [x if math.isfinite(x) else worst for x in every]
    return (math.fsum(filled[COUNT:]) - math.fsum(filled[:COUNT])) / COUNT


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p by name."""
    from statsmodels.stats.multitest import multipletests

    adjusted = multipletests(list(p.values()), method="holm")[1] if p else []
    return {name: float(x) for name, x in zip(p, adjusted, strict=True)}


def lacks(figure: Figure, share: float = MOST_UNSCORED) -> bool:
    """Whether either side lacks the scores of more than a share of its items."""
    return any(count > share * COUNT for count in figure.lost)


def verdict(figure: Figure, found: Expected, margin: float | None, adjusted: float) -> str:
    """The word for a headline figure, by the rules of docs/comparing.md."""
    if figure.higher_is_better is None:
        return "inconclusive"
    if lacks(figure):
        worst = found.difference if found.worst_case is None else found.worst_case
        fallen = margin is not None and figure.sign * worst <= -margin
        return "worse" if fallen else "inconclusive"
    low, high = sorted(figure.sign * end for end in found.interval)
    inner = sorted(figure.sign * end for end in found.inner)
    if margin is not None and -margin < inner[0] and inner[1] < margin:
        return "equivalent"
    if (low > 0 or high < 0) and adjusted < 0.05:
        return "better" if low > 0 else "worse"
    return "inconclusive"


def safe(figure: Figure, found: Expected, margin: float) -> bool:
    """Whether it is shown that the candidate is not worse by the margin."""
    low = min(figure.sign * end for end in found.interval)
    return not lacks(figure) and low > -margin


def outcome(figure: Figure, found: Expected, margin: float, adjusted: float) -> str:
    """What a gate says of a headline figure that must hold."""
    if safe(figure, found, margin):
        return "pass"
    return "regression" if verdict(figure, found, margin, adjusted) == "worse" else "inconclusive"


def rows_of(parts: Sequence[str], part: str) -> range:
    """The items of one of as many parts of equal size."""
    size = COUNT // len(parts)
    return range(size * parts.index(part), size * (parts.index(part) + 1))


def parts(figure: Figure, names: Sequence[str], margin: float) -> dict[str, str]:
    """What a gate says of each part: a fall beyond the margin counts when it is shown."""
    found = {name: expected(figure, rows_of(names, name)) for name in names}
    adjusted = stats.false_discovery_control([e.p_t for e in found.values()])
    outcomes = {}
    for (name, e), p in zip(found.items(), adjusted, strict=True):
        fallen = figure.sign * e.difference <= -margin
        outcomes[name] = "pass" if not fallen else "regression" if p < 0.05 else "inconclusive"
    return outcomes


def reach(means: Sequence[float]) -> float:
    """How far two repeats lie apart 19 times in 20: t * sd * root of two."""
    sd = float(np.std(means, ddof=1))
    return float(stats.t.ppf(0.975, len(means) - 1)) * sd * math.sqrt(2)
