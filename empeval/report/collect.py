"""What a report shows of runs: figures, samples side by side, values to plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empeval.comparing.joined import RunFiles
from empeval.estimates import item_values
from empeval.records import Item, Metric, ResponseLine, Score
from empeval.runs import Run
from empeval.scripts import own_replies

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_RUNS = len(LETTERS)


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
    """A figure's item values in every run of a report.

    Attributes:
        task, scorer, metric, unit: which figure.
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


def main_figures(every: Sequence[Column], task: str) -> list[Metric]:
    """The first figure with a direction of each scorer of a task, as the first run that has it."""
    found: dict[str, Metric] = {}
    for one in every:
        if task in one.run.manifest.tasks:
            for metric in one.files.metrics(task).values():
                if metric.higher_is_better is not None and metric.scorer not in found:
                    found[metric.scorer] = metric
    return list(found.values())


def values_of(every: Sequence[Column], task: str, metric: Metric) -> Values:
    """A figure's item values in every run that has it; items are those of any run."""
    own = [one for one in every if task in one.run.manifest.tasks]
    lines: dict[str, ResponseLine] = {}
    for one in own:
        for line in one.files.lines(task):
            lines.setdefault(line.id, line)
    ids = list(lines)
    by_run, words = {}, {}
    for one in own:
        figure = one.files.metrics(task).get((metric.scorer, metric.metric))
        if figure is None:
            continue
        by_run[one.letter] = item_values(one.files.scores(task, metric.scorer), ids, figure)
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
        emotions=[str(lines[i].item.target.get("emotion") or "") for i in ids],
        clusters=[lines[i].item.cluster for i in ids],
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


def samples(every: Sequence[Column]) -> list[dict[str, Any]]:
    """Every item once, with what each run answered and each scorer said; as JSON.

    Texts are as they were written: whoever shows them must treat them as text.
    """
    made = []
    for task in tasks_of(every):
        own = [one for one in every if task in one.run.manifest.tasks]
        lines: dict[tuple[str, str], dict[str, ResponseLine]] = {}
        for one in own:
            for line in one.files.lines(task):
                lines.setdefault((line.id, line.item_hash), {})[one.letter] = line
        scores = {
            one.letter: {
                label: one.files.scores(task, label)
                for label in one.run.manifest.scorers.get(task, {})
            }
            for one in own
        }
        for (identifier, _), answers in lines.items():
            item = next(iter(answers.values())).item
            made.append(
                {
                    "task": task,
                    "id": identifier,
                    "emotion": str(item.target.get("emotion") or ""),
                    "turns": _said({letter: line.item for letter, line in answers.items()}),
                    "reference": item.reference,
                    "answers": {
                        letter: {
                            "text": line.response,
                            "status": line.status,
                            "scores": {
                                label: _score(by_id[identifier])
                                for label, by_id in scores[letter].items()
                                if identifier in by_id
                            },
                        }
                        for letter, line in answers.items()
                    },
                }
            )
    return made


def _said(items: Mapping[str, Item]) -> list[list[str]]:
    """What stood before the answers: roles and texts; replies of each run's own with its letter."""
    first = next(iter(items.values()))
    own = set(own_replies(first))
    turns = []
    for place, message in enumerate(first.messages):
        if place not in own:
            turns.append([message.role, message.content])
            continue
        for letter, item in items.items():
            who = f"assistant {letter}" if len(items) > 1 else "assistant"
            turns.append([who, item.messages[place].content])
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
