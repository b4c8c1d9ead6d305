"""EQ-Bench's own results: ``raw_results.json``, and the file a model in its repository.

Answers are kept there as text (``raw_inference``), and as the scores that its parser found
(``respondent_answers``). Where the text is missing, those scores are written out again in the
form that the questions ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from empeval.answers.fields import object_in
from empeval.answers.records import Row, SavedAnswer

NAME = "EQ-Bench results"

_HELD = ("raw_inference", "respondent_answers")


def fits(document: Row) -> bool:
    """Whether an object is EQ-Bench's results of one or more runs, or of one model."""
    return any(True for _ in _iterations(document))


def read(document: Row, label: str) -> Iterator[SavedAnswer]:
    """Each question's answers as answers, by run and iteration."""
    for run, index, iteration in _iterations(document):
        texts, scores = (object_in(iteration, held) for held in _HELD)
        for question in dict.fromkeys([*scores, *texts]):
            text = texts.get(question)
            if not isinstance(text, str):
                text = _written(object_in(scores, question))
            yield SavedAnswer(
                where=f"{label}, question {question} of {run}",
                text=text,
                id=str(question),
                source=run,
                repeat=index,
                note=None if text is not None else "EQ-Bench's results hold no answer to it",
            )


def _iterations(document: Row) -> Iterator[tuple[str, int, Row]]:
    """(run, number of the iteration from 0, iteration) of each."""
    for run, iterations in _runs(document):
        for index, iteration in enumerate(iterations.values()):
            if isinstance(iteration, dict) and any(object_in(iteration, h) for h in _HELD):
                yield run, index, iteration


def _runs(document: Row) -> Iterator[tuple[str, Mapping[str, Any]]]:
    raw = document.get("raw_results")
    if isinstance(raw, dict):  # one model, as in the repository
        yield str(document.get("model_path") or "its model"), raw
        return
    for name, run in document.items():
        if isinstance(run, dict) and isinstance(run.get("iterations"), dict):
            yield name, run["iterations"]


def _written(scores: Row) -> str | None:
    """Parsed scores as the text that they were read from; ``None`` where there are none."""
    first, revised = (_lines(object_in(scores, f"{name}_answers")) for name in
                      ("first_pass", "revised"))  # fmt: skip
    if first and revised:
        return f"First pass scores:\n{first}\n\nRevised scores:\n{revised}"
    return first or (f"Revised scores:\n{revised}" if revised else None)


def _lines(scores: Row) -> str:
    return "\n".join(f"{emotion}: {score}" for emotion, score in scores.items())
