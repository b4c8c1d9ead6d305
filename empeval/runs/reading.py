"""A run folder as whoever compares or shows it reads it: counted first, whole or partial."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from empeval.errors import RunFolderError
from empeval.records import Metric, ResponseLine, ResponseStatus, Score, Source
from empeval.runs.counting import UNANSWERED, require_unchanged, require_whole
from empeval.runs.folder import Run
from empeval.runs.lines import ById, Lines, Stored, state_of

ROUNDED = 1e-3
"""How far a metric may lie from what its items come to, relative to it: others may round."""
_NO_MEAN = (
    "no value of the items is what it is the mean of; only a plain mean of one value can be "
    "compared. Have its scorer give that value to each item (Score.values)"
)
_UNFINISHED = (
    "the run is unfinished or lacks scores, so nobody can tell whether it is the mean of the value "
    "of its name"
)
_SOME_ITEMS = (
    "it is {value:.4g}, and the value of its name is {every} over all items: it leaves items out "
    "that have the value (Mean(where=...)) or counts them otherwise. Have its scorer give a value "
    "of its own (Score.values) to the items that it is about, and to no others"
)


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


class Scores(ById[Score]):
    """One scorer's scores of a task by id; their values stand in columns as well.

    Args:
        stored: the file.
        unanswered: ids of items without an answer: whatever the file says, they have no score.
    """

    def __init__(self, stored: Stored, unanswered: Collection[str] = ()) -> None:
        super().__init__(stored, Score)
        self._unanswered = unanswered

    def status_of(self, identifier: str) -> str | None:
        """The status of an item's score; ``None``: there is none."""
        found = super().status_of(identifier)
        return "error" if found == "ok" and identifier in self._unanswered else found

    @cached_property
    def columns(self) -> dict[str, array[float]]:
        """Value -> what each line of the file has of it; NaN where it has none."""
        found: dict[str, array[float]] = {}
        nothing = array("d", [math.nan]) * len(self.stored.index.ids)
        for row, score in enumerate(Lines(self.stored, Score)):
            for name, value in score.values.items():
                if name not in found:
                    found[name] = nothing[:]
                found[name][row] = value
        return found

    @property
    def whole(self) -> bool:
        """Whether no id comes twice."""
        return not self.stored.index.doubled

    def counted(self, source: Source) -> array[float]:
        """What each line of the file counts in a metric, as its scorer gave it; NaN for nothing."""
        values, status = self.columns.get(source.value), self.stored.status
        return array(
            "d",
            (
                values[row] if values and (source.any_status or status(row) == "ok") else math.nan
                for row in range(len(self.stored.index.ids))
            ),
        )

    def column(self, ids: Iterable[str], source: Source) -> array[float]:
        """A scorer's own value of each item, as many as ids; NaN where none counts in a metric."""
        values = self.columns.get(source.value)
        rows, status = self.stored.index.rows, self.stored.status
        found = array("d")
        for name in ids:
            row = rows[name] if values and name in self else -1
            there = row >= 0 and name not in self._unanswered
            there = there and (source.any_status or status(row) == "ok")
            found.append(values[row] if values and there else math.nan)
        return found


