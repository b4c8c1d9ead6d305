"""Rank statistics of many resamples at once: a resample is how often each reply counts.

Replies of a dialogue are no independent ones, so dialogues are drawn, with all of their replies.
Every statistic is a function of weights, shape (resamples, replies), and two scorers under the same
weights are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from empeval.certificates import KnownEstimate
from empeval.records import Interval

RESAMPLES = 1000
SEED = 20
FEW = 10
"""With fewer dialogues a percentile interval says nothing, and there is none."""

_BLOCK = 1 << 20

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Weights of replies, shape (b, replies), and of clusters, (b, clusters) -> (b, estimates)."""


def estimate(
    statistic: Statistic, clusters: np.ndarray, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of the replies as they are, and of resamples of their clusters.

    Args:
        statistic: of weights.
        clusters: of the replies, shape (replies,), from 0 on without gaps.
        resamples: how many.
        seed: of the draws; the same seed draws the same clusters.

    Returns:
        Shapes (estimates,) and (resamples, estimates).
    """
    groups = int(clusters.max()) + 1
    ones = np.ones((1, groups))
    dice = np.random.default_rng(seed)
    rows = max(1, min(resamples, _BLOCK // len(clusters)))
    draws = []
    # estimates that cannot be had (constant replies in a resample) are NaN, and sorted out later
    with threadpool_limits(1, "blas"), np.errstate(invalid="ignore", divide="ignore"):
        point = statistic(ones[:, clusters], ones)[0]
        for start in range(0, resamples, rows):
            count = min(rows, resamples - start)
            weights = dice.multinomial(groups, np.full(groups, 1 / groups), count).astype(float)
            draws.append(statistic(weights[:, clusters], weights))
    return point, np.concatenate(draws)


def interval_estimate(
    value: float, draws: np.ndarray, *, n: int, clusters: int, n_failed: int = 0
) -> KnownEstimate | None:
    """An estimate with its resamples' standard error and percentile interval.

    ``None`` where it is no number.

    Args:
        value: the estimate.
        draws: shape (resamples,).
        n: replies or pairs that it rests on.
        clusters: dialogues that these come from.
        n_failed: replies left out.
    """
    if not np.isfinite(value):
        return None
    finite = draws[np.isfinite(draws)]
    ends = error = None
    if clusters >= FEW and len(finite) >= len(draws) / 2:
        low, high = np.quantile(finite, [0.025, 0.975])
        ends = Interval(round(float(low), 6), round(float(high), 6))
        error = round(float(finite.std(ddof=1)), 6)
    return KnownEstimate(
        value=round(float(value), 6),
        standard_error=error,
        interval=ends,
        n=n,
        clusters=clusters,
        n_failed=n_failed,
    )


class Levels:
    """Values as levels from the lowest to the highest, so that ranks under weights are cheap."""

    def __init__(self, values: np.ndarray) -> None:
        self.distinct, self.level = np.unique(values, return_inverse=True)
        self._order = np.argsort(self.level, kind="stable")
        self._starts = np.searchsorted(self.level[self._order], np.arange(len(self.distinct)))

    def totals(self, weights: np.ndarray) -> np.ndarray:
        """Weight of each level, shape (b, levels)."""
        return np.asarray(np.add.reduceat(weights[:, self._order], self._starts, axis=1))

    def ranks(self, weights: np.ndarray) -> np.ndarray:
        """Mid-ranks, up to a constant, shape (b, replies)."""
        totals = self.totals(weights)
        middles = np.cumsum(totals, axis=1) - totals / 2
        return np.asarray(middles[:, self.level])

    def tied(self, weights: np.ndarray) -> np.ndarray:
        """Ordered pairs of the same level, each reply with itself too, shape (b,)."""
        return np.asarray((self.totals(weights) ** 2).sum(1))


def correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation under weights, all of shape (b, replies) -> (b,)."""
    total = weights.sum(1, keepdims=True)
    a = a - (weights * a).sum(1, keepdims=True) / total
    b = b - (weights * b).sum(1, keepdims=True) / total
    shared = (weights * a * b).sum(1)
    spread = (weights * a * a).sum(1) * (weights * b * b).sum(1)
    # rounding leaves a trace of spread where nothing varies
    floor = 1e-18 * total[:, 0] ** 6 + 1e-300
    return np.where(spread > floor, shared / np.sqrt(spread), np.nan)


def spearman(a: Levels, b: Levels, weights: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation with mid-ranks, shape (b,)."""
    return correlation(a.ranks(weights), b.ranks(weights), weights)


class Pairs:
    """Sums over pairs of replies, kept by pairs of clusters.

    Args:
        scores, ratings: shape (replies,).
        clusters: shape (replies,).
        groups: only pairs of the same group count, where given; shape (replies,), -1 is no group.
        apart: only pairs of different clusters count.
    """

    def __init__(
        self,
        scores: np.ndarray,
        ratings: np.ndarray,
        clusters: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        apart: bool = False,
    ) -> None:
        order = np.argsort(clusters, kind="stable")
        x, y, c = scores[order], ratings[order], clusters[order]
        g = None if groups is None else groups[order]
        count = int(c.max()) + 1
        starts = np.searchsorted(c, np.arange(count))
        self._agree = np.zeros((count, count), dtype=np.float32)
        self._decided = np.zeros((count, count), dtype=np.float32)
        rows = max(1, (1 << 22) // len(x))
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            sign = np.sign(y[part, None] - y[None]).astype(np.float32)
            if g is not None:
                sign *= (g[part, None] == g[None]) & (g[part, None] >= 0)
            product = sign * np.sign(x[part, None] - x[None]).astype(np.float32)
            np.add.at(self._agree, c[part], np.add.reduceat(product, starts, axis=1))
            np.add.at(self._decided, c[part], np.add.reduceat(np.abs(sign), starts, axis=1))
        if apart:
            np.fill_diagonal(self._agree, 0)
            np.fill_diagonal(self._decided, 0)

    @property
    def count(self) -> int:
        """Unordered pairs that people do not tie."""
        return round(float(self._decided.sum(dtype=float)) / 2)

    def agreeing(self, weights: np.ndarray) -> np.ndarray:
        """Concordant less discordant ordered pairs, by weights of clusters (b, clusters)."""
        narrow = weights.astype(np.float32)
        return np.asarray(((narrow @ self._agree) * narrow).sum(1, dtype=float))

    def share(self, weights: np.ndarray) -> np.ndarray:
        """Share of untied pairs that are ordered as people order them, ties of scores half."""
        narrow = weights.astype(np.float32)
        decided = ((narrow @ self._decided) * narrow).sum(1, dtype=float)
        return np.asarray((1 + self.agreeing(weights) / decided) / 2)


def kendall(
    pairs: Pairs, a: Levels, b: Levels, weights: np.ndarray, sums: np.ndarray
) -> np.ndarray:
    """Kendall's tau-b, shape (b,).

    Args:
        pairs: of all replies, none left out.
        a: scores.
        b: ratings.
        weights: of replies.
        sums: of clusters.
    """
    total = weights.sum(1) ** 2
    untied = (total - a.tied(weights)) * (total - b.tied(weights))
    return np.asarray(pairs.agreeing(sums) / np.sqrt(untied))


def within(
    scores: np.ndarray, ratings: np.ndarray, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs inside of each cluster: ordered rightly (ties of scores half), and untied by people.

    Returns:
        Two of shape (clusters,); a resample's share is the ratio of their weighted sums.
    """
    count = int(clusters.max()) + 1
    right, decided = np.zeros(count), np.zeros(count)
    order = np.argsort(clusters, kind="stable")
    bounds = np.searchsorted(clusters[order], np.arange(count + 1))
    for one in range(count):
        own = order[bounds[one] : bounds[one + 1]]
        if len(own) > 1:
            first, second = np.triu_indices(len(own), 1)
            sign = np.sign(ratings[own][first] - ratings[own][second])
            product = sign * np.sign(scores[own][first] - scores[own][second])
            decided[one] = np.abs(sign).sum()
            right[one] = (product > 0).sum() + 0.5 * ((product == 0) & (sign != 0)).sum()
    return right, decided


def quadratic_kappa(scores: Levels, ratings: Levels, weights: np.ndarray) -> np.ndarray:
    """Quadratic weighted kappa of scores cut into levels as frequent as the ratings', shape (b,).

    A score gets the level that stands at its mid-rank among the sorted ratings, so that scores on
    any scale can be compared; distances are those of the ratings' own numbers (Cohen 1968).
    """
    totals = ratings.totals(weights)
    edges = np.cumsum(totals, axis=1)
    middles = np.cumsum(scores.totals(weights), axis=1) - scores.totals(weights) / 2
    level = (middles[:, :, None] >= edges[:, None, :-1]).sum(2)
    x = ratings.distinct[level][:, scores.level]
    y = ratings.distinct[ratings.level][None]
    total = weights.sum(1)
    seen = (weights * (x - y) ** 2).sum(1) / total
    mean_x, mean_y = (weights * x).sum(1) / total, (weights * y).sum(1) / total
    spread = (weights * (x - mean_x[:, None]) ** 2 + weights * (y - mean_y[:, None]) ** 2).sum(1)
    expected = spread / total + (mean_x - mean_y) ** 2
    return np.asarray(1 - seen / expected)
