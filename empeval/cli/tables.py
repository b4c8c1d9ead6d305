"""A run as a person reads it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from empeval.amounts import amount, between
from empeval.cli.failing import NOTHING_USABLE, say_object
from empeval.cli.text import blank, print_json, print_marks, print_notices, print_rows, say
from empeval.errors import EmpevalError, RunFolderError, counted
from empeval.marks import marks_of
from empeval.notices import show
from empeval.records import Metric
from empeval.runs import UNANSWERED, Run, is_run, notices, whole_failures
from empeval.spending import Spending


def said_of(status: str) -> str:
    """A run's status for a person: one that says ``running`` may have died long ago."""
    return "unfinished" if status == "running" else status


def print_run(run: Run, form: str) -> None:
    """Print a run's metrics, how its answers came about, and where it is."""
    manifest = run.manifest
    metrics = run.metrics()
    if form == "json":
        print_json(
            {
                "run": near(run.path),
                "status": manifest.status,
                "model": msgspec.to_builtins(manifest.model),
                "notices": notices(run),
                "warnings": manifest.warnings,
                "metrics": msgspec.to_builtins(metrics),
                "audits": msgspec.to_builtins(marks_of(run)),
            }
        )
        return
    say(f"{manifest.model.title}  ({said_of(manifest.status)})", form)
    blank(form)
    print_notices(notices(run), form)
    if metrics:
        print_rows([metric_row(m) for m in metrics], form)
        notes = [f"  {m.task} {m.scorer}.{m.metric}: {m.note}" for m in metrics if m.note]
        if notes:
            blank(form)
            for note in notes:
                say(note, form)
    blank(form)
    print_marks(marks_of(run), form)
    spending = Spending(before=manifest.discarded)
    served: Counter[str] = Counter()
    for task, entry in manifest.tasks.items():
        lines, steps = run.responses(task), run.steps(task)
        for line in chain(lines, steps):
            spending.add(line)
            if line.model and line.status not in UNANSWERED:
                served[line.model] += 1
        counts = Counter(lines.statuses)
        states = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        licence = f"; data: {entry.dataset or 'its own'}, {entry.license}"
        answered = sum(n for status, n in counts.items() if status not in UNANSWERED)
        where = (
            f" in {counted(entry.n_clusters, 'cluster')}"
            if entry.n_clusters < entry.n_items
            else ""
        )
        found = f" ({states})" if states else ""
        say(f"{task}: {answered} of {entry.n_items} answered{where}{found}{licence}", form)
    if served:
        cached = spending.usage.cached_tokens
        cache = f" ({cached:,} from the server's cache)" if cached else ""
        say(f"answered by: {', '.join(served)}; spent: {spending.said()}{cache}", form)
    if manifest.model.license:
        say(f"model licence: {manifest.model.license}", form)
    say(f"run folder: {near(run.path)}", form)


def near(path: Path) -> str:
    """A path as a person would type it: from the current folder where it lies below that."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def say_whole_failures(run: Run, form: str) -> int:
    """Say which tasks and scorers came to nothing; the exit code: 1 where there are such.

    Args:
        run: which is finished.
        form: of its tables; with ``json`` there is one object on standard error.
    """
    found = whole_failures(run)
    if found and form == "json":
        told = {"code": NOTHING_USABLE, "message": " ".join(f"{text}." for text in found)}
        say_object(told | {"hint": "", "run": str(run.path), "failures": found})
        return 1
    for text in found:
        show(f"error: {text} [{NOTHING_USABLE}]")
    return 1 if found else 0


@contextmanager
def metrics_all_the_same(path: str | Path, form: str) -> Iterator[None]:
    """Print what metrics a run has got when scoring ends in an error: those of the other scorers.

    Raises:
        EmpevalError: the same.
    """
    absolute = os.path.abspath(path)  # a plugin may go to another folder
    before = _written(absolute)
    try:
        yield
    except EmpevalError:
        with suppress(RunFolderError):  # of a damaged folder, the error says what there is to say
            if (
                _written(absolute) != before
                and is_run(absolute)
                and not (run := Run(absolute)).complete
                and run.metrics()
            ):
                print_run(run, form)
        raise


def _written(folder: str) -> int | None:
    """When a run's metrics were last written; ``None`` where there are none."""
    try:
        return os.stat(os.path.join(folder, "metrics.json")).st_mtime_ns
    except OSError:
        return None


def metric_row(metric: Metric) -> dict[str, Any]:
    """A metric as a row of a table; behind ``n`` the clusters, where they are fewer."""
    groups = metric.n_clusters
    fewer = f" ({groups})" if groups is not None and groups < metric.n else ""
    return {
        "task": metric.task,
        "scorer": metric.scorer,
        "metric": metric.metric,
        "value": amount(metric.value),
        "95% interval": between(metric.ci_low, metric.ci_high),
        "unit": metric.unit,
        "n": f"{metric.n}{fewer}",
        "failed": str(metric.n_failed),
    }