@dataclass
class RunFiles:
    """A run folder as it was when it was first read, its files read once.

    Args:
        run: the folder.
        partial: whether it may be unfinished, or lack lines that it says it has. Of an id that
            comes twice, neither line is taken then.

    Raises:
        RunFolderError: it is unfinished or lacks lines, and may not, or its answers are not those
            that were scored, or its scores or metrics not those that it was finished with.
    """

    run: Run
    partial: bool = False
    _answers: dict[str, ById[Answer]] = field(default_factory=dict)
    _scores: dict[tuple[str, str], Scores] = field(default_factory=dict)
    _metrics: dict[str, list[Metric]] = field(default_factory=dict)
    _contradicted: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _no_means: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._states = {path: state_of(path) for path in self._paths()}
        require_unchanged(self.run)
        if not self.partial:
            require_whole(self.run, "compare what is there with --partial")

    def _paths(self) -> Iterator[Path]:
        run = self.run
        yield from (run.path / "run.json", run.path / "metrics.json")
        for task in run.manifest.tasks:
            yield run.responses_path(task)
            for label in run.manifest.scorers.get(task, {}):
                yield run.scores_path(task, label)

    def require_same(self) -> None:
        """Refuse what was read of a folder that somebody has written to meanwhile.

        Raises:
            RunFolderError: a file is another one than when the folder was opened.
        """
        for path, state in self._states.items():
            if state_of(path) != state:
                raise RunFolderError(f"{path} was changed while it was read; try again.")

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.run.path.name or str(self.run.path)

    def answers(self, task: str) -> ById[Answer]:
        """Answers of a task by id."""
        if task not in self._answers:
            self._answers[task] = ById(self.run.lines(task).stored, Answer)
        return self._answers[task]

    def line(self, task: str, identifier: str) -> ResponseLine | None:
        """The whole response line of an item; ``None`` where there is none of it."""
        stored = self.answers(task).stored
        return ById(stored, ResponseLine).get(identifier)

    def lines(self, task: str) -> Lines[ResponseLine]:
        """Whole response lines of a task, for a report; ``answers`` is lighter.

        They are in the natural order of their ids, so that a dialogue's turns stand together.
        """
        answers = self.answers(task)
        ids = answers.stored.index.ids
        ordered = (ids[row] for row in answers.stored.index.natural)
        return ById(answers.stored, ResponseLine).of(name for name in ordered if name in answers)

    def scores(self, task: str, label: str) -> Scores:
        """One scorer's scores of a task by id."""
        key = task, label
        if key not in self._scores:
            unanswered = self.run.lines(task).ids_of(lambda status: status in UNANSWERED)
            self._scores[key] = Scores(self.run.score_lines(task, label).stored, unanswered)
        return self._scores[key]

    def items(self, task: str) -> int:
        """How many items of a task were asked: what the manifest says, or all that is there."""
        return max(self.run.manifest.tasks[task].n_items, len(self.answers(task)))

    def unscored(self, metric: Metric) -> int:
        """How many items have no value of their own, whatever a convention counts them as."""
        answers = self.answers(metric.task)
        missing = self.items(metric.task) - len(answers)
        return missing + self.lacking(metric, answers)

    def lacking(self, metric: Metric, ids: Iterable[str]) -> int:
        """How many of these items have no value of their own."""
        import numpy as np

        from empeval.estimates import item_values

        scores = self.scores(metric.task, metric.scorer)
        return int((~np.isfinite(item_values(scores, list(ids), metric, own=True))).sum())

    def metrics(self, task: str, *, valueless: bool = False) -> dict[tuple[str, str], Metric]:
        """The metrics of a task that are plain means over items, by scorer and name.

        Those without a value, since no item has one, are among them only when that is asked for.

        A metric of a run that was written before metrics named their source is one when a value
        of its scorer has its name, and the mean of that value is its own. One of which the items
        come to something else than the folder says is none: see ``contradicted``.
        """
        if task not in self._metrics:
            self._metrics[task] = list(self._means(task))
        return {
            (metric.scorer, metric.metric): metric
            for metric in self._metrics[task]
            if valueless or metric.value is not None
        }

    @property
    def contradicted(self) -> Mapping[tuple[str, str, str], str]:
        """Metrics (task, scorer, name) of which ``metrics.json`` says something else than their
        items, so far as they were looked at -> what, in a clause.
        """
        return self._contradicted

    @property
    def uncompared(self) -> Mapping[tuple[str, str, str], str]:
        """Metrics (task, scorer, name) that cannot be compared, so far as they were looked at ->
        why, and what would help, in a clause.
        """
        return {**self._no_means, **self._contradicted}

    def _means(self, task: str) -> Iterator[Metric]:
        known = self.run.manifest.scorers.get(task, {})
        for metric in self.run.metrics():
            if metric.task != task or (metric.scorer and metric.scorer not in known):
                continue  # of what version and checkpoint it is, nobody can say
            guessed = metric.source is None
            if guessed and not self._is_value(task, metric):
                self._no_means[task, metric.scorer, metric.metric] = _NO_MEAN
                continue
            made = msgspec.structs.replace(metric, source=metric.source or Source(metric.metric))
            if self._agrees(made, guessed):
                yield made

    def _agrees(self, metric: Metric, guessed: bool) -> bool:
        """Whether a metric is what its items come to, where that can be told."""
        scores = self.scores(metric.task, metric.scorer)
        wanted = self.run.manifest.tasks[metric.task].n_items
        lacks = not scores.whole or len(scores.stored.index.ids) != wanted
        key = metric.task, metric.scorer, metric.metric
        if lacks or metric.value is None or not self.run.complete:
            if guessed:
                self._no_means[key] = _UNFINISHED
            return not guessed
        found = _mean(scores, metric)
        if found is not None and math.isclose(found, metric.value, rel_tol=ROUNDED, abs_tol=1e-9):
            return True
        said = "nothing" if found is None else f"{found:.4g}"
        if guessed:
            self._no_means[key] = _SOME_ITEMS.format(value=metric.value, every=said)
        else:
            self._contradicted[key] = (
                f"{metric.task}, {metric.metric}: metrics.json says {metric.value:.4g} and the "
                f"items come to {said}; it is not compared"
            )
        return False

    def _is_value(self, task: str, metric: Metric) -> bool:
        if metric.scorer not in self.run.manifest.scorers.get(task, {}):
            return False
        return metric.metric in self.scores(task, metric.scorer).columns


def _mean(scores: Scores, metric: Metric) -> float | None:
    """What a scorer's scores come to in a metric; ``None`` where none counts."""
    import numpy as np

    from empeval.estimates import counted, source_of

    values = counted(np.array(scores.counted(source_of(metric))), metric, most=math.inf)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
