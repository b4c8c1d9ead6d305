"""A scorer's metrics: means and shares of its values over samples, with 95 % intervals."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from empeval.cards import ValueCard
from empeval.estimates import counts, estimate_of, in_unit, inside, mean_of, numbered, share_of
from empeval.records import Estimate, Metric, Scored, Source
from empeval.renamed import arguments


def cluster_mean(
    values: Sequence[float],
    clusters: Sequence[str],
    *,
    low: float | None = None,
    high: float | None = None,
) -> tuple[float, float | None, float | None]:
    """Mean of ``values`` and its 95 % interval; see ``estimates.mean_of``.

    Args:
        values: finite numbers, length n >= 1.
        clusters: length n, the cluster of each value.
        low: the least that there is; the interval is cut there.
        high: the most.

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
    return _ends(inside(mean_of(x, numbered(clusters)), x, low, high))


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


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that is the mean of one value over samples.

    Attributes:
        value: which value, with unit and direction. Unit ``percent`` takes 0/1 values and gives
            a share with a Wilson interval; other units give a cluster-robust t interval.
        metric: its name, when not the value's.
        scale: multiplies value and interval (EQ-Bench's items are out of 10, its score of 100).
        failed_as: count failed samples with this value instead of leaving them out.
        any_status: use the value of every sample that has it, whatever its status.
        of: how to get the number from a sample, when not ``values[value.name]``.
        where: which samples it is about, failed ones too, when not all. Where others have the
            value, too, runs cannot be compared by the metric: give it a value of its own then.
        note: one line for a person.
    """

    value: ValueCard
    metric: str | None = None
    scale: float = 1.0
    failed_as: float | None = None
    any_status: bool = False
    of: Callable[[Scored], float] | None = None
    where: Callable[[Scored], bool] | None = None
    note: str | None = None


@arguments(figures="means")
def mean_metrics(means: Sequence[Mean], scored: Iterable[Scored]) -> list[Metric]:
    """Compute metrics in one walk over the samples.

    Samples may be read from the disk one by one: of each, nothing is kept but a number a metric
    and its cluster's.

    Args:
        means: what is to be computed.
        scored: all samples, failed ones too.

    Returns:
        A metric for each mean, in their order.
    """
    columns = [_Column(mean) for mean in means]
    names: dict[str, int] = {}
    clusters = array("q")
    for one in scored:
        clusters.append(names.setdefault(one.sample.item.cluster, len(names)))
        for column in columns:
            column.add(one)
    numbers = np.array(clusters)
    return [column.metric(numbers) for column in columns]


class _Column:
    """What the samples count in one metric."""

    def __init__(self, mean: Mean) -> None:
        value = mean.value
        self._mean = mean
        self._source = Source(
            value.name,
            mean.scale,
            mean.failed_as,
            mean.any_status,
            low=None if mean.of else value.low,  # the range of the value, not of what 'of' makes
            high=None if mean.of else value.high,
        )
        self._missing = math.nan if mean.failed_as is None else mean.failed_as
        self._numbers = array("d")
        self._asked = bytearray()
        self._failed = 0
        self._plain = mean.of is None

    def add(self, one: Scored) -> None:
        mean = self._mean
        asked = mean.where is None or mean.where(one)
        self._asked.append(asked)
        if not asked:
            self._plain &= mean.failed_as is None and not counts(one.score, self._source)
            return
        share = mean.value.unit == "percent"
        there = counts(one.score, self._source)
        if there and share and not mean.of:
            there = one.score.values[mean.value.name] in (0, 1)
        if there:
            number = mean.of(one) if mean.of else one.score.values[mean.value.name]
        else:
            self._failed += 1
            number = self._missing
        if share and number not in (0, 1) and not math.isnan(number):
            raise ValueError(f"{mean.value.name} is {number:g}; a value in percent is 0 or 1")
        self._numbers.append(number)

    def metric(self, clusters: np.ndarray) -> Metric:
        """The metric; ``clusters`` numbers those of all samples."""
        own = clusters[np.array(self._asked, dtype=bool)]
        value = self._mean.value
        empty = Metric(
            task="",
            scorer="",
            metric=self._mean.metric or value.name,
            value=None,
            ci_low=None,
            ci_high=None,
            n=0,
            n_failed=self._failed,
            unit=value.unit,
            higher_is_better=value.higher_is_better,
            note=self._mean.note,
            source=self._source,
        )
        made = estimate_of(in_unit(np.array(self._numbers), empty), _from_zero(own), empty)
        found: Metric = msgspec.structs.replace(
            empty,
            value=made.value,
            ci_low=made.interval.low if made.interval else None,
            ci_high=made.interval.high if made.interval else None,
            n=made.n,
            n_clusters=made.clusters,
            source=self._source if self._plain else None,
        )
        return found


def _from_zero(clusters: np.ndarray) -> np.ndarray:
    """Numbers without gaps, in the order in which clusters first come."""
    _, first, numbers = np.unique(clusters, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[numbers])


def mean_metric(
    value: ValueCard,
    scored: Iterable[Scored],
    *,
    metric: str | None = None,
    scale: float = 1.0,
    failed_as: float | None = None,
    any_status: bool = False,
    of: Callable[[Scored], float] | None = None,
    note: str | None = None,
) -> Metric:
    """Mean of one value over the samples, as a ``Metric``; ``mean_metrics`` makes several at once.

    Args:
        value: which value; see ``Mean`` for it and the options.
        scored: all samples, failed ones too.
        metric: its name, when not the value's.
        scale: multiplies value and interval.
        failed_as: count failed samples with this value.
        any_status: use the value of every sample that has it.
        of: how to get the number from a sample.
        note: one line for a person.
    """
    mean = Mean(
        value=value,
        metric=metric,
        scale=scale,
        failed_as=failed_as,
        any_status=any_status,
        of=of,
        note=note,
    )
    return mean_metrics([mean], scored)[0]
