"""How far one value of a scorer agrees with one thing that people rated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from empeval.auditing.ceiling import ceiling
from empeval.auditing.gathering import Gathered
from empeval.auditing.ranking import (
    Levels,
    Pairs,
    estimate,
    interval_estimate,
    kendall,
    quadratic_kappa,
    spearman,
    within,
)
from empeval.auditing.rated import Dimension, RatedReply
from empeval.certificates import Agreement, KnownEstimate
from empeval.errors import counted

FEWEST = 3
SMALL = 20
MOST_LEVELS = 11
MOST_PAIRS = 6_000
"""With more replies, the statistics over all pairs are left out; the others say as much."""

SYSTEM_LEAST = 20
"""Replies of a system that it takes to compare its mean."""


def agreement(
    gathered: Gathered,
    dimension: Dimension,
    replies: Sequence[RatedReply],
    scores: np.ndarray,
    value: str,
    rivals: Mapping[str, np.ndarray],
) -> tuple[Agreement | None, str]:
    """Every statistic of agreement, with intervals over dialogues.

    Args:
        gathered: the rated set.
        dimension: which rating.
        replies: those that have this rating.
        scores: shape (replies,), NaN where the scorer gave none, higher is better.
        value: the name of the scorer's value.
        rivals: name -> shape (replies,).

    Returns:
        The agreement; or ``None`` and the reason why none can be had.
    """
    where = f"{gathered.rated.name} {dimension.name}"
    there = np.flatnonzero(np.isfinite(scores))
    failed = len(scores) - len(there)
    if len(there) < FEWEST:
        return None, f"{where}: {len(there)} of {len(scores)} replies got a score; no agreement"
    replies = [replies[i] for i in there.tolist()]
    x, y = scores[there], np.array([reply.mean(dimension.name) for reply in replies], dtype=float)
    if np.ptp(y) == 0:
        return None, f"{where}: all {len(y)} ratings are {y[0]:g}; nothing to agree with"
    if np.ptp(x) == 0:
        return None, f"{where}: all {len(x)} scores are {x[0]:g}; they order nothing"
    names, clusters = np.unique([reply.dialogue for reply in replies], return_inverse=True)
    facts = {"n": len(x), "clusters": len(names), "n_failed": failed}
    notes = list(gathered.rated.notes)
    if len(x) < SMALL:
        notes.append(f"only {counted(len(x), 'reply', 'replies')}: too few to say much")
    if failed:
        notes.append(f"{failed} of {len(scores)} replies got no score and are left out")
    a, b = Levels(x), Levels(y)
    if len(x) > MOST_PAIRS:
        notes.append(f"over {MOST_PAIRS:,} replies: tau-b and pairs of a system are left out")
    right, decided = within(x, y, clusters)

    def basic(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
        columns = [spearman(a, b, weights), (sums @ right) / (sums @ decided)]
        if len(b.distinct) <= MOST_LEVELS:
            columns.append(quadratic_kappa(a, b, weights))
        return np.stack(columns, axis=1)

    point, draws = estimate(basic, clusters)
    rho = interval_estimate(point[0], draws[:, 0], **facts)
    assert rho is not None  # noqa: S101 - both vary
    kappa = (
        interval_estimate(point[2], draws[:, 2], **facts)
        if len(b.distinct) <= MOST_LEVELS
        else None
    )
    inside = {"n": int(decided.sum()), "clusters": int((decided > 0).sum()), "n_failed": failed}
    best, rater, reach, kind = ceiling(replies, dimension.name, clusters)
    share = None
    if best is not None and reach is not None:
        share = interval_estimate(rho.value / best.value, draws[:, 0] / reach, **facts)
    against: dict[str, KnownEstimate] = {}
    against_pairs: dict[str, KnownEstimate] = {}
    own: dict[str, KnownEstimate] = {}
    for name, other in rivals.items():
        if (found := _against(x, y, other[there], clusters, failed)) is not None:
            own[name], against[name], pairs = found
            if pairs is not None:
                against_pairs[name] = pairs
    tau, same_system = _all_pairs(x, y, a, b, clusters, replies, facts)
    systems, told = _systems(x, y, clusters, replies, failed)
    return Agreement(
        rated_set=gathered.rated.name,
        dimension=dimension.name,
        value=value,
        part=gathered.part,
        low=dimension.low,
        high=dimension.high,
        spearman=rho,
        kendall=tau,
        pairs_within_dialogue=interval_estimate(point[1], draws[:, 1], **inside),
        pairs_within_system=same_system,
        between_systems=systems,
        quadratic_kappa=kappa,
        ceiling=best,
        ceiling_kind=kind,
        one_rater=rater,
        share_of_ceiling=share,
        against=against,
        against_pairs=against_pairs,
        rivals=own,
        **_lengths(a, b, rivals["length"][there], clusters, facts),
        license=gathered.rated.license,
        source=gathered.rated.source,
        notes=(*notes, *told),
    ), ""


def _against(
    x: np.ndarray, y: np.ndarray, other: np.ndarray, clusters: np.ndarray, failed: int
) -> tuple[KnownEstimate, KnownEstimate, KnownEstimate | None] | None:
    """A rival's Spearman, the scorer's less that, and the same of pairs; on the rows of both."""
    rows = np.flatnonzero(np.isfinite(other))
    if len(rows) < FEWEST or np.ptp(other[rows]) == 0:
        return None
    x, y, other = x[rows], y[rows], other[rows]
    names, clusters = np.unique(clusters[rows], return_inverse=True)
    a, b, c = Levels(x), Levels(y), Levels(other)
    right, decided = within(x, y, clusters)
    theirs, _ = within(other, y, clusters)

    def paired(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
        ours, rivals = spearman(a, b, weights), spearman(c, b, weights)
        pairs = (sums @ (right - theirs)) / (sums @ decided)
        return np.stack([rivals, ours - rivals, pairs], axis=1)

    point, draws = estimate(paired, clusters)
    facts = {"n": len(x), "clusters": len(names), "n_failed": failed}
    inside = {"n": int(decided.sum()), "clusters": int((decided > 0).sum()), "n_failed": failed}
    rho = interval_estimate(point[0], draws[:, 0], **facts)
    difference = interval_estimate(point[1], draws[:, 1], **facts)
    if rho is None or difference is None:
        return None
    return rho, difference, interval_estimate(point[2], draws[:, 2], **inside)


def _lengths(
    a: Levels, b: Levels, lengths: np.ndarray, clusters: np.ndarray, facts: Mapping[str, int]
) -> dict[str, KnownEstimate | None]:
    """Spearman of scores and of ratings with words, and the first less the second."""
    names = ("length", "length_raters", "length_excess")
    if np.ptp(lengths) == 0:
        return dict.fromkeys(names)
    c = Levels(lengths)

    def both(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        scores, ratings = spearman(a, c, weights), spearman(b, c, weights)
        return np.stack([scores, ratings, scores - ratings], axis=1)

    point, draws = estimate(both, clusters)
    return {name: interval_estimate(point[k], draws[:, k], **facts) for k, name in enumerate(names)}


def _all_pairs(
    x: np.ndarray,
    y: np.ndarray,
    a: Levels,
    b: Levels,
    clusters: np.ndarray,
    replies: Sequence[RatedReply],
    facts: Mapping[str, int],
) -> tuple[KnownEstimate | None, KnownEstimate | None]:
    """Kendall's tau-b, and pairs of one system's replies to different dialogues."""
    if len(x) > MOST_PAIRS:
        return None, None
    every = Pairs(x, y, clusters)
    point, draws = estimate(
        lambda weights, sums: kendall(every, a, b, weights, sums)[:, None], clusters
    )
    tau = interval_estimate(point[0], draws[:, 0], **facts)
    systems = sorted({reply.system for reply in replies if reply.system})
    if len(systems) < 2:
        return tau, None
    groups = np.array([systems.index(r.system) if r.system else -1 for r in replies])
    same = Pairs(x, y, clusters, groups=groups, apart=True)
    if not same.count:
        return tau, None
    point, draws = estimate(lambda _, sums: same.share(sums)[:, None], clusters)
    return tau, interval_estimate(point[0], draws[:, 0], **{**facts, "n": same.count})


def _systems(
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray,
    replies: Sequence[RatedReply],
    failed: int,
) -> tuple[KnownEstimate | None, tuple[str, ...]]:
    """Share of pairs of systems whose means the scorer orders as people do, and the means."""
    names = [reply.system or "" for reply in replies]
    systems = [s for s in sorted(set(names)) if s and names.count(s) >= SYSTEM_LEAST]
    if len(systems) < 2:
        return None, ()
    members = [np.array([name == system for name in names]) for system in systems]

    def means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.stack([weights[:, p] @ values[p] / weights[:, p].sum(1) for p in members], axis=1)

    def ordered(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        mine, theirs = means(x, weights), means(y, weights)
        first, second = np.triu_indices(len(systems), 1)
        # between floats of equal replies there is no order
        people = np.sign(np.round(theirs[:, first] - theirs[:, second], 9))
        product = people * np.sign(np.round(mine[:, first] - mine[:, second], 9))
        return np.asarray(((people != 0) * (1 + product) / 2).sum(1) / (people != 0).sum(1))[
            :, None
        ]

    point, draws = estimate(ordered, clusters)
    rated, scored = (
        ", ".join(f"{s} {v[p].mean():.2f}" for s, p in zip(systems, members, strict=True))
        for v in (y, x)
    )
    pairs = len(systems) * (len(systems) - 1) // 2
    facts = {"n": pairs, "clusters": int(clusters.max()) + 1, "n_failed": failed}
    return interval_estimate(point[0], draws[:, 0], **facts), (
        f"mean rating by system: {rated}; mean score: {scored}",
    )
