"""Resampling of clusters, for many metrics at once: intervals and sign-flip tests.

A metric's difference is ``sum of a cluster's item differences over all clusters / number of
items``. Both kinds of resampling need the clusters' sums and sizes alone, so a hundred thousand
items and ten thousand resamples are a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from empeval.estimates import Sums

RESAMPLES = 10_000
FEWEST_RESAMPLES = 100
MOST_RESAMPLES = 1_000_000
"""More show nothing that these do not, and take hours."""
FEW = 10
"""With fewer clusters the studentised bootstrap is unstable, and Student's t stands alone."""

MANY = 4096
"""With more clusters, weights are drawn from a Poisson distribution of mean 1 instead of drawing
exactly as many clusters as there are (Hanley and MacGibbon 2006)."""

LEVELS = (0.95, 0.9)
"""Of the intervals that verdicts are read off: the second is that of two one-sided tests at 5 %."""

_BLOCK = 1 << 22
"""Weights that are held at once by a thread."""
_THREADS = 2


def bootstrap_t(
    sums: Sums,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    levels: tuple[float, ...] = LEVELS,
) -> tuple[np.ndarray, np.ndarray]:
    """Studentised bootstrap over clusters (Efron and Tibshirani 1993, ch. 12): intervals and p.

    p is two-sided with equal tails, so that it is below 0.05 where the 95 % interval leaves out 0.

    Args:
        sums: of the metrics.
        resamples: how many.
        seed: of the draws.
        levels: of the intervals.

    Returns:
        Shapes (metrics, levels, 2) and (metrics,); NaN where a metric has fewer than ``FEW``
        clusters or where nothing varies.
    """
    result = np.full((sums.totals.shape[1], len(levels), 2), np.nan)
    p = np.full(sums.totals.shape[1], np.nan)
    errors = sums.errors()
    usable = np.flatnonzero((sums.clusters >= FEW) & (errors > 0) & np.isfinite(errors))
    if not len(usable):
        return result, p
    totals, sizes = sums.totals[:, usable], sums.sizes[:, usable]
    means, errors = sums.means[usable], errors[usable]
    groups = sums.clusters[usable]
    columns = np.concatenate([totals, sizes, totals**2, totals * sizes, sizes**2], axis=1)

    def studentised(weights: np.ndarray) -> np.ndarray:
        product = weights @ columns.astype(np.float32 if len(columns) > MANY else float)
        total, size, squares, mixed, square_sizes = np.split(product.astype(float), 5, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / size
            spread = squares - 2 * mean * mixed + mean**2 * square_sizes
            error = np.sqrt(groups / (groups - 1) * np.maximum(spread, 0)) / size
            return np.asarray((mean - means) / error)

    scores = np.concatenate(_blocks(len(totals), resamples, seed, _weights, studentised))
    for index, column in enumerate(usable):
        own = scores[:, index]
        own = own[np.isfinite(own)]
        if len(own) >= resamples / 2:
            ends = np.quantile(own, [[(1 + x) / 2 for x in levels], [(1 - x) / 2 for x in levels]])
            result[column] = means[index] - ends.T * errors[index]
            seen = means[index] / errors[index]
            tail = min((own >= seen).sum(), (own <= seen).sum())
            p[column] = min(1.0, 2 * (1 + tail) / (1 + len(own)))
    return result, p


def sign_flips(sums: Sums, *, resamples: int = RESAMPLES, seed: int = 1) -> np.ndarray:
    """Two-sided p of the null that a cluster's difference is as likely to have the other sign.

    All sign patterns are counted when there are no more than ``resamples`` of them; otherwise so
    many are drawn, and the observed one counts as one more.

    Args:
        sums: of the metrics.
        resamples: how many patterns.
        seed: of the draws.

    Returns:
        Shape (metrics,), in (0, 1].
    """
    totals = sums.totals
    groups = len(totals)
    observed = np.abs(totals.sum(0))
    slack = 1e-9 * np.abs(totals).sum(0) + 1e-300
    if 2**groups <= resamples:
        patterns = (np.arange(2**groups)[:, None] >> np.arange(groups)) & 1
        statistics = np.abs((1.0 - 2.0 * patterns) @ totals)
        return np.asarray((statistics >= observed - slack).mean(0))
    narrow = totals.astype(np.float32) if groups > MANY else totals
    # float32 sums of many clusters are off by a little; that must not decide a tie
    loose = slack + (1e-5 * np.sqrt((totals**2).sum(0)) if groups > MANY else 0.0)

    def extreme(signs: np.ndarray) -> np.ndarray:
        return np.asarray((np.abs(signs @ narrow) >= observed - loose).sum(0, keepdims=True))

    counts = sum(_blocks(groups, resamples, seed, _signs, extreme))
    return np.asarray((1 + np.asarray(counts)[0]) / (1 + resamples))


def _blocks(
    groups: int,
    resamples: int,
    seed: int,
    draw: Callable[[Any, int, int], np.ndarray],
    use: Callable[[np.ndarray], np.ndarray],
) -> list[np.ndarray]:
    """What ``use`` makes of blocks of drawn rows, in order; the same on any number of threads."""
    rows = max(1, min(resamples, _BLOCK // groups))
    starts = range(0, resamples, rows)
    seeds = np.random.SeedSequence(seed).spawn(len(starts))

    def block(number: int) -> np.ndarray:
        count = min(rows, resamples - starts[number])
        return use(draw(np.random.Generator(np.random.SFC64(seeds[number])), count, groups))

    # The products' own threads would only compete with these.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(block, range(len(starts))))


def _weights(dice: np.random.Generator, rows: int, groups: int) -> np.ndarray:
    """How often each cluster is drawn, shape (rows, clusters)."""
    if groups > MANY:
        bits = np.frombuffer(dice.bytes(2 * rows * groups), dtype=np.uint16)
        return np.asarray(_POISSON[bits].reshape(rows, groups))
    drawn = dice.integers(0, groups, size=(rows, groups))
    drawn += groups * np.arange(rows)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=rows * groups)
    return counts.reshape(rows, groups).astype(float)


def _signs(dice: np.random.Generator, rows: int, groups: int) -> np.ndarray:
    """Plus or minus one, shape (rows, clusters)."""
    count = rows * groups
    bits = np.unpackbits(np.frombuffer(dice.bytes((count + 7) // 8), dtype=np.uint8))[:count]
    table = _SIGNS.astype(np.float32 if groups > MANY else np.float64)
    return np.asarray(table[bits].reshape(rows, groups))


def _poisson_table() -> np.ndarray:
    """Poisson(1) counts by 16 random bits, as float32: its quantile function at 65,536 points."""
    from math import exp, factorial

    steps = np.cumsum([exp(-1) / factorial(k) for k in range(12)])
    return np.searchsorted(steps, (np.arange(65536) + 0.5) / 65536).astype(np.float32)


_POISSON = _poisson_table()
_SIGNS = np.array([1.0, -1.0])
