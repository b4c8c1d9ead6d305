"""How many items it takes, or what can be seen with those there are, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

import msgspec

from empeval.comparing.joined import RunFiles
from empeval.comparing.two import compare
from empeval.comparing.verdicts import check_margin, clusters_needed, detectable
from empeval.errors import UsageError
from empeval.records import Estimate
from empeval.runs import Run


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What past runs say about a metric of a task.

    Attributes:
        task, scorer, metric, unit: which metric.
        pairs: of past runs.
        spread: standard deviation of a cluster's mean difference, the median over the pairs.
        low, high: the least and the largest of them.
        clusters, items: that the pairs had, medians.
        detectable: the smallest true difference that so many clusters find 4 times in 5.
        margin: asked for; ``null``: none.
        needed, needed_items: clusters and items that find it 4 times in 5.
        needed_high: clusters if the spread is the largest seen.
    """

    task: str
    scorer: str
    metric: str
    unit: str
    pairs: int
    spread: float
    low: float
    high: float
    clusters: int
    items: int
    detectable: float | None
    margin: float | None = None
    needed: int | None = None
    needed_items: int | None = None
    needed_high: int | None = None


def plan(
    runs: Sequence[Run],
    task: str,
    *,
    margin: float | None = None,
    clusters: int | None = None,
    metrics: Sequence[str] | None = None,
) -> list[Plan]:
    """A plan for each headline metric of a task, from the paired differences of past runs.

    Args:
        runs: two or more that have the task.
        task: its name.
        margin: the difference to find, in the metric's unit.
        clusters: how many there will be; those of the runs by default.
        metrics: which; the task's first by default.

    Raises:
        UsageError: fewer than two runs have the task, or a margin that makes no sense, or is as
            wide as a metric's whole scale.
    """
    own = [run for run in runs if task in run.manifest.tasks]
    if len(own) < 2:
        raise UsageError(
            f"The variance of {task} is taken from past runs of two models or more; "
            f"{len(own)} of the {len(runs)} runs have that task. Name some: --runs RUN RUN ..."
        )
    if margin is not None and not 0 < margin < float("inf"):
        raise UsageError(f"--margin is {margin:g}; it must be above 0.")
    if clusters is not None and clusters < 2:
        raise UsageError(f"--clusters is {clusters}; it must be 2 or more.")
    found: dict[tuple[str, str, str], list[Estimate]] = {}
    files = [RunFiles(run) for run in own]
    for one, other in combinations(files, 2):
        for d in compare(one, other, metrics=metrics, resamples=100, force=True).differences:
            if d.task == task and d.headline and margin is not None:
                check_margin(f"{task}.{d.scorer}.{d.metric}", margin, d.span)
            if d.task == task and d.headline and d.change.standard_error and d.change.clusters > 2:
                found.setdefault((d.scorer, d.metric, d.unit), []).append(d.change)
    if not found:
        raise UsageError(f"The runs have no metric of {task} that varies over clusters.")
    return [_plan(task, *key, rows, margin, clusters) for key, rows in found.items()]


def _plan(
    task: str,
    scorer: str,
    metric: str,
    unit: str,
    changes: Sequence[Estimate],
    margin: float | None,
    clusters: int | None,
) -> Plan:
    spreads = [(change.standard_error or 0.0) * change.clusters**0.5 for change in changes]
    spread, there = median(spreads), round(median(change.clusters for change in changes))
    items = median(change.n for change in changes)
    count = clusters or there
    needed, most = (
        clusters_needed(one, 1, margin) if margin else None for one in (spread, max(spreads))
    )
    return Plan(
        task=task,
        scorer=scorer,
        metric=metric,
        unit=unit,
        pairs=len(changes),
        spread=spread,
        low=min(spreads),
        high=max(spreads),
        clusters=there,
        items=round(items),
        detectable=detectable(spread / count**0.5, count),
        margin=margin,
        needed=needed,
        needed_items=None if needed is None else round(needed * items / there),
        needed_high=most,
    )
