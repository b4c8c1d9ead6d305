"""The first screen of a report: what came out, how sure it is, and where it shows most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empeval.amounts import amount, interval, probability
from empeval.comparing.many import ManyRuns
from empeval.comparing.records import Comparison, Difference
from empeval.comparing.words import matrix_cells, name_of, ranks_of, sentence, verdict_of
from empeval.errors import RunFolderError, counted
from empeval.gating.passed import read_note
from empeval.records import Estimate
from empeval.report.collect import Column, main_metrics, tasks_of, values_of
from empeval.runs import Run

FALLS = 3
"""How many of the largest falls are shown."""
BAR = 400
"""Width of an interval's bar, in its own units; its middle is zero."""


@dataclass(frozen=True)
class Bar:
    """An interval drawn to scale, from 0 to ``BAR``; ``margin`` is None where there is none.

    Attributes:
        low, value, high: of the interval.
        margin: from where to where a difference does not matter.
        ends: what 0 and ``BAR`` stand for.
    """

    low: float
    value: float
    high: float
    margin: tuple[float, float] | None
    ends: tuple[str, str]


@dataclass(frozen=True)
class Band:
    """The verdict on one headline metric of one candidate.

    Attributes:
        verdict: the word of a table, and the class of the style.
        words: the verdict with its numbers, in a sentence.
        more: what else is to be known of it.
        bar: its interval, where there is one.
    """

    verdict: str
    words: str
    more: str
    bar: Bar | None


@dataclass(frozen=True)
class Fall:
    """An item on which a candidate did worse than the base.

    Attributes:
        task, id, metric: where.
        asked: the last turn of the question.
        before, after: the answers. base, candidate: their values.
    """

    task: str
    id: str
    metric: str
    asked: str
    before: str
    after: str
    base: float
    candidate: float


@dataclass(frozen=True)
class Board:
    """Runs in order by one metric, with their intervals drawn to one scale.

    Attributes:
        metric: its name. items: that were asked; ``shared``: those of which all runs have a value.
        ends: what the ends of the bars stand for.
        rows: rank, its interval, letter, mean, interval of the mean, groups, bar.
        cells: (row's letter, column's letter) -> the row less the column, and a star where they
            differ.
    """

    metric: str
    items: int
    shared: int
    ends: tuple[str, str]
    rows: list[dict[str, Any]]
    cells: dict[tuple[str, str], str]


def run_names(every: Sequence[Column]) -> dict[str, str]:
    """Letter -> the model, and what tells its run from others of the same model.

    That is the settings in which they differ; where there are none, the folder's name.
    """
    titles = {one.letter: one.run.manifest.model.title for one in every}
    settings = {one.letter: _settings(one.run) for one in every}
    names = {}
    for one in every:
        twins = [t.letter for t in every if titles[t.letter] == titles[one.letter]]
        own = settings[one.letter]
        keys = {key for twin in twins for key in settings[twin]}
        differ = [k for k in sorted(keys) if len({settings[t].get(k, "-") for t in twins}) > 1]
        told = ", ".join(f"{key} {own.get(key, '-')}" for key in differ)
        alike = len({tuple(settings[t].get(k, "-") for k in differ) for t in twins}) < len(twins)
        if len(twins) > 1 and alike:
            told = ", ".join(part for part in (told, one.run.path.name) if part)
        names[one.letter] = titles[one.letter] + (f" ({told})" if told else "")
    return names


def _settings(run: Run) -> dict[str, str]:
    manifest = run.manifest
    found = {str(k): str(v) for k, v in manifest.model.arguments.items()}
    if manifest.model.system is not None:
        found["system"] = " ".join(manifest.model.system.split())[:60]
    for task in manifest.tasks.values():
        for key in ("temperature", "top_p", "max_tokens", "seed"):
            value = getattr(task.sampling, key)
            found.setdefault(key.replace("_", " "), f"{value:g}")
    return found


def bands(comparison: Comparison, name: str) -> list[Band]:
    """The verdicts on a candidate's headline metrics.

    Args:
        comparison: with the base.
        name: what the candidate is called.
    """
    return [_band(d, name) for d in comparison.differences if d.headline]


def _band(d: Difference, name: str) -> Band:
    verdict = verdict_of(d)
    change = d.change.value
    if verdict not in ("better", "worse") or d.too_unscored or change is None:
        return Band(verdict, sentence(d), _rests_on(d), _bar(d))
    sign = "+" if change > 0 else ""
    margin = "" if d.margin is None else f", margin {amount(d.margin)}"
    said = (
        f"{name} is {verdict} on {name_of(d)}: {amount(d.sides.base.mean)} to "
        f"{amount(d.sides.candidate.mean)}, {sign}{amount(change)} "
        f"({interval(d.change.interval)}){margin}"
    )
    return Band(verdict, said, f"{_rests_on(d)}. {_beside_margin(d)}.", _bar(d))


