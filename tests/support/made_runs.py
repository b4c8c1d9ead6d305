"""Run folders written by hand: tasks, scorers, values and failures as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np

from empeval import (
    Item,
    Message,
    Metric,
    Response,
    ResponseLine,
    Run,
    Sample,
    Sampling,
    Score,
    Scored,
    ValueCard,
    mean_metric,
)
from empeval.runs import AuditMark, Manifest, ModelEntry, ScorerEntry, TaskEntry, item_hash

TASK, SCORER, VALUE = "talks", "warmth", "warmth"

FAILURES = {
    "refused": ("ok", "refused"),
    "unparsed": ("ok", "unparsed"),
    "truncated": ("truncated", "truncated"),
    "missing": ("missing", "error"),
    "error": ("error", "error"),
}
"""Every way in which an item ends without a score -> status of the answer, status of the score."""


@dataclass(frozen=True)
class Value:
    """One value of a scorer, and the metric that is its mean.

    Attributes:
        name: of the value.
        of: the items' values, raw: 0 or 1 for percents; ``None`` where an item has none.
        metric: the metric's name, when it is not the value's.
        source: whether the metric says where it comes from, as folders of older versions do not.
        others: as in ``ValueCard`` and ``Source``.
    """

    name: str
    of: Sequence[float | None]
    metric: str | None = None
    unit: str = "points"
    higher_is_better: bool | None = True
    scale: float = 1.0
    failed_as: float | None = None
    low: float | None = None
    high: float | None = None
    source: bool = True


@dataclass(frozen=True)
class MadeScorer:
    """A scorer of a task: its metrics come in the order of ``values``, one each.

    ``statuses`` are those of the scores; by default ``ok`` where there is a value, else
    ``unparsed``. ``audit`` is what the run says of it; ``None``: nothing, as older folders do.
    """

    name: str
    values: Sequence[Value]
    statuses: Sequence[str] | None = None
    version: str = "1"
    audit: AuditMark | None = None

    def scores(self, ids: Sequence[str]) -> list[Score]:
        """A score of each item."""
        made = []
        for index, name in enumerate(ids):
            values = {v.name: float(x) for v in self.values if (x := v.of[index]) is not None}
            status = self.statuses[index] if self.statuses else "ok" if values else "unparsed"
            note = None if status == "ok" else "made to fail"
            made.append(Score(name, status, values, note=note))  # type: ignore[arg-type]
        return made


@dataclass(frozen=True)
class MadeTask:
    """A task of a run: as many items as ``ids``, each its own cluster unless ``clusters`` says."""

    name: str
    ids: Sequence[str]
    scorers: Sequence[MadeScorer]
    clusters: Sequence[str] | None = None
    answers: Sequence[str] | None = None
    statuses: Sequence[str] | None = None
    targets: Sequence[Mapping[str, Any]] | None = None
    questions: Sequence[str] | None = None
    version: str = "1"
    data: str = "sha256:data"

    def items(self) -> list[Item]:
        """The items, in order."""
        return [
            Item(
                name,
                (Message("user", self.questions[n] if self.questions else f"Question {name}?"),),
                cluster=self.clusters[n] if self.clusters else name,
                target=dict(self.targets[n]) if self.targets else {},
                reference=f"What a person said to {name}.",
                task=self.name,
            )
            for n, name in enumerate(self.ids)
        ]

    def responses(self) -> list[Response]:
        """The answers, in the items' order."""
        return [
            Response(
                name,
                self.answers[n] if self.answers else f"Answer {name}.",
                status=self.statuses[n] if self.statuses else "ok",  # type: ignore[arg-type]
            )
            for n, name in enumerate(self.ids)
        ]


