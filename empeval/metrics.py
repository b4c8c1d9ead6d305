"""A scorer's figures: means and shares of its values over samples, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from empeval.cards import ValueCard
from empeval.estimates import counts, figure_of, in_unit, mean_of, numbered, share_of
from empeval.records import Estimate, Metric, Scored, Source


def cluster_mean(
    values: Sequence[float], clusters: Sequence[str]
) -> tuple[float, float | None, float | None]:
    """Mean of ``values`` and its 95 % interval; see ``estimates.mean_of``.

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
    return _ends(mean_of(x, numbered(clusters)))


def cluster_share(
    hits: Sequence[bool], clusters: Sequence[str]
) -> tuple[float, float | None, float | None]:
    """Share of ``hits`` in percent and its 95 % Wilson interval; see ``estimates.share_of``.

    Returns:
        (percent, low, high); low and high are ``None`` without at least two clusters.

    Raises:
        ValueError: no hits, or lengths that differ.
    """
    if not len(hits) or len(hits) != len(clusters):
        raise ValueError(f"{len(hits)} hits and {len(clusters)} clusters")
    return _ends(share_of(np.array([1.0 if hit else 0.0 for hit in hits]), numbered(clusters)))


def _ends(estimate: Estimate) -> tuple[float, float | None, float | None]:
    assert estimate.value is not None  # noqa: S101 - there are values
    ends = estimate.interval
    return (estimate.value, None, None) if ends is None else (estimate.value, ends.low, ends.high)


def usable(scored: Sequence[Scored], name: str, *, any_status: bool = False) -> list[Scored]:
    """The samples that have the value ``name``, with status ``ok`` unless any will do."""
    source = Source(name, any_status=any_status)
    return [s for s in scored if counts(s.score, source)]


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
    source = Source(value.name, scale, failed_as, any_status, low=value.low, high=value.high)
    numbers: list[float] = []
    clusters: list[str] = []
    failed = 0
    for one in scored:  # once: they may be read from the disk
        clusters.append(one.sample.item.cluster)
        if counts(one.score, source):
            numbers.append(of(one) if of else one.score.values[value.name])
        else:
            failed += 1
            numbers.append(math.nan if failed_as is None else failed_as)
    figure = Metric(
        task="",
        scorer="",
        metric=metric or value.name,
        value=None,
        ci_low=None,
        ci_high=None,
        n=0,
        n_failed=failed,
        unit=value.unit,
        higher_is_better=value.higher_is_better,
        note=note,
        source=source,
    )
    made = figure_of(in_unit(np.array(numbers), figure), numbered(clusters), figure)
    found: Metric = msgspec.structs.replace(
        figure,
        value=made.value,
        ci_low=made.interval.low if made.interval else None,
        ci_high=made.interval.high if made.interval else None,
        n=made.n,
        n_clusters=made.clusters,
        source=None if of else source,
    )
    return found
