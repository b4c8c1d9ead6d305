"""What tests of judges share: a rubric in a file, the judge's target, samples that hold replies."""

from __future__ import annotations

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
