"""A hook: one line on standard error when a run has been scored for politeness."""

import sys

from empeval import hookimpl
from empeval.events import RunFinished


@hookimpl
def empeval_run_finished(event: RunFinished) -> None:
    """Say how polite the answers were."""
    for metric in event.metrics:
        if metric.metric == "polite_words" and metric.value is not None:
            count = f"{metric.value:.2f} polite words a reply"
            print(f"{event.folder}: {metric.task} has {count}", file=sys.stderr)
