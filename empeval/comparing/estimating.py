"""Every figure of two joined runs: difference, interval, tests, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from empeval.comparing.joined import Joined, RunFiles, item_values
from empeval.comparing.records import Difference
from empeval.comparing.resampling import Sums, intervals, sign_flips
from empeval.comparing.verdicts import clusters_needed, decide, detectable, t_interval, t_p
from empeval.records import Metric, Source

MarginOf = Callable[[str, str, str, bool], float | None]
"""(task, scorer, metric, headline) -> margin."""


@dataclass(frozen=True)
class Paired:
    """One figure's item values in both runs, shape (items,) each; NaN where there is none.

    ``items`` and ``unscored`` count base and candidate: all of a run's items, not the shared ones
    alone, and those without a value of their own.
    """

    metric: Metric
    base: np.ndarray
    candidate: np.ndarray
    items: tuple[int, int]
    unscored: tuple[int, int]

    @property
    def differences(self) -> np.ndarray:
        """Candidate less base, shape (items,); NaN where one has no value."""
        return np.asarray(self.candidate - self.base)


def paired_figures(base: RunFiles, candidate: RunFiles, joined: Joined) -> list[Paired]:
    """The figures that both runs have, in the base's order.

    A figure may come from another value in each run (EQ-Bench counts first or revised scores);
    each run's own source is used. A run whose scorer could not give a single figure counts as one
    without values: that its answers cannot be read is what is to be seen.
    """
    task = joined.task
    ours, theirs = (files.metrics(task, valueless=True) for files in (base, candidate))
    keys = dict.fromkeys((*ours, *(key for key in theirs if _silent(base, ours, key, task))))
    found = []
    for key in keys:
        metric = ours.get(key) or theirs[key]
        other = theirs.get(key) or (metric if _silent(candidate, theirs, key, task) else None)
        if other is None:
            continue
        found.append(
            Paired(
                metric,
                _values(base, joined, metric),
                _values(candidate, joined, other),
                items=(base.items(task), candidate.items(task)),
                unscored=(_unscored(base, task, metric), _unscored(candidate, task, other)),
            )
        )
    return found


def with_values(pairs: Sequence[Paired], chosen: Sequence[str] | None) -> list[Paired]:
    """The figures of which either run has a value, and those that are asked for by name."""
    names = set(chosen or ())
    return [
        pair
        for pair in pairs
        if names_of(pair.metric) & names
        or np.isfinite(pair.base).any()
        or np.isfinite(pair.candidate).any()
    ]


def _silent(
    files: RunFiles,
    figures: Mapping[tuple[str, str], Metric],
    key: tuple[str, str],
    task: str,
) -> bool:
    """Whether a run was scored by a figure's scorer and has no figure of it at all."""
    scored = key[0] in files.run.manifest.scorers.get(task, {})
    return scored and all(scorer != key[0] for scorer, _ in figures)


def _unscored(files: RunFiles, task: str, metric: Metric) -> int:
    source = metric.source or Source(metric.metric)
    return files.items(task) - files.scored(task, metric.scorer, source)


def _values(files: RunFiles, joined: Joined, metric: Metric) -> np.ndarray:
    source = metric.source or Source(metric.metric)
    values = item_values(files.scores(joined.task, metric.scorer), joined.ids, source)
    return 100 * values if metric.unit == "percent" else values


def headline_of(pairs: Sequence[Paired], chosen: Sequence[str] | None) -> set[int]:
    """Which figures are headlines: those named, or else the first of the task's first scorer.

    A name is ``metric``, ``scorer.metric`` or ``task.scorer.metric``.
    """
    if chosen is not None:
        return {n for n, pair in enumerate(pairs) if names_of(pair.metric) & set(chosen)}
    for number, pair in enumerate(pairs):
        if pair.metric.higher_is_better is not None:
            return {number}
    return set()


def names_of(metric: Metric | Difference) -> set[str]:
    """The ways in which a user may name a figure."""
    scorer = f"{metric.scorer}.{metric.metric}"
    return {metric.metric, scorer, f"{metric.task}.{scorer}", f"{metric.task}.{metric.metric}"}


def estimate(
    pairs: Sequence[Paired],
    joined: Joined,
    headlines: set[int],
    margin_of: MarginOf,
    *,
    resamples: int,
    seed: int,
) -> list[Difference]:
    """A ``Difference`` for each figure, in order.

    Args:
        pairs: the figures' item values.
        joined: the items.
        headlines: numbers of the headline figures.
        margin_of: the margin of a figure.
        resamples: of intervals and sign flips.
        seed: of both.
    """
    if not pairs:
        return []
    matrix = np.column_stack([pair.differences for pair in pairs])
    sums = Sums.of(matrix, joined.clusters)
    bounds = intervals(sums, resamples=resamples, seed=seed)
    flips = sign_flips(sums, resamples=resamples, seed=seed + 1)
    errors = sums.errors()
    words = lengths(joined)
    found = []
    for number, pair in enumerate(pairs):
        metric = pair.metric
        margin = margin_of(joined.task, metric.scorer, metric.metric, number in headlines)
        found.append(
            _difference(
                pair,
                joined,
                float(errors[number]),
                int(sums.clusters[number]),
                bounds[number],
                float(flips[number]),
                margin,
                words,
                headline=number in headlines,
            )
        )
    return found


