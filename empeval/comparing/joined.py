"""Two run folders joined by item: id and content, never the order of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from empeval.counts import notices, once, require_whole
from empeval.errors import UsageError
from empeval.estimates import item_values, numbered
from empeval.journal import read_journal
from empeval.records import Metric, ResponseLine, ResponseStatus, Score, Source
from empeval.runs import Run, ScorerEntry, TaskEntry


class AskedItem(msgspec.Struct, frozen=True):
    """What a comparison needs of an item."""

    cluster: str
    target: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """What a comparison needs of a response line."""

    id: str
    response: str
    status: ResponseStatus
    item_hash: str
    item: AskedItem


@dataclass(frozen=True)
class Joined:
    """The items of a task that both runs have.

    Attributes:
        task: its name.
        ids: of the shared items.
        items: what they are.
        clusters: shape (items,), cluster numbers from 0.
        base, candidate: the answers, in the order of ``ids``.
        only_base, only_candidate: items that one run has alone.
        changed: items of one id with another content; they are compared by neither.
    """

    task: str
    ids: list[str]
    items: list[AskedItem]
    clusters: np.ndarray
    base: list[Answer]
    candidate: list[Answer]
    only_base: int
    only_candidate: int
    changed: int

    @property
    def n_clusters(self) -> int:
        """Independent groups of items."""
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0


@dataclass
class RunFiles:
    """A run folder, its files read once.

    Args:
        run: the folder.
        partial: whether it may be unfinished, or lack lines that it says it has. Of an id that
            comes twice, neither line is taken then.

    Raises:
        RunFolderError: it is unfinished or lacks lines, and may not.
    """

    run: Run
    partial: bool = False
    _answers: dict[str, dict[str, Answer]] = field(default_factory=dict)
    _lines: dict[str, list[ResponseLine]] = field(default_factory=dict)
    _scores: dict[tuple[str, str], dict[str, Score]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.partial:
            require_whole(self.run, "compare what is there with --partial")

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.run.path.name or str(self.run.path)

    def answers(self, task: str) -> dict[str, Answer]:
        """Answers of a task by id."""
        if task not in self._answers:
            self._answers[task] = once(read_journal(self.run.responses_path(task), Answer))
        return self._answers[task]

    def lines(self, task: str) -> list[ResponseLine]:
        """Whole response lines of a task, for a report; ``answers`` is lighter."""
        if task not in self._lines:
            path = self.run.responses_path(task)
            self._lines[task] = list(once(read_journal(path, ResponseLine)).values())
        return self._lines[task]

    def scores(self, task: str, label: str) -> dict[str, Score]:
        """One scorer's scores of a task by id."""
        key = task, label
        if key not in self._scores:
            self._scores[key] = once(read_journal(self.run.scores_path(task, label), Score))
        return self._scores[key]

    def items(self, task: str) -> int:
        """How many items of a task were asked: what the manifest says, or all that is there."""
        return max(self.run.manifest.tasks[task].n_items, len(self.answers(task)))

    def unscored(self, metric: Metric) -> int:
        """How many items have no value of their own, whatever a convention counts them as."""
        scores, ids = self.scores(metric.task, metric.scorer), list(self.answers(metric.task))
        there = np.isfinite(item_values(scores, ids, metric, own=True))
        return self.items(metric.task) - int(there.sum())

    def metrics(self, task: str, *, valueless: bool = False) -> dict[tuple[str, str], Metric]:
        """The figures of a task that are plain means over items, by scorer and name.

        Those without a value, since no item has one, are among them only when that is asked for.

        A figure of a run that was written before figures named their source is one when a value
        of its scorer has its name.
        """
        found = {}
        for metric in self.run.metrics():
            if metric.task != task:
                continue
            source = metric.source
            if source is None and self._is_value(task, metric):
                source = Source(metric.metric)
            if source is not None and (valueless or metric.value is not None):
                key = metric.scorer, metric.metric
                found[key] = msgspec.structs.replace(metric, source=source)
        return found

    def _is_value(self, task: str, metric: Metric) -> bool:
        if metric.scorer not in self.run.manifest.scorers.get(task, {}):
            return False
        return any(metric.metric in s.values for s in self.scores(task, metric.scorer).values())


def opened(run: Run | RunFiles, partial: bool) -> RunFiles:
    """A run's files, which may be open already."""
    return run if isinstance(run, RunFiles) else RunFiles(run, partial)


