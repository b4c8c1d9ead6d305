"""The metrics of a run as other programs want them: with a standard error, a method, a range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from empeval.estimates import estimate_of, item_values, mean_of, numbered, source_of
from empeval.records import Estimate, Interval, Metric
from empeval.runs import RunFiles


@dataclass(frozen=True)
class KnownMetric:
    """A metric that has a value.

    Attributes:
        metric: as ``metrics.json`` has it.
        value: in ``metric.unit``.
        estimate: the same from the items; ``None`` where it is no plain mean of them.
    """

    metric: Metric
    value: float
    estimate: Estimate | None = None

    @property
    def name(self) -> str:
        """``SCORER.METRIC``."""
        return f"{self.metric.scorer}.{self.metric.metric}"

    @property
    def standard_error(self) -> float | None:
        """Over clusters, in the metric's unit; ``None`` where it is not known."""
        return self.estimate.standard_error if self.estimate else None

    @property
    def method(self) -> str | None:
        """How the interval was made, where it is known."""
        interval = self.estimate.interval if self.estimate else None
        return interval.method if interval else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval."""
        low, high = self.metric.ci_low, self.metric.ci_high
        return None if low is None or high is None else (low, high)

    @property
    def range(self) -> tuple[float | None, float | None] | None:
        """The least and the most that it can be, ``None`` where open; ``None``: not known."""
        if self.metric.unit == "percent":
            return 0.0, 100.0
        if self.metric.source is None:
            return None
        source = source_of(self.metric)
        ends = [None if end is None else end * source.scale for end in (source.low, source.high)]
        low, high = ends if source.scale >= 0 else reversed(ends)
        return low, high

    def facts(self) -> dict[str, str | int | float]:
        """What else is known of it, without what is not there."""
        metric = self.metric
        found = {
            "unit": metric.unit,
            "ci_low": metric.ci_low,
            "ci_high": metric.ci_high,
            "ci_method": self.method,
            "n": metric.n,
            "n_failed": metric.n_failed,
            "n_clusters": metric.n_clusters,
            "note": metric.note,
        }
        return {name: value for name, value in found.items() if value is not None}

    def sentence(self) -> str:
        """The metric's name, interval and n, for a note."""
        parts = [self.name]
        if self.interval:
            parts.append(f"95 % interval {self.interval[0]:.4g} to {self.interval[1]:.4g}")
        parts.append(f"n = {self.metric.n}")
        if self.metric.n_failed:
            parts.append(f"{self.metric.n_failed} failed")
        return ", ".join(parts)


def metrics_of(files: RunFiles, task: str) -> list[KnownMetric]:
    """The metrics of a task that have a value, in the order of ``metrics.json``."""
    means = files.metrics(task)
    return [
        KnownMetric(
            metric, metric.value, _estimate(files, means.get((metric.scorer, metric.metric)))
        )
        for metric in files.run.metrics()
        if metric.task == task and metric.value is not None
    ]


def values_by_item(files: RunFiles, known: KnownMetric, ids: list[str]) -> list[float | None]:
    """What each item has in a metric, in its unit; ``None`` where the scorer gave no value.

    Args:
        files: the run.
        known: a plain mean.
        ids: of the items.
    """
    mean = files.metrics(known.metric.task)[known.metric.scorer, known.metric.metric]
    values = item_values(files.scores(mean.task, mean.scorer), ids, mean, own=True)
    return [None if math.isnan(value) else float(value) for value in values]


def _estimate(files: RunFiles, mean: Metric | None) -> Estimate | None:
    """The metric from its items; ``None`` where that is not what ``metrics.json`` says."""
    if mean is None or mean.value is None:
        return None
    answers = files.answers(mean.task)
    values = item_values(files.scores(mean.task, mean.scorer), list(answers), mean)
    clusters = numbered(answer.item.cluster for answer in answers.values())
    made = estimate_of(values, clusters, mean)
    if made.value is None or not math.isclose(made.value, mean.value, rel_tol=1e-9, abs_tol=1e-9):
        return None
    # older versions did not cut the interval at the ends of the scale
    made_ways = (made.interval, mean_of(values, clusters).interval)
    interval = next((ends for ends in made_ways if ends and _is_of(ends, mean)), None)
    return msgspec.structs.replace(made, interval=interval)


def _is_of(ends: Interval, metric: Metric) -> bool:
    """Whether an interval is the one that ``metrics.json`` has."""
    pairs = ((ends.low, metric.ci_low), (ends.high, metric.ci_high))
    return all(
        said is not None and math.isclose(end, said, rel_tol=1e-9, abs_tol=1e-9)
        for end, said in pairs
    )
