"""Questions of EQ-Bench's shape, with words of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from empeval import Item, Message, Metric, Response, Sample, Score, Scored
from empeval_tasks.eqbench.questions import eqbench_target
from empeval_tasks.eqbench.scorer import EQBenchScorer

NAMES = ("Calm", "Jealous", "Amused", "Weary")
REFERENCE = {"Calm": 2.0, "Jealous": 7.0, "Amused": 0.0, "Weary": 5.0}

FERRY = ["Ada: The ferry left.", "Bo: Without us?", "Ada: With our tent."]
STOVE = ["Cy: Is it lit?", "Di: It was."]


def prompt(
    turns: list[str],
    about: str = "Ada",
    names: tuple[str, ...] = NAMES,
    *,
    revise: bool = False,
    mark: str = "[dialogue over]",
    headings: tuple[str, str] = ("First pass scores:", "Revised scores:"),
) -> str:
    """A prompt built from the blocks that EQ-Bench's prompts are built from."""
    form = [f"{name}: <number>" for name in names]
    twice = [
        "\n".join([headings[0], *form]),
        "Doubts: <your doubts>",
        "\n".join([headings[1], *form]),
    ]
    blocks = [
        "Read what these people say:",
        "\n".join([*turns, mark]),
        "\n".join([f"When it is over, {about} feels...", *names]),
        "Put a number on each." + (" Doubt it. Put a new number on each." if revise else ""),
        "Use this form:",
        *(twice if revise else ["\n".join(form) + "\n"]),
        "[answer over]",
        "Nought is a number too.",
    ]
    text = "\n\n".join(blocks)
    return f"\n{text}\n" if revise else f"{text}\n\nYour answer:"


def row(text: str, reference: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """A row as the data set has it: the reference is a Python literal, some numbers are text."""
    mapping: dict[str, Any] = {}
    for number, (name, score) in enumerate((reference or REFERENCE).items(), 1):
        mapping[f"emotion{number}"] = name
        mapping[f"emotion{number}_score"] = str(int(score)) if number % 2 else int(score)
    return {"prompt": text, "reference_answer_fullscale": repr(mapping), **more}


def mirror(folder: Path, rows: list[dict[str, Any]], dataset: str, name: str) -> Path:
    """Write rows where a mirror of data sets has them; returns the mirror."""
    path = folder.joinpath(*dataset.split("/"), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return folder


def item(
    identifier: str = "1",
    reference: dict[str, float] | None = None,
    *,
    cluster: str | None = None,
    **target: Any,
) -> Item:
    return Item(
        id=identifier,
        messages=(Message("user", "?"),),
        cluster=cluster or identifier,
        target=eqbench_target(reference or REFERENCE, **target),
    )


def answer(scores: dict[str, float] | None = None, heading: str = "") -> str:
    """An answer in the form that was asked for."""
    lines = [f"{name}: {score:g}" for name, score in (scores or REFERENCE).items()]
    return "\n".join(([heading] if heading else []) + lines)


def revised_answer(first: dict[str, float], revised: dict[str, float]) -> str:
    return (
        answer(first, "First pass scores:")
        + "\n\nCritique: too bold.\n\n"
        + answer(revised, "Revised scores:")
    )


def score_one(text: str, status: str = "ok", **target: Any) -> Score:
    response = Response("1", text, status=status)  # type: ignore[arg-type]
    return EQBenchScorer().score([Sample(item(**target), response)])[0]


def metrics_of(texts: list[str], status: str = "ok", **target: Any) -> dict[str, Metric]:
    """The scorer's metrics for answers to as many questions with the same reference."""
    responses = [Response(str(i), text, status=status) for i, text in enumerate(texts)]  # type: ignore[arg-type]
    samples = [Sample(item(r.id, **target), r) for r in responses]
    scorer = EQBenchScorer()
    scored = list(map(Scored, samples, scorer.score(samples)))
    return {metric.metric: metric for metric in scorer.metrics(scored)}
