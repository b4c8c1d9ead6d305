"""The end of a run: scores, metrics, the manifest that says so."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from empeval import runner
from empeval.asked import AskedScorer
from empeval.errors import EmpevalError, SeveralError
from empeval.events import RunFinished
from empeval.hooks import Hooks
from empeval.interfaces import Task
from empeval.marks import with_marks, without_marks
from empeval.records import Metric
from empeval.runs import AuditMark, Manifest, Run
from empeval.scoring import score_stage
from empeval.spending import Spending
from empeval.workers import LazyWorkers


def score_and_finish(
    folder: Run,
    tasks: Mapping[str, Task | None],
    scorers: Mapping[str, Sequence[AskedScorer]],
    hooks: Hooks,
    timing: dict[str, float],
    progress: bool,
    spending: Spending | None = None,
    workers: LazyWorkers | None = None,
    *,
    finished: bool = False,
) -> Run:
    """Score the answers of a run, compute its metrics and mark it complete.

    Args:
        folder: locked by the caller.
        tasks: task name -> the task, or ``None`` when its plugin is not installed.
        scorers: task name -> those that score it now.
        hooks: told when scores and metrics are written.
        timing: seconds by stage so far; gets those of scoring.
        progress: show progress bars when standard error is a terminal.
        spending: what scorers that ask a model may spend.
        workers: who scores beside this process.
        finished: whether it was complete before it was opened for this.

    Raises:
        EmpevalError: a scorer or its metrics failed; what the others gave is written, and one that
            gave nothing leaves the scores that its name had. The run stays unfinished, unless it
            was finished before and lacks nothing but a new scorer.
    """
    before = folder.manifest
    finished = finished or folder.complete
    asides = _put_aside(folder, scorers)
    folder.write_manifest(_with_scorers(folder, scorers))
    problems: list[EmpevalError] = []
    failed: set[tuple[str, str]] = set()
    able: dict[str, list[AskedScorer]] = {name: [] for name in scorers}
    try:
        for name, chosen in scorers.items():
            taken, errors = score_stage(
                folder, name, chosen, hooks, progress=progress, spending=spending, workers=workers
            )
            for asked in chosen:
                if asked.label in errors:
                    problems.append(errors[asked.label])
                    failed.add((name, asked.label))
                    continue
                able[name].append(asked)
                add(timing, f"{name} {asked.label}", taken[asked.label])
    finally:
        if workers is not None:
            workers.close()
    back = _brought_back(folder, asides, failed)
    failed -= back
    folder.write_manifest(_as_before(folder.manifest, before, back))
    metrics: list[Metric] = runner.metrics_stage(folder, tasks, able, problems)
    metrics = [m for m in metrics if (m.task, m.scorer) not in failed]
    folder.write_metrics(metrics)
    marked = with_marks(folder.manifest, runner.audit_stage(folder, able))
    answers = {name: folder.answers_fingerprint(name) for name in marked.tasks}
    scored = {name: fingerprint for name, fingerprint in answers.items() if fingerprint}
    marked = msgspec.structs.replace(marked, scored=scored)
    if problems:
        known = {(name, label) for name, labels in before.scorers.items() for label in labels}
        kept = _without(folder, marked, failed - known)
        whole = finished and not failed & known and len(failed) + len(back) == len(problems)
        kept = msgspec.structs.replace(kept, sealed=folder.seals(kept.scorers))
        folder.write_manifest(
            msgspec.structs.replace(kept, status="complete" if whole else "running", timing=timing)
        )
        if len(problems) == 1:
            raise problems[0]
        raise SeveralError(problems)
    marked = msgspec.structs.replace(marked, sealed=folder.seals(marked.scorers))
    folder.write_manifest(
        msgspec.structs.replace(marked, status="complete", finished=now(), timing=timing)
    )
    hooks.fire("empeval_run_finished", event=RunFinished(folder=str(folder.path), metrics=metrics))
    return folder


def _with_scorers(folder: Run, scorers: Mapping[str, Sequence[AskedScorer]]) -> Manifest:
    """The manifest with these scorers.

    What was known of their agreement with people goes: it is looked up anew when they are done.
    """
    entries = {name: dict(known) for name, known in folder.manifest.scorers.items()}
    for name, chosen in scorers.items():
        entries.setdefault(name, {}).update({asked.label: asked.entry for asked in chosen})
    labels = {name: [asked.label for asked in chosen] for name, chosen in scorers.items()}
    bare = without_marks(folder.manifest, labels)
    return msgspec.structs.replace(bare, scorers=entries, status="running")


def _put_aside(
    folder: Run, scorers: Mapping[str, Sequence[AskedScorer]]
) -> dict[tuple[str, str], Path]:
    """Take away the scores of other versions or checkpoints of these scorers.

    Returns:
        (task, label) -> where they lie until it is known that others come in their place.
    """
    found = {}
    for name, chosen in scorers.items():
        known = folder.manifest.scorers.get(name, {})
        for asked in chosen:
            path = folder.scores_path(name, asked.label)
            aside = path.with_name(f".{path.name}.aside")
            aside.unlink(missing_ok=True)  # of a call that was killed
            if known.get(asked.label, asked.entry) != asked.entry and path.exists():
                os.replace(path, aside)
                found[name, asked.label] = aside
    return found


def _brought_back(
    folder: Run, asides: Mapping[tuple[str, str], Path], failed: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Put back the scores in whose place a scorer that failed gave none; the others' are gone."""
    back = set()
    for (name, label), aside in asides.items():
        if (name, label) in failed and not folder.score_lines(name, label):
            os.replace(aside, folder.scores_path(name, label))
            back.add((name, label))
        else:
            aside.unlink(missing_ok=True)
    return back


def _as_before(manifest: Manifest, before: Manifest, back: Collection[tuple[str, str]]) -> Manifest:
    """The manifest with what it said of scorers (task, label) whose scores were put back."""
    entries = {name: dict(labels) for name, labels in manifest.scorers.items()}
    audits: dict[str, dict[str, AuditMark]] = {}
    for name, label in back:
        entries[name][label] = before.scorers[name][label]
        if mark := before.audits.get(name, {}).get(label):
            audits.setdefault(name, {})[label] = mark
    made: Manifest = with_marks(msgspec.structs.replace(manifest, scorers=entries), audits)
    return made


def _without(folder: Run, manifest: Manifest, failed: Collection[tuple[str, str]]) -> Manifest:
    """The manifest without scorers (task, label) that failed; what they scored goes, too."""
    for name, label in failed:
        folder.scores_path(name, label).unlink(missing_ok=True)
    entries = {
        name: {label: entry for label, entry in labels.items() if (name, label) not in failed}
        for name, labels in manifest.scorers.items()
    }
    kept: Manifest = msgspec.structs.replace(manifest, scorers=entries)
    return kept


def add(timing: dict[str, float], key: str, seconds: float) -> None:
    """Count seconds towards a stage."""
    timing[key] = round(timing.get(key, 0.0) + seconds, 3)


def now() -> str:
    """UTC, ISO 8601, to the millisecond: two runs of one second are two."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