def shared_tasks(base: RunFiles, candidate: RunFiles) -> list[str]:
    """The tasks that both runs have, in the base's order.

    Raises:
        UsageError: there is none.
    """
    theirs = candidate.run.manifest.tasks
    tasks = [name for name in base.run.manifest.tasks if name in theirs]
    if not tasks:
        raise UsageError(
            f"{base.run.path} has the tasks {', '.join(base.run.manifest.tasks)}, "
            f"{candidate.run.path} has {', '.join(theirs)}: there is none to compare."
        )
    return tasks


def join(base: RunFiles, candidate: RunFiles, task: str) -> Joined:
    """The items of a task that both runs answered.

    Raises:
        UsageError: they share none.
    """
    ours, theirs = base.answers(task), candidate.answers(task)
    both = [name for name in ours if name in theirs]
    shared = [name for name in both if ours[name].item_hash == theirs[name].item_hash]
    if not shared:
        why = "; their contents differ" if both else ""
        raise UsageError(f"{base.run.path} and {candidate.run.path} share no item of {task}{why}.")
    items = [ours[name].item for name in shared]
    return Joined(
        task=task,
        ids=shared,
        items=items,
        clusters=numbered([item.cluster for item in items]),
        base=[ours[name] for name in shared],
        candidate=[theirs[name] for name in shared],
        only_base=len(ours) - len(both),
        only_candidate=len(theirs) - len(both),
        changed=len(both) - len(shared),
    )


def misfits(base: RunFiles, candidate: RunFiles, tasks: Sequence[str]) -> list[str]:
    """What makes figures of two runs incomparable, a sentence each."""
    found: list[str] = []
    for task in tasks:
        one, other = base.run.manifest.tasks[task], candidate.run.manifest.tasks[task]
        found += _differences(task, one, other, ("version", "data_fingerprint", "arguments"))
        ours = base.run.manifest.scorers.get(task, {})
        theirs = candidate.run.manifest.scorers.get(task, {})
        for label in ours:
            if label in theirs:
                found += _differences(
                    f"{task}, scorer {label}",
                    ours[label],
                    theirs[label],
                    ("version", "fingerprint", "target"),
                )
        if not (base.partial and candidate.partial):
            found += _other_items(base, candidate, task)
    return found


def _other_items(base: RunFiles, candidate: RunFiles, task: str) -> list[str]:
    """How the items of two runs differ, in a clause, or nothing."""
    ours = {i: a.item_hash for i, a in base.answers(task).items()}
    theirs = {i: a.item_hash for i, a in candidate.answers(task).items()}
    counts = (
        (len(ours.keys() - theirs.keys()), f"only in {base.name}"),
        (len(theirs.keys() - ours.keys()), f"only in {candidate.name}"),
        (sum(ours[i] != theirs[i] for i in ours.keys() & theirs.keys()), "with other content"),
    )
    said = ", ".join(f"{n} {where}" for n, where in counts if n)
    return [f"{task}: not the same items ({said}; --partial compares the shared)"] if said else []


def remarks(base: RunFiles, candidate: RunFiles, tasks: Sequence[str]) -> list[str]:
    """What a reader should know of two runs, although they may be compared."""
    found = []
    for task in tasks:
        one, other = base.run.manifest.tasks[task], candidate.run.manifest.tasks[task]
        found += _differences(task, one.sampling, other.sampling,
                              ("max_tokens", "temperature", "top_p", "stop"))  # fmt: skip
    for files in (base, candidate):
        if not files.run.complete:
            found.append(f"{files.name} is unfinished: what is there is compared")
    ours = base.run.manifest.model.fingerprint, base.run.manifest.model.details
    theirs = candidate.run.manifest.model.fingerprint, candidate.run.manifest.model.details
    if ours == theirs:
        found.append("both runs are of the same model")
    return found


def notices_of(every: Sequence[RunFiles]) -> list[str]:
    """What should stand above the figures of runs, with the folder's name."""
    return [f"{files.name}: {text}" for files in every for text in notices(files.run)]


def _differences(
    where: str,
    one: TaskEntry | ScorerEntry | Any,
    other: TaskEntry | ScorerEntry | Any,
    names: Sequence[str],
) -> list[str]:
    return [
        f"{where}: {name.replace('_', ' ')} {_short(getattr(one, name))} and "
        f"{_short(getattr(other, name))}"
        for name in names
        if getattr(one, name) != getattr(other, name)
    ]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
