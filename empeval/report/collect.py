"""What a report shows of runs: metrics, samples side by side, values to plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

import numpy as np

from empeval.comparing.joined import RunFiles
from empeval.estimates import item_values
from empeval.records import Item, Metric, ResponseLine, Score
from empeval.runs import Run
from empeval.scripts import own_replies

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_RUNS = len(LETTERS)
MOST_ITEMS = 10_000
"""Items whose answers a page holds: with more, a browser takes too long to open it."""


@dataclass(frozen=True)
class Column:
    """One run of a report.

    Attributes:
        letter: A, B ... by which tables and plots name it.
        files: its folder.
    """

    letter: str
    files: RunFiles

    @property
    def run(self) -> Run:
        """The run folder."""
        return self.files.run


@dataclass(frozen=True)
class Values:
    """A metric's item values in every run of a report.

    Attributes:
        task, scorer, metric, unit: which metric.
        higher_is_better: its direction.
        ids: of the items.
        by_run: letter -> shape (items,); NaN where an item has none.
        words: letter -> words of the answers, shape (items,).
        emotions: of the items, shape (items,); "" where none is stated.
        clusters: names, as many as items.
    """

    task: str
    scorer: str
    metric: str
    unit: str
    higher_is_better: bool | None
    ids: list[str]
    by_run: dict[str, np.ndarray]
    words: dict[str, np.ndarray]
    emotions: list[str]
    clusters: list[str]


def columns(runs: Sequence[Run], *, partial: bool) -> list[Column]:
    """Runs with their letters."""
    return [
        Column(letter, RunFiles(run, partial)) for letter, run in zip(LETTERS, runs, strict=False)
    ]


def tasks_of(every: Sequence[Column]) -> list[str]:
    """Tasks that any run has, in the order in which they first come."""
    return list(dict.fromkeys(name for one in every for name in one.run.manifest.tasks))


def main_metrics(every: Sequence[Column], task: str) -> list[Metric]:
    """The first metric with a direction of each scorer of a task, as the first run that has it."""
    found: dict[str, Metric] = {}
    for one in every:
        if task in one.run.manifest.tasks:
            for metric in one.files.metrics(task).values():
                if metric.higher_is_better is not None and metric.scorer not in found:
                    found[metric.scorer] = metric
    return list(found.values())


def values_of(every: Sequence[Column], task: str, metric: Metric) -> Values:
    """A metric's item values in every run that has it; items are those of any run."""
    own = [one for one in every if task in one.run.manifest.tasks]
    items: dict[str, tuple[str, str]] = {}  # cluster and emotion; texts of any length are left
    for one in own:
        for name, answer in one.files.answers(task).items():
            if name not in items:
                emotion = str(answer.item.target.get("emotion") or "")
                items[name] = intern(answer.item.cluster), intern(emotion)
    ids = list(items)
    by_run, words = {}, {}
    for one in own:
        there = one.files.metrics(task).get((metric.scorer, metric.metric))
        if there is None:
            continue
        by_run[one.letter] = item_values(one.files.scores(task, metric.scorer), ids, there)
        answers = one.files.answers(task)
        words[one.letter] = np.array(
            [len(answers[i].response.split()) if i in answers else np.nan for i in ids]
        )
    return Values(
        task=task,
        scorer=metric.scorer,
        metric=metric.metric,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        ids=ids,
        by_run=by_run,
        words=words,
        emotions=[emotion for _, emotion in items.values()],
        clusters=[cluster for cluster, _ in items.values()],
    )


def failures(every: Sequence[Column], task: str) -> dict[str, Counter[str]]:
    """Letter -> how often answers and scores of a task have each status other than ``ok``.

    Scorers that give a reason for a failure (the label ``reason``) are counted by it.
    """
    found: dict[str, Counter[str]] = {}
    for one in every:
        if task not in one.run.manifest.tasks:
            continue
        counts: Counter[str] = Counter()
        for answer in one.files.answers(task).values():
            if answer.status != "ok":
                counts[f"answer {answer.status}"] += 1
        for label in one.run.manifest.scorers.get(task, {}):
            for score in one.files.scores(task, label).values():
                if score.status != "ok":
                    counts[f"{label}: {score.labels.get('reason', score.status)}"] += 1
        found[one.letter] = counts
    return found


def count_of(every: Sequence[Column]) -> int:
    """How many items the tasks of a report have, those of any run."""
    return sum(len(_items(every, task)) for task in tasks_of(every))


def _items(every: Sequence[Column], task: str) -> list[str]:
    """Ids of a task's items in any run, those of a run in their natural order.

    So a dialogue's turns stand together.
    """
    own = [one.files for one in every if task in one.run.manifest.tasks]
    return list(dict.fromkeys(name for files in own for name in files.lines(task).ids))


def samples(every: Sequence[Column]) -> list[dict[str, Any]]:
    """Items with what each run answered and each scorer said; as JSON.

    Of more than ``MOST_ITEMS``, so many at even distances. Texts are as they were written: whoever
    shows them must treat them as text.
    """
    share = min(1.0, MOST_ITEMS / (count_of(every) or 1))
    made: list[dict[str, Any]] = []
    for task in tasks_of(every):
        own = [one for one in every if task in one.run.manifest.tasks]
        ids = _items(every, task)
        chosen = int(share * len(ids))
        for identifier in (ids[n * len(ids) // chosen] for n in range(chosen)):
            made += _sample(own, task, identifier)
    return made


def _sample(own: Sequence[Column], task: str, identifier: str) -> Iterator[dict[str, Any]]:
    """An item as JSON; more than one where runs ask something else under one id."""
    asked: dict[str, dict[str, ResponseLine]] = {}
    for one in own:
        line = one.files.line(task, identifier)
        if line is not None:
            asked.setdefault(line.item_hash, {})[one.letter] = line
    scorers = {one.letter: one.run.manifest.scorers.get(task, {}) for one in own}
    files = {one.letter: one.files for one in own}
    for lines in asked.values():
        item = next(iter(lines.values())).item
        yield {
            "task": task,
            "id": identifier,
            "emotion": str(item.target.get("emotion") or ""),
            "turns": _said({letter: line.item for letter, line in lines.items()}),
            "reference": item.reference,
            "answers": {
                letter: {
                    "text": line.response,
                    "status": line.status,
                    "scores": {
                        label: _score(score)
                        for label in scorers[letter]
                        if (score := files[letter].scores(task, label).get(identifier)) is not None
                    },
                }
                for letter, line in lines.items()
            },
        }


def _said(items: Mapping[str, Item]) -> list[list[str]]:
    """What stood before the answers: roles and texts; replies of each run's own with its letter."""
    first = next(iter(items.values()))
    own = set(own_replies(first))
    turns = []
    for index, message in enumerate(first.messages):
        if index not in own:
            turns.append([message.role, message.content])
            continue
        for letter, item in items.items():
            who = f"assistant {letter}" if len(items) > 1 else "assistant"
            turns.append([who, item.messages[index].content])
    return turns


def _score(score: Score) -> dict[str, Any]:
    """A score, short: values to four digits, labels, status where it is not ok, note."""
    made: dict[str, Any] = {"v": {k: round(v, 4) for k, v in score.values.items()}}
    if score.labels:
        made["l"] = score.labels
    if score.status != "ok":
        made["s"] = score.status
    if score.note:
        made["n"] = score.note
    return made
