"""The four published variants of the EQ score, computed from one run's answers.

The answers are the same in all four; what differs is the signal that ``alignment`` is made of:
none (``base``), the emotions' overlap (``emotion head``), the strategy's expected rating
(``strategy head``), the mean of both (``both heads``). So their differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from empeval import Run, Score, Sheet, UsageError, cluster_mean
from empeval_heads.eq import VARIANTS, WEIGHT, align, eq

SCORER = "eq"


@dataclass(frozen=True)
class Variant:
    """One variant's metrics.

    Attributes:
        name: see ``eq.VARIANTS``.
        n: replies scored. failed: replies that could not be.
        eq, mass, alignment: means, the first with its 95 % interval.
        less_base: paired difference from ``base``, with its 95 % interval.
    """

    name: str
    n: int
    failed: int
    eq: tuple[float, float | None, float | None]
    mass: float
    alignment: float
    less_base: tuple[float, float | None, float | None]


def eq_label(run: Run, task: str) -> str | None:
    """What the run calls the scorer ``eq`` on a task; ``None`` where it was not used."""
    for label, entry in run.manifest.scorers.get(task, {}).items():
        if entry.name == SCORER:
            return label
    return None


def values(score: Score, name: str) -> tuple[float, float, float]:
    """(empathy mass, alignment, EQ) of a score of status ``ok`` in a variant."""
    parts = score.values
    mass = parts["empathy_mass"]
    aligned = align(VARIANTS[name], parts["emotion_alignment"], parts["strategy_alignment"])
    return mass, aligned, eq(mass, aligned)


def variants(run: Run, task: str) -> list[Variant]:
    """The four variants' metrics on a task of a run.

    Raises:
        UsageError: the run was not scored by ``eq``, or none of its replies could be.
    """
    scores, clusters = _scores(run, task)
    good = [score for score in scores if score.status == "ok"]
    if not good:
        raise UsageError(f"{run.path}: no reply of {task} could be scored by '{SCORER}'.")
    groups = [clusters[score.id] for score in good]
    base = [values(score, "base")[2] for score in good]
    found = []
    for name in VARIANTS:
        rows = [values(score, name) for score in good]
        own = [row[2] for row in rows]
        found.append(
            Variant(
                name=name,
                n=len(good),
                failed=len(scores) - len(good),
                eq=cluster_mean(own, groups, low=0, high=1 + WEIGHT),
                mass=sum(row[0] for row in rows) / len(rows),
                alignment=sum(row[1] for row in rows) / len(rows),
                less_base=cluster_mean([a - b for a, b in zip(own, base, strict=True)], groups),
            )
        )
    return found


def variant_sheets(run: Run) -> list[Sheet]:
    """A summary of the variants and a sheet for each, for every task that ``eq`` scored."""
    made: list[Sheet] = []
    tasks = [task for task in run.manifest.tasks if eq_label(run, task)]
    for task in tasks:
        where = f" ({task})" if len(tasks) > 1 else ""
        scores, _ = _scores(run, task)
        if any(score.status == "ok" for score in scores):
            made.append(_summary(f"variants{where}", variants(run, task)))
        answers = {line.id: line.response for line in run.responses(task)}
        made += [_sheet(f"{name}{where}", name, scores, answers) for name in VARIANTS]
    return made


def _scores(run: Run, task: str) -> tuple[Sequence[Score], dict[str, str]]:
    label = eq_label(run, task)
    if label is None:
        raise UsageError(
            f"{run.path} has no EQ scores of {task}. Add them with: empeval score {run.path} "
            f"--scorers {SCORER}"
        )
    clusters = {line.id: line.item.cluster for line in run.responses(task)}
    return run.scores(task, label), clusters


def _summary(name: str, found: Sequence[Variant]) -> Sheet:
    columns = (
        "variant", "n", "failed", "eq", "eq_low", "eq_high", "empathy_mass", "alignment",
        "less_base", "less_base_low", "less_base_high",
    )  # fmt: skip
    rows = [(v.name, v.n, v.failed, *v.eq, v.mass, v.alignment, *v.less_base) for v in found]
    return Sheet(name, columns, [tuple(row) for row in rows])


def _sheet(name: str, variant: str, scores: Sequence[Score], answers: dict[str, str]) -> Sheet:
    columns = (
        "id", "response", "status", "empathy_mass", "alignment", "eq", "emotion", "strategy",
        "note",
    )  # fmt: skip
    rows: list[tuple[str | float | None, ...]] = []
    for score in scores:
        numbers = values(score, variant) if score.status == "ok" else (None, None, None)
        labels = (score.labels.get("emotion"), score.labels.get("strategy"))
        rows.append((score.id, answers.get(score.id), score.status, *numbers, *labels, score.note))
    return Sheet(name, columns, rows)