def _rests_on(d: Difference) -> str:
    """What a difference is of: unit, items, clusters, p."""
    groups = (
        f" in {counted(d.change.clusters, 'cluster')}" if d.change.clusters < d.change.n else ""
    )
    p = probability(d.p_values.holm)
    told = "" if p == "-" else f"; p {p}, adjusted over the headline metrics"
    return (
        f"{d.unit}, of {counted(d.change.n, 'item')}{groups} that both runs have a value of{told}"
    )


def _beside_margin(d: Difference) -> str:
    if d.margin is None:
        return "No margin was given, so any difference counts, however small"
    ends = d.change.interval
    shown = ends is not None and (ends.low > d.margin or ends.high < -d.margin)
    return f"That it is more than the margin is {'shown' if shown else 'not shown'}"


def _bar(d: Difference) -> Bar | None:
    value, reach = d.change.value, d.change.interval
    if value is None or reach is None:
        return None
    margin = d.margin or 0.0
    most = 1.15 * max(abs(reach.low), abs(reach.high), margin)
    if not most:
        return None
    ends = (_position(-margin, most), _position(margin, most)) if margin else None
    low, middle, high = (_position(v, most) for v in (reach.low, value, reach.high))
    return Bar(low, middle, high, ends, (amount(-most), f"+{amount(most)}"))


def _position(value: float, most: float) -> float:
    return round(BAR / 2 * (1 + value / most), 1)


def gate_outcomes(every: Sequence[Column]) -> dict[str, str]:
    """Letter -> what the gate last said of a run, where it was asked."""
    found = {}
    for one in every:
        try:
            note = read_note(one.run.path)
        except RunFolderError:
            continue
        if note is not None:
            found[one.letter] = f"{note.outcome} against {note.base}"
    return found


def falls(every: Sequence[Column], base: str, candidate: str) -> list[Fall]:
    """The items on which a candidate lost most by the first metric with a direction.

    Args:
        every: the runs.
        base: the letter of one.
        candidate: the letter of the other.
    """
    pair = [one for one in every if one.letter in (base, candidate)]
    for task in tasks_of(pair):
        for metric in main_metrics(pair, task):
            values = values_of(pair, task, metric)
            if {base, candidate} <= values.by_run.keys():
                return _falls(pair, task, f"{metric.scorer}.{metric.metric}", values, base,
                              candidate)  # fmt: skip
    return []


def _falls(
    pair: Sequence[Column], task: str, metric: str, values: Any, base: str, candidate: str
) -> list[Fall]:
    change = values.by_run[candidate] - values.by_run[base]
    if values.higher_is_better is False:
        change = -change
    files = {one.letter: one.files for one in pair}
    found: list[Fall] = []
    for index in np.argsort(change, kind="stable"):
        identifier = values.ids[index]
        if not change[index] < 0 or len(found) == FALLS:  # NaN sorts last
            break
        before, after = (files[side].line(task, identifier) for side in (base, candidate))
        if before is None or after is None:
            continue
        found.append(
            Fall(
                task=task,
                id=identifier,
                metric=metric,
                asked=before.item.messages[-1].content if before.item.messages else "",
                before=before.response,
                after=after.response,
                base=float(values.by_run[base][index]),
                candidate=float(values.by_run[candidate][index]),
            )
        )
    return found


def boards(many: ManyRuns, letters: Mapping[str, str]) -> list[Board]:
    """Leaderboards of three or more runs.

    Args:
        many: the comparison of all of them.
        letters: run folder -> letter.
    """
    found = []
    for matrix in many.matrices:
        ends = [x for r in matrix.ranking for x in _reach(r.estimate)]
        low, high = min(ends), max(ends)
        room = 0.05 * (high - low) or 1.0
        ends_said = amount(low - room), amount(high + room)
        rows = []
        for ranked in matrix.ranking:
            bar = None
            if ranked.estimate.interval is not None:
                left, middle, right = (
                    _along(v, low - room, high + room) for v in _reach(ranked.estimate)
                )
                bar = Bar(left, middle, right, None, ends_said)
            rows.append(
                {
                    "rank": ranked.rank,
                    "ranks": ranks_of(ranked),
                    "letter": letters[ranked.run],
                    "mean": amount(ranked.estimate.value),
                    "interval": interval(ranked.estimate.interval),
                    "groups": ranked.groups,
                    "bar": bar,
                }
            )
        cells = {(letters[a], letters[b]): text for (a, b), text in matrix_cells(matrix).items()}
        name = f"{matrix.task} {matrix.scorer}.{matrix.metric}"
        found.append(Board(name, matrix.items, matrix.shared, ends_said, rows, cells))
    return found


def _reach(estimate: Estimate) -> tuple[float, float, float]:
    """Low, value and high; three times the value where there is no interval."""
    value, ends = estimate.value or 0.0, estimate.interval
    return (value, value, value) if ends is None else (ends.low, value, ends.high)


def _along(value: float, low: float, high: float) -> float:
    return round(BAR * (value - low) / (high - low), 1)
