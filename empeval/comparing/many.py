"""Three or more runs: a matrix of pairs, ranks with intervals, groups that cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

import msgspec
import numpy as np

from empeval.comparing.adjusting import judged, told_apart
from empeval.comparing.estimating import estimate
from empeval.comparing.joined import RunFiles, notices_of, opened, remarks, shared_tasks
from empeval.comparing.metrics import Paired, headline_of, metrics_of, uncompared, words_of
from empeval.comparing.records import Difference, Moved
from empeval.comparing.resampling import RESAMPLES
from empeval.comparing.two import Margins, check_numbers, margins_of, problems_of
from empeval.comparing.unscored import MAX_UNSCORED
from empeval.errors import UsageError
from empeval.estimates import estimate_of, item_values, numbered
from empeval.marks import Marked, marks_of
from empeval.records import Estimate, Metric
from empeval.runs import Run

LEAST = 100
"""Resamples a pair at least: with fewer, no p stays under 0.05 when adjusted over all pairs."""


class Ranked(Moved, frozen=True, kw_only=True):
    """One run among many, by one metric.

    Attributes:
        run: its folder. model: its URI.
        estimate: its mean on the items that all runs share.
        rank: 1 is the best. rank_low, rank_high: from behind all runs that were found better to
            before all that were found worse; see ``ranks``.
        groups: letters; runs that share one could not be told apart.
    """

    MOVED: ClassVar[dict[str, str]] = {"mean": "estimate.value"}

    run: str
    model: str
    estimate: Estimate
    rank: int
    rank_low: int
    rank_high: int
    groups: str


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """Two of many runs.

    Attributes:
        base, candidate: folders; the base is the one that was named earlier.
        difference: between them.
    """

    base: str
    candidate: str
    difference: Difference


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs of runs by one headline metric.

    Attributes:
        task, scorer, metric, unit: which metric.
        ranking: the runs, best first.
        items: that were asked, by the manifest that says most.
        shared: items that all runs have a value for; everything here rests on them.
        pairs: every two of them; p is adjusted over all pairs.
    """

    task: str
    scorer: str
    metric: str
    unit: str
    ranking: list[Ranked]
    shared: int
    pairs: list[Pairing]
    items: int = 0


class ManyRuns(msgspec.Struct, frozen=True, kw_only=True):
    """What ``compare_many`` found: a matrix for each headline metric.

    ``audits`` is what each run folder says of its scorers' agreement with people.
    """

    schema: Literal[2] = 2
    matrices: list[Matrix]
    forced: list[str]
    remarks: list[str]
    audits: list[Marked] = []
    notices: list[str] = []

    def between(self, base: Run, candidate: Run) -> list[Difference]:
        """The differences of two runs, the first of which was named earlier."""
        names = str(base.path), str(candidate.path)
        return [
            pair.difference
            for matrix in self.matrices
            for pair in matrix.pairs
            if (pair.base, pair.candidate) == names
        ]


