"""What an item counts in a metric, and the mean of items with its interval: one way for all.

Items cut from one dialogue are not independent, so every standard error here sums over clusters.
With one item a cluster the formulas become the ordinary ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np

from empeval.records import LARGEST_VALUE, Estimate, Interval, Metric, Score, Source

LEVEL = 0.95


def source_of(metric: Metric) -> Source:
    """How a metric comes from its items; by its name where a run of an older version says not."""
    return metric.source or Source(metric.metric)


def counts(score: Score, source: Source) -> bool:
    """Whether a score has the value of a metric, in a status that counts there."""
    return source.value in score.values and (source.any_status or score.status == "ok")


@runtime_checkable
class Columns(Protocol):
    """Scores whose values stand in columns."""

    def column(self, ids: Iterable[str], source: Source) -> Sequence[float]:
        """A scorer's own value of each item, as many as ids; NaN where none counts."""


def item_values(
    scores: Mapping[str, Score], ids: Sequence[str], metric: Metric, *, own: bool = False
) -> np.ndarray:
    """What each item counts in a metric, in the metric's unit.

    Args:
        scores: of the metric's scorer, by id.
        ids: of the items.
        metric: the metric.
        own: leave out what a convention counts items without a value as.

    Returns:
        Shape (items,); NaN where an item counts nothing.
    """
    source = source_of(metric)
    if isinstance(scores, Columns):
        found = np.array(scores.column(ids, source))
    else:
        own_scores = map(scores.get, ids)
        found = np.array(
            [s.values[source.value] if s and counts(s, source) else math.nan for s in own_scores],
            dtype=float,
        )
    return counted(found, metric, own=own)


def counted(
    values: np.ndarray, metric: Metric, *, own: bool = False, most: float = LARGEST_VALUE
) -> np.ndarray:
    """What a scorer's values count in a metric, in its unit; NaN for nothing.

    Values beyond ``most``, whose sums would be no numbers, count nothing of their own, nor does
    one in percent that is neither 0 nor 1: it says nothing of yes or no.

    Args:
        values: shape (items,), NaN where a scorer has none; changed in place.
        metric: the metric.
        own: leave out what a convention counts items without a value as.
        most: see above.
    """
    source = source_of(metric)
    values[np.abs(values) > most] = np.nan
    if metric.unit == "percent":
        values[(values != 0) & (values != 1)] = np.nan
    if source.failed_as is not None and not own:
        values[np.isnan(values)] = source.failed_as
    return in_unit(values, metric)


def in_unit(values: np.ndarray, metric: Metric) -> np.ndarray:
    """A scorer's values as a metric counts them: scaled, and yes/no ones in percent."""
    return (100 if metric.unit == "percent" else 1) * source_of(metric).scale * values


def _scale_of(metric: Metric) -> tuple[float | None, float | None]:
    """The ends of a metric's scale, in its unit; ``None`` where it is open."""
    source = source_of(metric)
    low, high = (None if end is None else source.scale * end for end in (source.low, source.high))
    return (low, high) if source.scale >= 0 else (high, low)


def span_of(metric: Metric) -> float | None:
    """How far the ends of a metric's scale are apart, in its unit; ``None``: the scale is open."""
    source = source_of(metric)
    if metric.unit == "percent":
        return 100 * abs(source.scale)
    if source.low is None or source.high is None:
        return None
    return abs(source.scale) * (source.high - source.low)


def numbered(names: Iterable[str]) -> np.ndarray:
    """Numbers from 0 for names, in the order in which they first come; shape (names,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


@dataclass(frozen=True)
class Sums:
    """Values of metrics, summed by cluster.

    Attributes:
        totals: shape (clusters, metrics), sums of items' values.
        sizes: shape (clusters, metrics), items that count in the metric.
    """

    totals: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, clusters: np.ndarray) -> Sums:
        """Sum values, shape (items, metrics), NaN where an item does not count."""
        groups = int(clusters.max()) + 1 if len(clusters) else 0
        there = np.isfinite(values)
        filled = np.where(there, values, 0.0)
        totals = np.stack([np.bincount(clusters, column, groups) for column in filled.T], axis=1)
        sizes = np.stack(
            [np.bincount(clusters, column.astype(float), groups) for column in there.T], axis=1
        )
        return cls(totals, sizes)

    @property
    def means(self) -> np.ndarray:
        """Means over items, shape (metrics,); NaN where no item counts."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.totals.sum(0) / self.sizes.sum(0))

    @property
    def clusters(self) -> np.ndarray:
        """Clusters that have an item in each metric, shape (metrics,)."""
        return np.asarray((self.sizes > 0).sum(0))

    def errors(self) -> np.ndarray:
        """Cluster-robust standard errors, shape (metrics,); not finite with fewer than 2 clusters.

        The linearised one of a ratio (sum of cluster sums over sum of cluster sizes) with the
        factor G/(G-1), G being the number of clusters (Cameron and Miller 2015, "A Practitioner's
        Guide to Cluster-Robust Inference").
        """
        residuals = self.totals - self.means * self.sizes
        groups = self.clusters
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.sqrt(groups / (groups - 1))
            return np.asarray(factor * np.sqrt((residuals**2).sum(0)) / self.sizes.sum(0))


