"""A hook: one line on standard error when a run has been scored for politeness."""

import sys
from collections.abc import Sequence

from empeval import Metric, hookimpl


@hookimpl
def empeval_run_finished(folder: str, metrics: Sequence[Metric]) -> None:
    """Say how polite the answers were."""
    for metric in metrics:
        if metric.metric == "polite_words" and metric.value is not None:
            count = f"{metric.value:.2f} polite words a reply"
            print(f"{folder}: {metric.task} has {count}", file=sys.stderr)
