"""The hooks: each tracker that ``EMPEVAL_TRACK`` names is told of the run.

A tracker that fails is reported by empeval once and left alone for the rest of the process; the
others, and the run, go on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from empeval import hookimpl

if TYPE_CHECKING:
    from empeval.events import RunFinished, RunStarted

TRACKERS = ("mlflow", "trackio")

_failed: set[str] = set()


@hookimpl
def empeval_run_started(event: RunStarted) -> None:
    """Say that it begins or goes on."""
    _tell(event.folder, finished=False)


@hookimpl
def empeval_run_finished(event: RunFinished) -> None:
    """Hand over its metrics."""
    _tell(event.folder, finished=True)


def _tell(folder: str, *, finished: bool) -> None:
    names = [name.strip() for name in os.environ.get("EMPEVAL_TRACK", "").split(",")]
    problems = []
    for name in filter(None, names):
        if name in _failed:
            continue
        try:
            _tell_one(name, folder, finished=finished)
        except Exception as error:  # whatever a server or its package does; the next one is told
            _failed.add(name)
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        from empeval import EmpevalError

        raise EmpevalError(f"not tracked by {'; by '.join(problems)}")


def _tell_one(name: str, folder: str, *, finished: bool) -> None:
    from importlib import import_module

    from empeval import Run, UsageError

    if name not in TRACKERS:
        raise UsageError(f"EMPEVAL_TRACK={name}: there is {' and '.join(TRACKERS)}.")
    tracker = import_module(f"empeval_trackers.{name}_tracker")
    run = Run(folder)
    if finished:
        tracker.finish(run)
    else:
        tracker.begin(run)
