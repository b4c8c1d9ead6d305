"""Trackio: a run's parameters and metrics, written when the run is finished.

Where is Trackio's own affair (``TRACKIO_DIR``); the project is ``TRACKIO_PROJECT``, or ``empeval``.
"""

from __future__ import annotations

import os

from empeval import Run
from empeval.toolkit import require
from empeval_trackers.facts import metric_values, parameters

PROJECT = "empeval"


def begin(run: Run) -> None:
    """Make sure that the package is there before anything is asked."""
    require("EMPEVAL_TRACK=trackio", "trackio")


def finish(run: Run) -> None:
    """Write parameters and metrics; the same folder again goes on with its run."""
    require("EMPEVAL_TRACK=trackio", "trackio")
    import trackio

    trackio.init(
        project=os.environ.get("TRACKIO_PROJECT") or PROJECT,
        name=run.path.name,
        config=parameters(run),
        resume="allow",
        embed=False,
        auto_log_cpu=False,
        auto_log_gpu=False,
    )
    try:
        trackio.log(metric_values(run))
    finally:
        trackio.finish()
