"""Metrics that several tasks' scorers give beside the means of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from empeval import Metric, Scored, ValueCard, cluster_mean, mean_metric

_SHARE = ValueCard(name="share", unit="percent", summary="Share of samples.")


def share(
    name: str,
    scored: Sequence[Scored],
    hit: Callable[[Scored], bool],
    *,
    good: bool | None,
    note: str | None = None,
) -> Metric:
    """Percent of samples, failed ones among them, for which ``hit`` holds."""
    seen = [
        Scored(s.sample, msgspec.structs.replace(s.score, status="ok", values={"share": hit(s)}))
        for s in scored
    ]
    card = msgspec.structs.replace(_SHARE, higher_is_better=good)
    metric = mean_metric(card, seen, metric=name, note=note)
    return msgspec.structs.replace(metric, source=None)  # 'share' is no value of the scores


def reference_point(
    name: str,
    scored: Sequence[Scored],
    points: Sequence[float],
    *,
    scale: float,
    unit: str,
    note: str,
    low: float | None = None,
    high: float | None = None,
) -> Metric:
    """What a trivial way of answering would have scored on the same items.

    Args:
        name: of the metric.
        scored: all samples.
        points: what it scores on each of them, before ``scale``.
        scale: multiplies mean and interval.
        unit: of the metric.
        note: what the way of answering is.
        low: the least that can be scored, before ``scale``.
        high: the most.
    """
    clusters = [s.sample.item.cluster for s in scored]
    mean, least, most = cluster_mean(points, clusters, low=low, high=high)
    return Metric(
        task="",
        scorer="",
        metric=name,
        value=scale * mean,
        ci_low=None if least is None else scale * least,
        ci_high=None if most is None else scale * most,
        n=len(points),
        n_failed=0,
        unit=unit,
        higher_is_better=None,
        n_clusters=len(set(clusters)),
        note=note,
    )
