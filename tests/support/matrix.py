"""Two runs of tasks x scorers x values x directions x units x failures, and what they really hold.

The metrics of one scorer stand for every way in which a metric can be: more is better or worse or
neither, points or percents, a closed or an open range, failed items left out or counted, one value
in the base and another in the candidate (as EQ-Bench takes first or revised scores).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from support.made_runs import FAILURES, MadeScorer, MadeTask, Value, write_run

from empeval import Run

TASKS = ("talks", "letters")
SCORERS = ("listener", "second")
CLUSTERS = 9
"""So few that Student's t and all sign patterns are used: every number can be checked exactly."""
COUNT = 6 * CLUSTERS
NAMES = [f"item {n}" for n in range(COUNT)]
GROUPS = [f"dialogue {n % CLUSTERS}" for n in range(COUNT)]
TARGETS = [{"part": ("first", "second", "third")[n // 18]} for n in range(COUNT)]

JUDGING = ("warmth", "coldness", "kind", "rude", "tact", "haste", "total", "counted")
"""The metrics with a direction, the first of which is the headline unless others are named."""


@dataclass(frozen=True)
class KnownMetric:
    """A metric and its items' values in base and candidate, in the metric's unit; NaN: none.

    ``lost`` are items without a score in base and candidate, ``end`` is the worst value there can
    be, ``None`` where the range is open.
    """

    task: str
    scorer: str
    metric: str
    unit: str
    higher_is_better: bool | None
    base: np.ndarray
    candidate: np.ndarray
    end: float | None
    lost: tuple[int, int]

    @property
    def name(self) -> str:
        """What a policy calls it."""
        return f"{self.task}.{self.scorer}.{self.metric}"

    @property
    def sign(self) -> int:
        """-1 where less is better."""
        return -1 if self.higher_is_better is False else 1


@dataclass(frozen=True)
class Pair:
    """Two run folders, and what they hold."""

    base: Run
    candidate: Run
    metrics: Mapping[str, KnownMetric]

    def of(self, metric: str, task: str = TASKS[0], scorer: str = SCORERS[0]) -> KnownMetric:
        """A metric."""
        return self.metrics[f"{task}.{scorer}.{metric}"]


def clusters() -> np.ndarray:
    """The number of each item's cluster."""
    return np.array([n % CLUSTERS for n in range(COUNT)])


def made_pair(
    folder: Path,
    *,
    way: str = "refused",
    lost: tuple[int, int] = (0, 0),
    gain: float = 0.0,
    gains: Mapping[str, float] | None = None,
    noise: float = 1.0,
    seed: int = 1,
    part: Iterable[int] | None = None,
) -> Pair:
    """Write two runs.

    Args:
        folder: where.
        way: how items fail, of ``FAILURES``.
        lost: how many items fail in base and candidate.
        gain: by how many standard deviations of an item the candidate is better.
        gains: the same by the metric's name, before ``gain``.
        noise: standard deviation of what changes by chance.
        seed: of all values.
        part: items that ``gain`` is for; all by default.
    """
    dice = np.random.default_rng(seed)
    chosen = np.isin(np.arange(COUNT), list(range(COUNT) if part is None else part))
    metrics: dict[str, KnownMetric] = {}
    made: dict[str, list[MadeTask]] = {"base": [], "candidate": []}
    for task in TASKS:
        failing = {
            side: frozenset(int(n) for n in dice.permutation(COUNT)[:count])
            for side, count in zip(made, lost, strict=True)
        }
        scorers: dict[str, list[MadeScorer]] = {"base": [], "candidate": []}
        for scorer in SCORERS:
            pairs = _values(dice, gain, gains or {}, noise, chosen)
            for one in pairs:
                known = one.known(task, scorer, failing["base"], failing["candidate"])
                metrics[known.name] = known
            for side, own in scorers.items():
                own.append(_scorer(scorer, [p.value(side) for p in pairs], failing[side], way))
        for side in made:
            made[side].append(_task(task, scorers[side], failing[side], way))
    runs = {
        side: write_run(folder / side, tasks, model=f"made:{side}") for side, tasks in made.items()
    }
    return Pair(runs["base"], runs["candidate"], metrics)


@dataclass(frozen=True)
class _Made:
    """A metric before anything fails: raw values and how they are declared."""

    declared: Value
    base: np.ndarray
    candidate: np.ndarray
    read: str | None = None
    """The value that the candidate's metric is of, when it is not the base's."""

    def value(self, side: str) -> Value:
        own = self.base if side == "base" else self.candidate
        name = self.read if self.read and side == "candidate" else self.declared.name
        return replace(self.declared, name=name, of=[float(x) for x in own])

    def known(
        self, task: str, scorer: str, ours: frozenset[int], theirs: frozenset[int]
    ) -> KnownMetric:
        told = self.declared
        scale = 100.0 if told.unit == "percent" else told.scale
        missing = np.nan if told.failed_as is None else told.failed_as
        sides = [
            scale * np.where(np.isin(np.arange(COUNT), list(failing)), missing, raw)
            for raw, failing in ((self.base, ours), (self.candidate, theirs))
        ]
        end = told.high if told.higher_is_better is False else told.low
        return KnownMetric(
            task,
            scorer,
            told.metric or told.name,
            told.unit,
            told.higher_is_better,
            sides[0],
            sides[1],
            None if end is None else scale * end,
            (len(ours), len(theirs)),
        )


def _values(
    dice: np.random.Generator,
    gain: float,
    gains: Mapping[str, float],
    noise: float,
    chosen: np.ndarray,
) -> list[_Made]:
    found = []

    def points(name: str, up: bool | None, mean: float = 5.0, **declared: object) -> None:
        base = np.clip(dice.normal(mean, 1, COUNT), 0, 10)
        by = gains.get(str(declared.get("metric") or name), gain) * (-1 if up is False else 1)
        change = dice.normal(0, noise, COUNT) + by * chosen
        declared_as = Value(name, (), higher_is_better=up, **declared)  # type: ignore[arg-type]
        found.append(_Made(declared_as, base, np.clip(base + change, 0, 10)))

    def share(name: str, up: bool) -> None:
        tendency = dice.normal(0, 1, COUNT)
        by = gains.get(name, gain) * (1 if up else -1)
        candidate = tendency + noise * dice.normal(0, 1, COUNT) + by * chosen
        declared = Value(name, (), unit="percent", higher_is_better=up, low=0, high=1)
        found.append(_Made(declared, (tendency > 0) * 1.0, (candidate > 0) * 1.0))

    points("words", None, unit="words")
    points("warmth", True, low=0, high=10)
    points("coldness", False, low=0, high=10)
    share("kind", True)
    share("rude", False)
    points("tact", True)  # the range is open
    points("haste", False)
    points("first", True, metric="total", scale=10.0, low=0, high=10)
    found[-1] = replace(found[-1], read="revised")
    points("whole", True, metric="counted", failed_as=0.0, low=0, high=10)
    return found


def _scorer(name: str, values: Sequence[Value], failing: frozenset[int], way: str) -> MadeScorer:
    bare = [
        replace(v, of=[None if n in failing else x for n, x in enumerate(v.of)]) for v in values
    ]
    statuses = [FAILURES[way][1] if n in failing else "ok" for n in range(COUNT)]
    return _Decoyed(name, bare, statuses)


@dataclass(frozen=True)
class _Decoyed(MadeScorer):
    """A scorer whose scores hold both values that ``total`` may be of; the other is far off."""

    def scores(self, ids: Sequence[str]) -> list:  # type: ignore[type-arg]
        made = super().scores(ids)
        for score in made:
            if score.status == "ok":
                for name in ("first", "revised"):
                    score.values.setdefault(name, 0.25)
        return made


def _task(name: str, scorers: Sequence[MadeScorer], failing: frozenset[int], way: str) -> MadeTask:
    return MadeTask(
        name,
        NAMES,
        scorers,
        clusters=GROUPS,
        answers=["" if n in failing else f"{name}, answer {n}." for n in range(COUNT)],
        statuses=[FAILURES[way][0] if n in failing else "ok" for n in range(COUNT)],
        targets=TARGETS,
    )
