"""What tests of judges share: a rubric in a file, the judge's target, samples that hold replies."""

from __future__ import annotations

import re
from pathlib import Path

from support.model_server import MODEL, ModelServer

from empeval import Sample
from empeval.testing import fake_item, fake_sample

EMPATHY = '{name: empathy, question: "How much?", low: 1, high: 5, higher_is_better: true}'
TACT = '{name: tact, question: "How tactful?", low: 1, high: 5, higher_is_better: true}'
LENGTH = '{name: length, question: "How long?", low: 0, high: 9}'


def write_rubric(folder: Path, *scales: str, more: str = "") -> Path:
    """Write the rubric ``two``.

    Args:
        folder: where to.
        scales: of it, each a mapping in YAML.
        more: lines below them.
    """
    lines = ["name: two", "summary: Two scales.", "instructions: Judge.", "scales:"]
    path = folder / "two.yaml"
    path.write_text("\n".join([*lines, *(f"  - {scale}" for scale in scales), more]))
    return path


def target(server: ModelServer, rubric: Path, **options: object) -> str:
    """What stands behind ``judge:`` or ``pairwise:`` for a model of a server."""
    given = {"rubric": rubric, "base_url": server.url, "backoff": 0.01, **options}
    return f"openai:{MODEL}?" + "&".join(f"{key}={value}" for key, value in given.items())


def replies(*texts: str, **fields: object) -> list[Sample]:
    """Samples "0", "1" ... with these replies; ``fields`` are of their items."""
    return [fake_sample(text, fake_item(str(n), **fields)) for n, text in enumerate(texts)]


def uri(server: ModelServer, rubric: Path, **options: object) -> str:
    """The scorer ``judge`` of a model of a server."""
    return f"judge:{target(server, rubric, **options)}"


def reply_in(question: str) -> str:
    """The reply that a judge is asked about."""
    shown = question.partition("BEGIN reply")[2]
    return "\n".join(re.findall(r"^\| (?:Listener: )?(.*)$", shown, re.MULTILINE))


def by_length(question: str, request: object) -> dict[str, object]:
    """A judgement that can be told from the reply: as many points as it has words."""
    words = len(reply_in(question).split())
    text = f"reason: {words} words.\nempathy: {min(5, max(1, words))}\nlength: {min(9, words)}"
    return {"text": text, "prompt_tokens": 100, "completion_tokens": 10}
