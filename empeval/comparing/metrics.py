"""The metrics that two runs have, by item: what is compared, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from empeval.comparing.joined import Answer, Joined, RunFiles
from empeval.comparing.records import Difference
from empeval.estimates import item_values
from empeval.records import Metric


@dataclass(frozen=True)
class Paired:
    """One metric's item values in both runs, shape (items,) each; NaN where there is none.

    ``words`` has how many more the candidate's answer has, shape (items,). Of base and candidate,
    ``items`` counts all of a run's items, not the shared ones alone, ``unscored`` those without a
    value of their own, ``uncompared`` those with one that are not shared. Where more runs are
    compared, ``counted`` has the items of which all of them have a value, shape (items,).
    """

    metric: Metric
    base: np.ndarray
    candidate: np.ndarray
    words: np.ndarray
    items: tuple[int, int]
    unscored: tuple[int, int]
    uncompared: tuple[int, int] = (0, 0)
    counted: np.ndarray | None = None

    @property
    def differences(self) -> np.ndarray:
        """Candidate less base, shape (items,); NaN where one has no value."""
        change = np.asarray(self.candidate - self.base)
        return change if self.counted is None else np.where(self.counted, change, np.nan)


def paired_metrics(base: RunFiles, candidate: RunFiles, joined: Joined) -> list[Paired]:
    """The metrics that both runs have, in the base's order.

    A metric may come from another value in each run (EQ-Bench counts first or revised scores);
    each run's own source is used.
    """
    words = words_of(joined.candidate) - words_of(joined.base)
    files, task = (base, candidate), joined.task
    found = []
    for own in metrics_of(files, task):
        before, after = (
            item_values(one.scores(task, metric.scorer), joined.ids, metric)
            for one, metric in zip(files, own, strict=True)
        )
        found.append(
            Paired(
                own[0],
                before,
                after,
                words,
                items=(base.items(task), candidate.items(task)),
                unscored=(base.unscored(own[0]), candidate.unscored(own[1])),
                uncompared=(
                    uncompared(base, own[0], joined.ids),
                    uncompared(candidate, own[1], joined.ids),
                ),
            )
        )
    return found


def uncompared(files: RunFiles, metric: Metric, shared: Sequence[str]) -> int:
    """How many items of a run have a value of a metric and are not among the shared ones."""
    answers = files.answers(metric.task)
    if len(answers) == len(shared):
        return 0
    left = set(answers) - set(shared)
    return len(left) - files.lacking(metric, left)


def metrics_of(every: Sequence[RunFiles], task: str) -> list[tuple[Metric, ...]]:
    """The metrics of a task that every run has, in the first one's order: each as each run has it.

    A run whose scorer could not give a single metric counts as one without values: that its
    answers cannot be read is what is to be seen.
    """
    own = [files.metrics(task, valueless=True) for files in every]
    silent = [_silent(files, task) for files in every]
    keys = dict.fromkeys(key for metrics in own for key in metrics)
    found = []
    for key in keys:
        known = next(metrics[key] for metrics in own if key in metrics)
        columns = [
            metrics.get(key) or (known if key[0] in quiet else None)
            for metrics, quiet in zip(own, silent, strict=True)
        ]
        there = tuple(one for one in columns if one is not None)
        if len(there) == len(every):
            found.append(there)
    return found


def _silent(files: RunFiles, task: str) -> set[str]:
    """The scorers that have no value of any metric of a task."""
    known = {m.scorer for m in files.run.metrics() if m.task == task and m.value is not None}
    return set(files.run.manifest.scorers.get(task, {})) - known


def with_values(pairs: Sequence[Paired], chosen: Sequence[str] | None) -> list[Paired]:
    """The metrics of which either run has a value, and those that are asked for by name."""
    names = set(chosen or ())
    return [
        pair
        for pair in pairs
        if names_of(pair.metric) & names
        or np.isfinite(pair.base).any()
        or np.isfinite(pair.candidate).any()
    ]


def headline_of(metrics: Sequence[Metric], chosen: Sequence[str] | None) -> set[int]:
    """Which metrics are headlines: those named, or else the first of the task's first scorer.

    A name is ``metric``, ``scorer.metric`` or ``task.scorer.metric``.
    """
    if chosen is not None:
        return {n for n, metric in enumerate(metrics) if names_of(metric) & set(chosen)}
    for number, metric in enumerate(metrics):
        if metric.higher_is_better is not None:
            return {number}
    return set()


def names_of(metric: Metric | Difference) -> set[str]:
    """The ways in which a user may name a metric."""
    return ways_to_name(metric.task, metric.scorer, metric.metric)


def ways_to_name(task: str, scorer: str, metric: str) -> set[str]:
    """The ways in which a user may name a metric, by its name in three parts."""
    own = f"{scorer}.{metric}"
    return {metric, own, f"{task}.{own}", f"{task}.{metric}"}


def words_of(answers: Iterable[Answer]) -> np.ndarray:
    """Words of answers, shape (answers,)."""
    return np.array([len(answer.response.split()) for answer in answers], dtype=float)
