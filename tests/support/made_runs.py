"""Run folders written by hand: a task, a scorer, values as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from empeval import Item, Message, Metric, ResponseLine, Run, Sampling, Score, Source
from empeval.metrics import cluster_mean
from empeval.runs import AuditMark, Manifest, ModelEntry, ScorerEntry, TaskEntry, item_hash

TASK, SCORER, VALUE = "talks", "warmth", "warmth"


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
    """Write a run folder; ``None`` among the values is an answer that could not be scored.

    ``failed`` has the status of each such score (``unparsed``, unless it says another).

    ``audit`` is what it says of its scorer; ``None``: nothing, as folders of older versions.
    """
    names = list(ids) if ids is not None else [str(n) for n in range(len(values))]
    groups = list(clusters) if clusters is not None else names
    texts = list(answers) if answers is not None else [f"Answer {name}." for name in names]
    asked = list(questions) if questions is not None else [f"Question {name}?" for name in names]
    manifest = Manifest(
        schema=1,
        status=status,  # type: ignore[arg-type]
        created="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
        command=["empeval", "run"],
        model=ModelEntry(uri=model, name=model, fingerprint=model),
        tasks={
            task: TaskEntry(
                version=version,
                data_fingerprint=data,
                prompts_hash="x",
                n_items=len(names),
                n_clusters=len(set(groups)),
                sampling=Sampling(),
                license="none",
            )
        },
        scorers={task: {SCORER: ScorerEntry(name=SCORER, version=scorer_version)}},
        audits={} if audit is None else {task: {SCORER: audit}},
    )
    run = Run.create(path, manifest)
    with run.journal_responses(task) as journal:
        for place, name in enumerate(names):
            item = Item(
                name,
                (Message("user", asked[place]),),
                cluster=groups[place],
                target=dict(targets[place]) if targets else {},
                reference=f"What a person said to {name}.",
                task=task,
            )
            journal.append(
                ResponseLine(
                    id=name,
                    response=texts[place],
                    status=statuses[place] if statuses else "ok",  # type: ignore[arg-type]
                    item_hash=item_hash(item),
                    item=item,
                )
            )
    with run.journal_scores(task, SCORER) as journal:
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            if value is None:
                bad = failed[place] if failed else "unparsed"
                journal.append(Score(name, bad, note="made to fail"))  # type: ignore[arg-type]
            else:
                journal.append(Score(name, values={VALUE: float(value)}))
    good = [(v, g) for v, g in zip(values, groups, strict=True) if v is not None]
    scale = 100.0 if unit == "percent" else 1.0
    mean, lower, upper = (
        cluster_mean([v for v, _ in good], [g for _, g in good]) if good else (None, None, None)
    )
    run.write_metrics(
        [
            Metric(
                task=task,
                scorer=SCORER,
                metric=metric,
                value=None if mean is None else scale * mean,
                ci_low=None if lower is None else scale * lower,
                ci_high=None if upper is None else scale * upper,
                n=len(good),
                n_failed=len(names) - len(good),
                unit=unit,
                higher_is_better=higher_is_better,
                n_clusters=len(set(groups)),
                source=Source(VALUE, failed_as=failed_as, low=low, high=high) if source else None,
            )
        ]
    )
    return run


def normal(count: int, seed: int, mean: float = 0.0, sd: float = 1.0) -> list[float]:
    """Random values."""
    return [float(x) for x in np.random.default_rng(seed).normal(mean, sd, count)]
