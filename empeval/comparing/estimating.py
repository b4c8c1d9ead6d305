"""Statistics of paired metrics: difference, interval, tests, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from empeval.comparing.metrics import Paired
from empeval.comparing.records import (
    AtEqualLength,
    Difference,
    Effect,
    Power,
    PValues,
    Side,
    Sides,
)
from empeval.comparing.resampling import LEVELS, bootstrap_t, sign_flips
from empeval.comparing.verdicts import check_margin, clusters_needed, decide, detectable
from empeval.estimates import Sums, in_unit, inside, mean_of, source_of, span_of, t_interval, t_p
from empeval.records import Estimate, Interval

FEW_ALIKE = 6
"""Fewer clusters of which all have the same difference show nothing: 2 of 2**5 is above 0.05."""

MarginOf = Callable[[str, str, str, bool], float | None]
"""(task, scorer, metric, headline) -> margin."""


def estimate(
    pairs: Sequence[Paired],
    clusters: np.ndarray,
    headlines: set[int],
    margin_of: MarginOf,
    *,
    resamples: int,
    seed: int,
) -> list[Difference]:
    """A ``Difference`` for each metric, in order.

    Args:
        pairs: the metrics' item values.
        clusters: of the items, shape (items,), numbers from 0.
        headlines: numbers of the headline metrics.
        margin_of: the margin of a metric.
        resamples: of intervals and sign flips.
        seed: of both.
    """
    if not pairs:
        return []
    sums = Sums.of(np.column_stack([pair.differences for pair in pairs]), clusters)
    bounds, p = bootstrap_t(sums, resamples=resamples, seed=seed)
    flips = sign_flips(sums, resamples=resamples, seed=seed + 1)
    return [
        _difference(
            pair,
            clusters,
            bounds[number],
            (float(p[number]), float(flips[number])),
            margin_of,
            number in headlines,
        )
        for number, pair in enumerate(pairs)
    ]


def _difference(
    pair: Paired,
    clusters: np.ndarray,
    bounds: np.ndarray,
    p: tuple[float, float],
    margin_of: MarginOf,
    headline: bool,
) -> Difference:
    metric = pair.metric
    margin, span = margin_of(metric.task, metric.scorer, metric.metric, headline), span_of(metric)
    if margin is not None:
        check_margin(f"{metric.task}.{metric.scorer}.{metric.metric}", margin, span)
    there = np.isfinite(pair.differences)
    base, candidate, change = (x[there] for x in (pair.base, pair.candidate, pair.differences))
    found = mean_of(pair.differences, clusters)
    outer, inner = (
        Interval(float(low), float(high), level, "bootstrap-t")
        if np.isfinite(bounds).all()
        else _t(found, level)
        for level, (low, high) in zip(LEVELS, bounds, strict=True)
    )
    error = math.nan if found.standard_error is None else found.standard_error
    verdict, safe = None, None
    if headline:
        sign = -1 if metric.higher_is_better is False else 1
        verdict, safe = decide(_turned(outer, sign), _turned(inner, sign), margin)
        if metric.higher_is_better is None and verdict in ("better", "worse"):
            verdict = "inconclusive"  # the metric only describes: more of it is not better
    single = len(clusters) == len(np.unique(clusters))
    sides = [
        Side(
            mean=_mean(values[there] if len(change) else values),
            failed=int(np.isnan(values).sum()),
            items=items,
            unscored=unscored,
            uncompared=uncompared,
        )
        for values, items, unscored, uncompared in zip(
            (pair.base, pair.candidate), pair.items, pair.unscored, pair.uncompared, strict=True
        )
    ]
    return Difference(
        task=metric.task,
        scorer=metric.scorer,
        metric=metric.metric,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        headline=headline,
        span=span,
        margin=margin,
        verdict=verdict,
        not_worse_by_margin=safe,
        change=_cut(msgspec.structs.replace(found, interval=outer), pair.differences, span),
        worst_case=_worst(pair),
        sides=Sides(base=sides[0], candidate=sides[1]),
        p_values=PValues(
            bootstrap=p[0] if math.isfinite(p[0]) else None,
            sign_flips=p[1] if found.clusters > 1 else None,
            t=t_p(found),
            mcnemar=mcnemar(base > 50, candidate > 50)
            if metric.unit == "percent" and single and len(change)
            else None,
        ),
        effect=_effect(base, candidate, change),
        power=Power(
            detectable=detectable(error, found.clusters),
            needed=clusters_needed(error, found.clusters, margin) if margin else None,
        ),
        at_equal_length=at_equal_length(change, pair.words[there], clusters[there]),
    )


def _cut(change: Estimate, differences: np.ndarray, span: float | None) -> Estimate:
    """A difference whose interval ends where the scale allows no larger one."""
    if span is None:
        return change
    return inside(change, differences, -span, span)


def _t(estimate: Estimate, level: float) -> Interval | None:
    """Student's t interval; none where too few clusters have the very same difference.

    That they are alike is no estimate of how far others would lie apart: with so few, not even all
    sign flips get to p = 0.05.
    """
    if estimate.value is None or estimate.standard_error is None:
        return None
    alike = estimate.standard_error <= 1e-9 * abs(estimate.value)
    if alike and estimate.clusters < FEW_ALIKE:
        return None
    return t_interval(estimate.value, estimate.standard_error, estimate.clusters, level)


def _mean(values: np.ndarray) -> float | None:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else None


def _turned(interval: Interval | None, sign: int) -> tuple[float, float] | None:
    """The ends of an interval, so that more is better."""
    if interval is None:
        return None
    return (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)


def _effect(base: np.ndarray, candidate: np.ndarray, change: np.ndarray) -> Effect:
    if not len(change):
        return Effect()
    mean, spread = float(change.mean()), float(change.std(ddof=1)) if len(change) > 1 else 0.0
    varied = len(base) > 1 and np.ptp(base) > 0 and np.ptp(candidate) > 0
    apart = float(base.var() + candidate.var())
    return Effect(
        size=mean / spread if spread > 1e-9 * abs(mean) else None,  # else it is rounding
        improved=float((change > 0).mean() + 0.5 * (change == 0).mean()),
        correlation=float(np.corrcoef(base, candidate)[0, 1]) if varied else None,
        variance_saved=1 - float(change.var()) / apart if apart > 0 else None,
    )


def _worst(pair: Paired) -> float | None:
    """The difference when items without a value count as the worst one."""
    every = np.concatenate([pair.base, pair.candidate])
    if not np.isnan(every).any():
        return None
    source = source_of(pair.metric)
    down = pair.metric.higher_is_better is False
    end = source.high if down else source.low
    if pair.metric.unit == "percent":
        end = float(down)
    if end is not None:
        lowest = float(in_unit(np.array(end), pair.metric))
    elif np.isfinite(every).any():
        lowest = float(np.nanmax(every) if down else np.nanmin(every))
    else:
        return None
    filled = [np.where(np.isnan(x), lowest, x).mean() for x in (pair.base, pair.candidate)]
    return float(filled[1] - filled[0])


def mcnemar(base: np.ndarray, candidate: np.ndarray) -> float:
    """Exact two-sided p of McNemar's test (McNemar 1947), by scipy's binomial test.

    Args:
        base: whether each item is a hit in the base, shape (items,).
        candidate: the same of the candidate.
    """
    from scipy.stats import binomtest

    gained, lost = int((candidate & ~base).sum()), int((base & ~candidate).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def at_equal_length(
    change: np.ndarray, words: np.ndarray, clusters: np.ndarray
) -> AtEqualLength | None:
    """The difference at equal length: the intercept of a regression on the change of length.

    Least squares with cluster-robust standard errors (Liang and Zeger 1986, with the factor
    ``G/(G-1) * (n-1)/(n-2)``) and Student's t with G - 1 degrees of freedom.

    Args:
        change: shape (items,), differences.
        words: shape (items,), words more.
        clusters: shape (items,), cluster numbers.

    Returns:
        ``None`` with fewer than three items or clusters, or where lengths do not differ.
    """
    n, groups = len(change), len(np.unique(clusters))
    if n < 3 or groups < 3 or np.ptp(words) == 0:
        return None
    design = np.column_stack([np.ones(n), words])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ change
    residuals = (change - design @ beta)[:, None] * design
    size = int(clusters.max()) + 1
    scores = np.column_stack([np.bincount(clusters, column, size) for column in residuals.T])
    variance = inverse @ (scores.T @ scores) @ inverse
    factor = groups / (groups - 1) * (n - 1) / (n - 2)
    error = math.sqrt(max(0.0, factor * float(variance[0, 0])))
    left = Estimate(
        value=float(beta[0]),
        standard_error=error,
        interval=t_interval(float(beta[0]), error, groups),
        n=n,
        clusters=groups,
    )
    return AtEqualLength(change=left, per_word=float(beta[1]))