def quantile(probability: float, clusters: float) -> float:
    """Quantile of Student's t with one degree of freedom fewer than there are clusters.

    By scipy's special function, which is far cheaper than scipy.stats.
    """
    from scipy.special import stdtrit

    return float(stdtrit(clusters - 1, probability))


def t_interval(value: float, error: float, clusters: int, level: float = LEVEL) -> Interval | None:
    """Student's t interval with clusters - 1 degrees of freedom; ``None`` with one cluster."""
    if clusters < 2 or not math.isfinite(error):
        return None
    half = quantile((1 + level) / 2, clusters) * error
    return Interval(value - half, value + half, level, "t")


def t_p(estimate: Estimate) -> float | None:
    """Two-sided p of the t test over clusters that a mean is 0; ``None`` with fewer than two.

    Where nothing varies it is 1 for a mean of 0 and 0 for any other, as rounding would make it.
    """
    value, error = estimate.value, estimate.standard_error
    if value is None or error is None:
        return None
    if error == 0:
        return 1.0 if value == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(estimate.clusters - 1, -abs(value / error)))


def mean_of(values: np.ndarray, clusters: np.ndarray) -> Estimate:
    """The mean of items with its cluster-robust standard error and Student's t interval.

    With singletons this is the classical t interval.

    Args:
        values: shape (items,); NaN where an item does not count.
        clusters: shape (items,), numbers from 0.
    """
    there = np.isfinite(values)
    n, failed = int(there.sum()), int((~there).sum())
    if not n:
        return Estimate(n_failed=failed)
    middle = float(values[there].mean())
    sums = Sums.of((values - middle)[:, None], clusters)  # so that large values lose no digits
    error, groups = float(sums.errors()[0]), int(sums.clusters[0])
    return Estimate(
        value=middle,
        standard_error=error if groups > 1 else None,
        interval=t_interval(middle, error, groups),
        n=n,
        clusters=groups,
        n_failed=failed,
    )


def share_of(hits: np.ndarray, clusters: np.ndarray) -> Estimate:
    """A share in percent with its Wilson interval.

    The number of trials is divided by the design effect (the clustered variance over the
    binomial one, at least 1), so correlated items widen the interval. Unlike a t interval it
    stays inside [0, 100] and does not collapse at 0 or 100 (Wilson 1927).

    Args:
        hits: shape (items,), 0 or 1; NaN where an item does not count.
        clusters: shape (items,), numbers from 0.
    """
    plain = mean_of(hits, clusters)
    share, error, n = plain.value, plain.standard_error, float(plain.n)
    made: Estimate = msgspec.structs.replace(
        plain, value=None if share is None else 100 * share,
        standard_error=None if error is None else 100 * error, interval=None,
    )  # fmt: skip
    if share is None or error is None:
        return made
    binomial = share * (1 - share) / n
    if binomial > 0 and plain.clusters < plain.n:
        n /= max(1.0, error**2 / binomial * (n - 1) / n)
    else:
        n = float(plain.clusters)  # all alike: count each cluster once, the cautious reading
    z = 1.959963984540054
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share == 0 else 100 * (centre - half)  # exactly, not but for rounding
    high = 100.0 if share == 1 else 100 * (centre + half)
    wilson: Estimate = msgspec.structs.replace(made, interval=Interval(low, high, LEVEL, "wilson"))
    return wilson


def estimate_of(values: np.ndarray, clusters: np.ndarray, metric: Metric) -> Estimate:
    """A metric of one run from its items: a share where they are yes or no, else a mean.

    Over few clusters a t interval can pass the ends of the metric's scale, where no mean can
    lie; it is cut there.

    Args:
        values: shape (items,), as ``item_values`` gives them.
        clusters: shape (items,), numbers from 0.
        metric: which metric.
    """
    if metric.unit != "percent":
        return inside(mean_of(values, clusters), values, *_scale_of(metric))
    scale = source_of(metric).scale
    return times(share_of(values / (100 * scale), clusters), scale)


def inside(
    estimate: Estimate, values: np.ndarray, low: float | None, high: float | None
) -> Estimate:
    """A mean with its interval cut at the ends of a scale, where these are stated.

    What items count goes before what is stated: a convention may count a failed answer as less
    than the worst score there is.

    Args:
        estimate: of the mean.
        values: of the items; NaN where one does not count.
        low: the least that there is, in the same unit; ``None`` where the scale is open.
        high: the most.
    """
    ends = estimate.interval
    if ends is None:
        return estimate
    there = values[np.isfinite(values)]
    least = -math.inf if low is None else min(low, float(there.min()))
    most = math.inf if high is None else max(high, float(there.max()))
    cut = msgspec.structs.replace(ends, low=max(ends.low, least), high=min(ends.high, most))
    made: Estimate = msgspec.structs.replace(estimate, interval=cut)
    return made


def times(estimate: Estimate, factor: float) -> Estimate:
    """An estimate in another unit; a factor below 0 turns its direction."""
    ends = estimate.interval
    if ends is not None:
        low, high = sorted((factor * ends.low, factor * ends.high))
        ends = msgspec.structs.replace(ends, low=low, high=high)
    value, error = estimate.value, estimate.standard_error
    made: Estimate = msgspec.structs.replace(
        estimate,
        value=None if value is None else factor * value,
        standard_error=None if error is None else abs(factor) * error,
        interval=ends,
    )
    return made
