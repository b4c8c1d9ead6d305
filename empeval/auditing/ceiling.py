"""How far raters agree with each other: what a scorer could reach, and what one rater does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from empeval.auditing.ranking import Levels, estimate, interval_estimate, spearman
from empeval.auditing.rated import RatedReply
from empeval.certificates import KnownEstimate

LEAST = 20
"""Replies with two raters or more that it takes."""

KIND = (
    "the highest correlation with the raters' mean that their agreement allows: the root of its "
    "reliability (Spearman-Brown from the Spearman between two raters of a reply)"
)
NO_RATERS = "one rater a reply, or raters not told apart: no ceiling can be had"
DISAGREE = "raters do not agree with each other: no ceiling can be had"


def ceiling(
    replies: Sequence[RatedReply], dimension: str, clusters: np.ndarray
) -> tuple[KnownEstimate | None, KnownEstimate | None, np.ndarray | None, str]:
    """The raters' ceiling, and one rater's own Spearman against the mean of the others.

    Args:
        replies: rated.
        dimension: which rating.
        clusters: of the replies.

    Returns:
        The ceiling, the rater's estimate, the ceiling's resamples (``ranking.estimate``'s draws, so
        that a share of it can be resampled together with a scorer), and what it is or why not.
    """
    pairs: list[tuple[float, float, int]] = []
    others: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    sizes = []
    for reply, cluster in zip(replies, clusters.tolist(), strict=True):
        said = reply.ratings.get(dimension, ())
        if len(said) < 2 or any(r.rater is None for r in said):
            continue
        sizes.append(len(said))
        total = sum(r.value for r in said)
        for index, one in enumerate(said):
            others[str(one.rater)].append(
                (one.value, (total - one.value) / (len(said) - 1), cluster)
            )
            pairs += [
                (one.value, other.value, cluster) for k, other in enumerate(said) if k != index
            ]
    if len(sizes) < LEAST:
        return None, None, None, NO_RATERS
    a, b, own = (np.array(column) for column in zip(*pairs, strict=True))
    first, second = Levels(a), Levels(b)
    own = own.astype(int)
    mean_raters = len(sizes) / sum(1 / size for size in sizes)

    def reach(_: np.ndarray, sums: np.ndarray) -> np.ndarray:
        single = spearman(first, second, sums[:, own])
        mean = mean_raters * single / (1 + (mean_raters - 1) * single)
        return np.sqrt(np.where(mean > 0, mean, np.nan))[:, None]

    columns = [
        (Levels(x), Levels(y), c.astype(int), len(x))
        for rows in others.values()
        if len(rows) >= LEAST
        for x, y, c in [np.array(rows).T]
    ]

    def rater(_: np.ndarray, sums: np.ndarray) -> np.ndarray:
        every = np.stack([spearman(x, y, sums[:, c]) for x, y, c, _ in columns])
        size = np.array([n for *_, n in columns], dtype=float)[:, None] * np.isfinite(every)
        return np.asarray((np.nansum(every * size, 0) / size.sum(0))[:, None])

    facts = {"n": len(sizes), "clusters": len(set(own.tolist()))}
    value, draws = estimate(reach, clusters)
    best = interval_estimate(value[0], draws[:, 0], **facts)
    one_rater = None
    if columns:
        mean, spread = estimate(rater, clusters)
        one_rater = interval_estimate(mean[0], spread[:, 0], **facts)
    if best is None:
        return None, one_rater, None, DISAGREE
    return best, one_rater, draws[:, 0], KIND
