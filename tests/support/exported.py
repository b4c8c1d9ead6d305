"""A run with answers of every kind, to be written for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import empeval
from empeval import Run
from empeval_tasks.eqbench_mini.task import EQBenchMini

UNPARSED, THOUGHT, FAILED, EMPTY, MISSING = "4", "5", "6", "7", "8"
"""Ids of items whose answers are special."""

HOSTILE = "</script><script>alert(1)</script>\n---\n\x1b[2J {{ x }} ünï 你好 🙂"


def asked_run(folder: Path, limit: int | None = None) -> Run:
    """A finished run of eqbench-mini: one answer unreadable, one failed, one empty, one missing."""
    lines = []
    for index, item in enumerate(EQBenchMini().items()):
        stated = item.target["eqbench"]["emotions"]
        text: str | None = "\n".join(f"{n}: {(v + index) % 10}" for n, v in stated.items())
        if item.id == UNPARSED:
            text = HOSTILE
        elif item.id == THOUGHT:
            text = f"<think>Hm.</think>{text}"
        elif item.id == FAILED:
            text = None
        elif item.id == EMPTY:
            text = ""
        if item.id != MISSING:
            lines.append(json.dumps({"id": item.id, "response": text}) + "\n")
    answers = folder / "answers.jsonl"
    answers.write_text("".join(lines), encoding="utf-8")
    return empeval.run(
        f"replay:{answers}", ["eqbench-mini"], ["eqbench"], out=folder / "run", limit=limit
    )