def write_run(
    path: Path, tasks: Sequence[MadeTask], *, model: str = "made:model", status: str = "complete"
) -> Run:
    """Write a run folder."""
    manifest = Manifest(
        schema=1,
        status=status,  # type: ignore[arg-type]
        created=f"2026-01-01T00:00:00.{crc32(str(path).encode()) % 10**6:06}+00:00",
        finished="2026-01-01T00:01:00+00:00",
        command=["empeval", "run"],
        model=ModelEntry(uri=model, name=model, fingerprint=model),
        tasks={
            task.name: TaskEntry(
                version=task.version,
                data_fingerprint=task.data,
                prompts_hash="x",
                n_items=len(task.ids),
                n_clusters=len({item.cluster for item in task.items()}),
                sampling=Sampling(),
                license="none",
            )
            for task in tasks
        },
        scorers={
            task.name: {s.name: ScorerEntry(name=s.name, version=s.version) for s in task.scorers}
            for task in tasks
        },
        audits={
            task.name: own
            for task in tasks
            if (own := {s.name: s.audit for s in task.scorers if s.audit is not None})
        },
    )
    run = Run.create(path, manifest)
    metrics: list[Metric] = []
    for task in tasks:
        items, answers = task.items(), task.responses()
        with run.journal_responses(task.name) as journal:
            for item, answer in zip(items, answers, strict=True):
                journal.append(
                    ResponseLine(
                        id=item.id,
                        response=answer.response,
                        status=answer.status,
                        item_hash=item_hash(item),
                        item=item,
                    )
                )
        samples = [Sample(i, a) for i, a in zip(items, answers, strict=True)]
        for scorer in task.scorers:
            scores = scorer.scores(task.ids)
            with run.journal_scores(task.name, scorer.name) as journal:
                for score in scores:
                    journal.append(score)
            scored = [Scored(s, score) for s, score in zip(samples, scores, strict=True)]
            metrics += [_metric(task.name, scorer.name, v, scored) for v in scorer.values]
    run.write_metrics(metrics)
    return run


def _metric(task: str, scorer: str, value: Value, scored: Sequence[Scored]) -> Metric:
    card = ValueCard(
        name=value.name,
        unit=value.unit,
        summary="Made.",
        low=value.low,
        high=value.high,
        higher_is_better=value.higher_is_better,
    )
    metric = mean_metric(
        card, scored, metric=value.metric, scale=value.scale, failed_as=value.failed_as
    )
    source = metric.source if value.source else None
    made: Metric = msgspec.structs.replace(metric, task=task, scorer=scorer, source=source)
    return made


def make_run(
    path: Path,
    values: Sequence[float | None],
    *,
    clusters: Sequence[str] | None = None,
    answers: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
    targets: Sequence[Mapping[str, Any]] | None = None,
    unit: str = "points",
    higher_is_better: bool | None = True,
    failed_as: float | None = None,
    version: str = "1",
    data: str = "sha256:data",
    scorer_version: str = "1",
    model: str = "made:model",
    status: str = "complete",
    task: str = TASK,
    metric: str = VALUE,
    ids: Sequence[str] | None = None,
    questions: Sequence[str] | None = None,
    source: bool = True,
    low: float | None = None,
    high: float | None = None,
    failed: Sequence[str] | None = None,
    audit: AuditMark | None = None,
) -> Run:
    """A run of one task, one scorer and one metric.

    ``None`` among the values is an answer that could not be scored, with the status that
    ``failed`` has for it (``unparsed``, unless it says another).
    """
    bad = [failed[n] if failed else "unparsed" for n in range(len(values))]
    value = Value(VALUE, values, metric, unit, higher_is_better, 1.0, failed_as, low, high, source)
    scorer = MadeScorer(
        SCORER,
        [value],
        [bad[n] if v is None else "ok" for n, v in enumerate(values)],
        scorer_version,
        audit,
    )
    names = list(ids) if ids is not None else [str(n) for n in range(len(values))]
    made = MadeTask(
        task, names, [scorer], clusters, answers, statuses, targets, questions, version, data
    )
    return write_run(path, [made], model=model, status=status)


def normal(count: int, seed: int, mean: float = 0.0, sd: float = 1.0) -> list[float]:
    """Random values."""
    return [float(x) for x in np.random.default_rng(seed).normal(mean, sd, count)]