def _difference(
    pair: Paired,
    joined: Joined,
    error: float,
    clusters: int,
    bounds: np.ndarray,
    flips: float,
    margin: float | None,
    words: np.ndarray,
    *,
    headline: bool,
) -> Difference:
    metric = pair.metric
    there = np.isfinite(pair.differences)
    base, candidate, change = (x[there] for x in (pair.base, pair.candidate, pair.differences))
    mean = float(change.mean()) if len(change) else math.nan
    studentised = bool(np.isfinite(bounds).all())
    interval = _pair(bounds[0]) if studentised else t_interval(mean, error, clusters)
    inner = _pair(bounds[1]) if studentised else t_interval(mean, error, clusters, 0.9)
    sign = -1 if metric.higher_is_better is False else 1
    verdict, safe = decide(_turned(interval, sign), _turned(inner, sign), margin)
    if metric.higher_is_better is None and verdict in ("better", "worse"):
        verdict = "inconclusive"  # the figure only describes: more of it is not better
    single = len(joined.ids) == joined.n_clusters
    adjusted = at_equal_length(change, words[there], joined.clusters[there])
    return Difference(
        task=joined.task,
        scorer=metric.scorer,
        metric=metric.metric,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        base=_mean(base if len(change) else pair.base),
        candidate=_mean(candidate if len(change) else pair.candidate),
        difference=mean if len(change) else None,
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        method="bootstrap-t" if studentised else "t",
        p=flips if clusters > 1 else None,
        p_t=t_p(mean, error, clusters),
        p_mcnemar=mcnemar(base > 50, candidate > 50)
        if metric.unit == "percent" and single and len(change)
        else None,
        headline=headline,
        effect_size=_ratio(mean, float(change.std(ddof=1)) if len(change) > 1 else 0.0),
        improved=float((change > 0).mean() + 0.5 * (change == 0).mean()) if len(change) else None,
        correlation=_correlation(base, candidate),
        variance_saved=_saved(base, candidate, change),
        detectable=detectable(error, clusters),
        margin=margin,
        needed=clusters_needed(error, clusters, margin) if margin else None,
        verdict=verdict,
        not_worse_by_margin=safe,
        n=len(change),
        n_clusters=clusters,
        base_failed=int(np.isnan(pair.base).sum()),
        candidate_failed=int(np.isnan(pair.candidate).sum()),
        base_items=pair.items[0],
        candidate_items=pair.items[1],
        base_unscored=pair.unscored[0],
        candidate_unscored=pair.unscored[1],
        worst_case=_worst(pair),
        per_word=adjusted["per_word"],
        length_adjusted=adjusted["length_adjusted"],
        adjusted_low=adjusted["adjusted_low"],
        adjusted_high=adjusted["adjusted_high"],
    )


def _mean(values: np.ndarray) -> float | None:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else None


def _pair(bound: np.ndarray) -> tuple[float, float]:
    return float(bound[0]), float(bound[1])


def _turned(interval: tuple[float, float] | None, sign: int) -> tuple[float, float] | None:
    if interval is None or sign > 0:
        return interval
    return -interval[1], -interval[0]


def _ratio(mean: float, spread: float) -> float | None:
    return mean / spread if spread > 1e-9 * abs(mean) else None  # else it is rounding


def _correlation(base: np.ndarray, candidate: np.ndarray) -> float | None:
    if len(base) < 2 or np.ptp(base) == 0 or np.ptp(candidate) == 0:
        return None
    return float(np.corrcoef(base, candidate)[0, 1])


def _saved(base: np.ndarray, candidate: np.ndarray, change: np.ndarray) -> float | None:
    apart = float(base.var() + candidate.var()) if len(change) else 0.0
    return 1 - float(change.var()) / apart if apart > 0 else None


def _worst(pair: Paired) -> float | None:
    """The difference when items without a value count as the worst one."""
    every = np.concatenate([pair.base, pair.candidate])
    if not np.isnan(every).any():
        return None
    source = pair.metric.source or Source(pair.metric.metric)
    down = pair.metric.higher_is_better is False
    end = source.high if down else source.low
    if end is not None:
        lowest = end * source.scale * (100 if pair.metric.unit == "percent" else 1)
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


def lengths(joined: Joined) -> np.ndarray:
    """Words of the candidate's answer less the base's, shape (items,)."""
    return np.array(
        [
            len(after.response.split()) - len(before.response.split())
            for before, after in zip(joined.base, joined.candidate, strict=True)
        ],
        dtype=float,
    )


def at_equal_length(
    change: np.ndarray, words: np.ndarray, clusters: np.ndarray
) -> dict[str, float | None]:
    """Differences at equal length: the intercept of their regression on the change of length.

    Least squares with cluster-robust standard errors (Liang and Zeger 1986, with the factor
    ``G/(G-1) * (n-1)/(n-2)``) and Student's t with G - 1 degrees of freedom.

    Args:
        change: shape (items,), differences.
        words: shape (items,), words more.
        clusters: shape (items,), cluster numbers.
    """
    none: dict[str, float | None] = dict.fromkeys(
        ("per_word", "length_adjusted", "adjusted_low", "adjusted_high")
    )
    n, groups = len(change), len(np.unique(clusters))
    if n < 3 or groups < 3 or np.ptp(words) == 0:
        return none
    design = np.column_stack([np.ones(n), words])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ change
    residuals = (change - design @ beta)[:, None] * design
    size = int(clusters.max()) + 1
    scores = np.column_stack([np.bincount(clusters, column, size) for column in residuals.T])
    variance = inverse @ (scores.T @ scores) @ inverse
    factor = groups / (groups - 1) * (n - 1) / (n - 2)
    error = math.sqrt(max(0.0, factor * float(variance[0, 0])))
    low, high = t_interval(float(beta[0]), error, groups) or (None, None)
    return {
        "per_word": float(beta[1]),
        "length_adjusted": float(beta[0]),
        "adjusted_low": low,
        "adjusted_high": high,
    }
