"""Means and their 95 % intervals, by clusters.

Items cut from one dialogue are not independent, so every interval here resamples or sums over
clusters. With one item a cluster the formulas become the ordinary ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from empeval.interfaces import ValueCard
from empeval.records import Metric, Scored, Source

CONFIDENCE = 0.95


def cluster_mean(
    values: Sequence[float], clusters: Sequence[str]
) -> tuple[float, float | None, float | None]:
    """Mean of ``values`` and its 95 % interval with cluster-robust standard error.

    The standard error is the linearised one of a ratio (sum of cluster sums over sum of cluster
    sizes) with the factor G/(G-1), the interval is Student's t with G-1 degrees of freedom, G
    being the number of clusters (Cameron and Miller 2015, "A Practitioner's Guide to
    Cluster-Robust Inference"). With singletons this is the classical t interval.

    Args:
        values: finite numbers, length n >= 1.
        clusters: length n, the cluster of each value.

    Returns:
        (mean, low, high); low and high are ``None`` with fewer than two clusters.

    Raises:
        ValueError: nothing to average, a value that is not finite, or lengths that differ.
    """
    x = np.asarray(values, dtype=float)
    if x.size == 0:
        raise ValueError("no values to average")
    if x.size != len(clusters):
        raise ValueError(f"{x.size} values but {len(clusters)} clusters")
    if not np.isfinite(x).all():
        raise ValueError("a value is not finite")
    mean = float(x.mean())
    places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    index = [places[cluster] for cluster in clusters]
    groups = len(places)
    if groups < 2:
        return mean, None, None
    residuals = np.bincount(index, weights=x - mean, minlength=groups)
    error = math.sqrt(groups / (groups - 1) * float((residuals**2).sum())) / x.size
    half = _t_quantile(groups - 1) * error
    return mean, mean - half, mean + half


def cluster_share(
    hits: Sequence[bool], clusters: Sequence[str]
) -> tuple[float, float | None, float | None]:
    """Share of ``hits`` in percent and its 95 % Wilson interval.

    The number of trials is divided by the design effect (the clustered variance over the
    binomial one, at least 1), so correlated items widen the interval. Unlike a t interval it
    stays inside [0, 100] and does not collapse at 0 or 100 (Wilson 1927).

    Returns:
        (percent, low, high); low and high are ``None`` without at least two clusters.
    """
    x = [1.0 if hit else 0.0 for hit in hits]
    share, low, high = cluster_mean(x, clusters)
    if low is None or high is None:
        return 100 * share, None, None
    n = float(len(x))
    groups = len(set(clusters))
    effect = 1.0
    binomial = share * (1 - share) / n
    if binomial > 0:
        error = (high - low) / 2 / _t_quantile(groups - 1)
        effect = max(1.0, error**2 / binomial * (n - 1) / n)
    elif groups < n:
        effect = n / groups  # all alike: count each cluster once, the cautious reading
    n /= effect
    z = 1.959963984540054
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share == 0 else 100 * (centre - half)  # exactly, not but for rounding
    high = 100.0 if share == 1 else 100 * (centre + half)
    return 100 * share, low, high


def usable(scored: Sequence[Scored], name: str, *, any_status: bool = False) -> list[Scored]:
    """The samples that have the value ``name``, with status ``ok`` unless any will do."""
    return [one for one in scored if _counts(one, name, any_status)]


def _counts(one: Scored, name: str, any_status: bool) -> bool:
    return name in one.score.values and (any_status or one.score.status == "ok")


def mean_metric(
    value: ValueCard,
    scored: Sequence[Scored],
    *,
    metric: str | None = None,
    scale: float = 1.0,
    failed_as: float | None = None,
    any_status: bool = False,
    of: Callable[[Scored], float] | None = None,
    note: str | None = None,
) -> Metric:
    """Mean of one value over the samples, as a ``Metric``.

    Args:
        value: which value, with unit and direction. Unit ``percent`` takes 0/1 values and gives
            a share with a Wilson interval; other units give a cluster-robust t interval.
        scored: all samples, failed ones too.
        metric: its name, when not the value's.
        scale: multiplies value and interval (EQ-Bench's items are out of 10, its score of 100).
        failed_as: count failed samples with this value instead of leaving them out.
        any_status: use the value of every sample that has it, whatever its status.
        of: how to get the number from a sample, when not ``values[value.name]``.
        note: one line for a person.
    """
    numbers: list[float] = []
    clusters: list[str] = []
    rest: list[str] = []
    for one in scored:  # once: they may be read from the disk
        if _counts(one, value.name, any_status):
            numbers.append(of(one) if of else one.score.values[value.name])
            clusters.append(one.sample.item.cluster)
        else:
            rest.append(one.sample.item.cluster)
    failed = len(rest)
    if failed_as is not None:
        numbers += [failed_as] * failed
        clusters += rest
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    if numbers and value.unit == "percent":
        mean, low, high = cluster_share([n >= 0.5 for n in numbers], clusters)
    elif numbers:
        mean, low, high = cluster_mean(numbers, clusters)
    return Metric(
        task="",
        scorer="",
        metric=metric or value.name,
        value=None if mean is None else mean * scale,
        ci_low=None if low is None else low * scale,
        ci_high=None if high is None else high * scale,
        n=len(numbers),
        n_failed=failed,
        unit=value.unit,
        higher_is_better=value.higher_is_better,
        n_clusters=len(set(clusters)),
        note=note,
        source=None
        if of
        else Source(value.name, scale, failed_as, any_status, low=value.low, high=value.high),
    )


def _t_quantile(df: int) -> float:
    """97.5 % quantile of Student's t (scipy's special function: far cheaper than scipy.stats)."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + CONFIDENCE / 2))