def compare_many(
    runs: Sequence[Run | RunFiles],
    *,
    margins: Margins | None = None,
    metrics: Sequence[str] | None = None,
    force: bool = False,
    partial: bool = False,
    max_unscored: float = MAX_UNSCORED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ManyRuns:
    """Compare every two of at least three runs by their headline metrics.

    Each table rests on one set of items, those of which every run has a value: means, ranks,
    letters and pairs.

    Args and errors as of ``two.compare``.
    """
    check_numbers(max_unscored, resamples, seed)
    files = [opened(run, partial) for run in runs]
    margin_of = margins_of(margins)
    forced: dict[str, None] = {}
    said: dict[str, None] = {}
    for pair in combinations(files, 2):
        forced |= dict.fromkeys(problems_of(*pair, force=force))
        said |= dict.fromkeys(remarks(*pair, shared_tasks(*pair)))
    matrices = []
    for own in _headlines(files, metrics):
        shared = _shared(files, own)
        found = estimate(
            shared.pairs,
            shared.clusters,
            set(range(len(shared.pairs))),
            margin_of,
            resamples=max(resamples, LEAST * len(shared.pairs)),
            seed=seed,
        )
        matrices.append(_matrix(files, own[0], shared, judged(found, max_unscored)))
    if not matrices:
        raise UsageError("The runs have no headline metric in common; name some with --metrics.")
    for one in files:
        one.require_same()
    return ManyRuns(
        matrices=matrices,
        forced=list(forced),
        remarks=list(said),
        notices=notices_of(files),
        audits=[mark for one in files for mark in marks_of(one.run, {m.task for m in matrices})],
    )


def _headlines(
    files: Sequence[RunFiles], chosen: Sequence[str] | None
) -> Iterator[tuple[Metric, ...]]:
    """The headline metrics that every run has, each as each run has it."""
    first, *others = files
    for task in first.run.manifest.tasks:
        if all(task in one.run.manifest.tasks for one in others):
            every = metrics_of(files, task)
            for number in sorted(headline_of([own[0] for own in every], chosen)):
                yield every[number]


@dataclass(frozen=True)
class _Shared:
    """One metric on the items that all runs answered, and of these on those that count in all.

    ``values`` has shape (items, runs), ``clusters`` and ``counted`` (items,); ``pairs`` are every
    two runs, in the order in which they are named.
    """

    values: np.ndarray
    clusters: np.ndarray
    counted: np.ndarray
    pairs: list[Paired]


def _shared(files: Sequence[RunFiles], own: Sequence[Metric]) -> _Shared:
    """What runs share of a metric.

    Raises:
        UsageError: a run has no value of the metric, or they share no item that has.
    """
    task, name = own[0].task, own[0].metric
    hashes = [{i: a.item_hash for i, a in one.answers(task).items()} for one in files]
    ids = [i for i, own in hashes[0].items() if all(h.get(i) == own for h in hashes[1:])]
    words = [words_of(map(one.answers(task).__getitem__, ids)) for one in files]
    values = np.column_stack(
        [
            item_values(one.scores(task, metric.scorer), ids, metric)
            for one, metric in zip(files, own, strict=True)
        ]
    )
    for one, column in zip(files, values.T, strict=True):
        if ids and not np.isfinite(column).any():
            raise UsageError(
                f"No item of {task} has a value of {name} in {one.run.path}; leave it out."
            )
    counted = np.isfinite(values).all(1)
    if not counted.any():
        raise UsageError(f"No item of {task} has a value of {name} in every run.")
    items = [one.items(task) for one in files]
    unscored = [one.unscored(metric) for one, metric in zip(files, own, strict=True)]
    apart = [uncompared(one, metric, ids) for one, metric in zip(files, own, strict=True)]
    pairs = [
        Paired(
            own[a],
            values[:, a],
            values[:, b],
            words[b] - words[a],
            items=(items[a], items[b]),
            unscored=(unscored[a], unscored[b]),
            uncompared=(apart[a], apart[b]),
            counted=counted,
        )
        for a, b in combinations(range(len(files)), 2)
    ]
    clusters = numbered(files[0].answers(task)[i].item.cluster for i in ids)
    return _Shared(values, clusters, counted, pairs)


def _matrix(
    files: Sequence[RunFiles], metric: Metric, shared: _Shared, found: Sequence[Difference]
) -> Matrix:
    values, clusters = shared.values[shared.counted], shared.clusters[shared.counted]
    sign = -1 if metric.higher_is_better is False else 1
    order = [int(n) for n in np.argsort(-sign * values.mean(0), kind="stable")]
    index = {run: rank for rank, run in enumerate(order)}
    every = list(combinations(range(len(files)), 2))
    apart = closed(
        {
            (a, b) if index[a] < index[b] else (b, a)
            for (a, b), d in zip(every, found, strict=True)
            if told_apart(d)
        }
    )
    letters, reach = groups(order, apart), ranks(order, apart)
    return Matrix(
        task=metric.task,
        scorer=metric.scorer,
        metric=metric.metric,
        unit=metric.unit,
        ranking=[
            Ranked(
                run=str(files[n].run.path),
                model=files[n].run.manifest.model.title,
                estimate=estimate_of(values[:, n], clusters, metric),
                rank=rank + 1,
                rank_low=reach[n][0],
                rank_high=reach[n][1],
                groups=letters[n],
            )
            for rank, n in enumerate(order)
        ],
        shared=len(values),
        items=max(one.items(metric.task) for one in files),
        pairs=[
            Pairing(base=str(files[a].run.path), candidate=str(files[b].run.path), difference=d)
            for (a, b), d in zip(every, found, strict=True)
        ],
    )


def closed(better: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Pairs (better, worse) with those that follow: who beats one that beats a third beats it.

    That makes no error that is not among the pairs already, so their error rate stays.
    """
    found = set(better)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def ranks(order: Sequence[int], better: set[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """95 % intervals of ranks, of all runs at once: behind those found better, before those worse.

    The pairs are found with an error rate of 5 % over all of them together, so all intervals hold
    together 95 % of the time (Al Mohamad, Goeman and van Zwet 2022, "Simultaneous confidence
    intervals for ranks with application to ranking institutions"). They never contradict the
    letters, because these come from the same pairs: where two runs share none, the one found worse
    cannot have the better rank; where two share one, their intervals meet.

    Args:
        order: numbers of the runs.
        better: pairs (better, worse), see ``closed``.
    """
    return {
        run: (
            1 + sum(worse == run for _, worse in better),
            len(order) - sum(winner == run for winner, _ in better),
        )
        for run in order
    }


def groups(order: Sequence[int], apart: set[tuple[int, int]]) -> dict[int, str]:
    """Letters for runs: two share one if and only if they were not found different.

    Piepho's (2004) insert-and-absorb: one letter for all; each difference splits every letter
    that both runs have; a letter whose runs all have another one goes.

    Args:
        order: numbers of the runs, best first.
        apart: pairs of runs, in either order, that differ significantly.
    """
    sets = [frozenset(order)]
    for pair in sorted(apart):
        split = [part - {run} for part in sets if part.issuperset(pair) for run in pair]
        found = [part for part in sets if not part.issuperset(pair)] + split
        sets = [
            part for n, part in enumerate(found)
            if not any(part < other for other in found) and part not in found[:n]
        ]  # fmt: skip
    index = {run: number for number, run in enumerate(order)}
    ranked = sorted(sets, key=lambda part: sorted(index[run] for run in part))
    letters = dict.fromkeys(order, "")
    for number, members in enumerate(ranked):
        for run in members:
            letters[run] += chr(ord("a") + number) if number < 26 else f"({number + 1})"
    return letters
