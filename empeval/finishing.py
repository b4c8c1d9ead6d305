"""The end of a run: scores, metrics, the manifest that says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from empeval import runner
from empeval.asked import AskedScorer
from empeval.errors import EmpevalError, SeveralError
from empeval.events import RunFinished
from empeval.hooks import Hooks
from empeval.interfaces import Task
from empeval.marks import with_marks, without_marks
from empeval.records import Metric
from empeval.runs import Manifest, Run
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

    Raises:
        EmpevalError: a scorer or its metrics failed; what the others gave is written. The run
            stays unfinished, unless it was finished before and lacks nothing but a new scorer.
    """
    before = folder.manifest
    finished = folder.complete
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
        whole = finished and not failed & known and len(failed) == len(problems)
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
    """The manifest with these scorers; scores of another version or checkpoint are dropped.

    So is what was known of their agreement with people: it is looked up anew when they are done.
    """
    entries = {name: dict(known) for name, known in folder.manifest.scorers.items()}
    for name, chosen in scorers.items():
        for asked in chosen:
            known = entries.setdefault(name, {}).get(asked.label)
            if known is not None and known != asked.entry:
                folder.scores_path(name, asked.label).unlink(missing_ok=True)
            entries[name][asked.label] = asked.entry
    labels = {name: [asked.label for asked in chosen] for name, chosen in scorers.items()}
    bare = without_marks(folder.manifest, labels)
    return msgspec.structs.replace(bare, scorers=entries, status="running")


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
