"""Two run folders joined by item: id and content, never the order of lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empeval.errors import NotComparableError
from empeval.estimates import numbered
from empeval.runs import Answer as Answer
from empeval.runs import AskedItem as AskedItem
from empeval.runs import ById, Mapped, Run, ScorerEntry, TaskEntry, notices
from empeval.runs import RunFiles as RunFiles

SAMPLING = ("max_tokens", "temperature", "top_p", "stop", "reasoning_tags")
"""What of the sampling a reader of two runs should know of."""


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
        left: the base's items that are not compared: it has them alone, or with other content.
    """

    task: str
    ids: list[str]
    items: Sequence[AskedItem]
    clusters: np.ndarray
    base: Sequence[Answer]
    candidate: Sequence[Answer]
    only_base: int
    only_candidate: int
    changed: int
    left: Sequence[AskedItem] = ()

    @property
    def n_clusters(self) -> int:
        """Independent groups of items."""
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0


def opened(run: Run | RunFiles | str | os.PathLike[str], partial: bool) -> RunFiles:
    """The files of a run or of its folder, which may be open already."""
    if isinstance(run, RunFiles):
        return run
    return RunFiles(run if isinstance(run, Run) else Run(run), partial)


def shared_tasks(base: RunFiles, candidate: RunFiles) -> list[str]:
    """The tasks that both runs have, in the base's order.

    Raises:
        NotComparableError: there is none.
    """
    theirs = candidate.run.manifest.tasks
    tasks = [name for name in base.run.manifest.tasks if name in theirs]
    if not tasks:
        raise NotComparableError(
            f"{base.run.path} has the tasks {', '.join(base.run.manifest.tasks)}, "
            f"{candidate.run.path} has {', '.join(theirs)}: there is none to compare.",
            base=base.run.path,
            candidate=candidate.run.path,
            problems=["they share no task"],
        )
    return tasks


def join(base: RunFiles, candidate: RunFiles, task: str) -> Joined:
    """The items of a task that both runs answered.

    Raises:
        NotComparableError: they share none.
    """
    ours, theirs = base.answers(task), candidate.answers(task)
    both = [name for name in ours if name in theirs]
    shared = [name for name, same in zip(both, _alike(ours, theirs, both), strict=True) if same]
    if not shared:
        why = "; their contents differ" if both else ""
        raise NotComparableError(
            f"{base.run.path} and {candidate.run.path} share no item of {task}{why}.",
            base=base.run.path,
            candidate=candidate.run.path,
            problems=[f"{task}: they share no item{why}"],
        )
    items = Mapped(ours.of(shared), lambda answer: answer.item)
    compared = set(shared)
    left = [name for name in ours if name not in compared]
    return Joined(
        task=task,
        ids=shared,
        items=items,
        clusters=numbered(item.cluster for item in items),
        base=ours.of(shared),
        candidate=theirs.of(shared),
        only_base=len(ours) - len(both),
        only_candidate=len(theirs) - len(both),
        changed=len(both) - len(shared),
        left=Mapped(ours.of(left), lambda answer: answer.item),
    )


def _alike(ours: ById[Answer], theirs: ById[Answer], ids: Sequence[str]) -> Iterator[bool]:
    """Whether the items of these ids have the same content in both runs."""
    pairs = zip(ours.of(ids), theirs.of(ids), strict=True)
    return (one.item_hash == other.item_hash for one, other in pairs)


def misfits(base: RunFiles, candidate: RunFiles, tasks: Sequence[str]) -> list[str]:
    """What makes metrics of two runs incomparable, a sentence each."""
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
        found += _other_metrics(base, candidate, task)
        if not (base.partial and candidate.partial):
            found += _other_items(base, candidate, task)
    return found


def _other_metrics(base: RunFiles, candidate: RunFiles, task: str) -> list[str]:
    """How metrics of one name are counted otherwise in two runs, a clause each.

    The value that they count may differ (EQ-Bench's first or revised scores), and folders of older
    versions do not say how they count.
    """
    ours, theirs = (
        {(m.scorer, m.metric): m for m in files.run.metrics() if m.task == task}
        for files in (base, candidate)
    )
    found: list[str] = []
    for key, one in ours.items():
        if (other := theirs.get(key)) is not None:
            where = f"{task}, metric {'.'.join(key)}"
            found += _differences(where, one, other, ("unit", "higher_is_better"))
            if one.source and other.source:
                found += _differences(where, one.source, other.source, ("scale", "failed_as"))
    return found


def _other_items(base: RunFiles, candidate: RunFiles, task: str) -> list[str]:
    """How the items of two runs differ, in a clause, or nothing."""
    ours, theirs = base.answers(task), candidate.answers(task)
    both = [name for name in ours if name in theirs]
    counts = (
        (len(ours) - len(both), f"only in {base.name}"),
        (len(theirs) - len(both), f"only in {candidate.name}"),
        (sum(not same for same in _alike(ours, theirs, both)), "with other content"),
    )
    said = ", ".join(f"{n} {where}" for n, where in counts if n)
    return [f"{task}: not the same items ({said}; --partial compares the shared)"] if said else []


def remarks(base: RunFiles, candidate: RunFiles, tasks: Sequence[str]) -> list[str]:
    """What a reader should know of two runs, although they may be compared."""
    found = []
    for task in tasks:
        one, other = base.run.manifest.tasks[task], candidate.run.manifest.tasks[task]
        found += _differences(task, one.sampling, other.sampling, SAMPLING)
    for files in (base, candidate):
        if not files.run.complete:
            found.append(f"{files.name} is unfinished: what is there is compared")
    one_model, other_model = base.run.manifest.model, candidate.run.manifest.model
    if one_model.system != other_model.system:
        found.append("the runs have different system messages (--system)")
    ours = one_model.fingerprint, one_model.details
    if ours == (other_model.fingerprint, other_model.details):
        found.append("both runs are of the same model")
    return found


def notices_of(every: Sequence[RunFiles]) -> list[str]:
    """What should stand above the metrics of runs, with the folder's name."""
    return [
        f"{files.name}: {text}"
        for files in every
        for text in (*notices(files.run), *files.contradicted.values())
    ]


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
