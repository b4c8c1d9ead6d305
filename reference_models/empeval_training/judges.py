"""The scorers and the trivial rivals, as functions of dialogues, for ``results``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue
from empeval_training import lexicon
from empeval_training.examples import Example
from empeval_training.ratings import Rated
from empeval_training.signals import Embedder

Judged = Example | Rated
Scores = Callable[[Sequence[Judged]], np.ndarray]

SORRY = re.compile(r"\bsorry\b", re.IGNORECASE)
RIVALS = ("length", "sorry", "random", "similarity")


def rivals(embedder: Embedder) -> dict[str, Scores]:
    """What any judge must beat: words, "sorry", chance, cosine of reply and context."""

    def similarity(dialogues: Sequence[Judged]) -> np.ndarray:
        pairs = embedder.pairs(dialogues)
        return (pairs.context * pairs.reply).sum(1).astype(float)

    return {
        "length": lambda ds: np.array([float(len(lexicon.WORD.findall(d.reply))) for d in ds]),
        "sorry": lambda ds: np.array([float(len(SORRY.findall(d.reply))) for d in ds]),
        "random": lambda ds: np.array([_chance(d.reply) for d in ds]),
        "similarity": similarity,
    }


def _chance(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def grid(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    """A Markdown table of texts."""
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


class Checkpoint:
    """A trained checkpoint as a function of dialogues: empathy, shape (dialogues,)."""

    def __init__(self, folder: Path) -> None:
        self._judge = Judge(folder)

    def __call__(self, dialogues: Sequence[Judged]) -> np.ndarray:
        """Score them, a thousand at a time."""
        parts = [
            self._judge.judge([Dialogue(d.context, d.reply) for d in dialogues[i : i + 1000]])
            for i in range(0, len(dialogues), 1000)
        ]
        return np.concatenate([part.empathy for part in parts])

    def emotions(self, dialogues: Sequence[Judged]) -> list[str]:
        """The emotion read from each."""
        judged = self._judge.judge([Dialogue(d.context, d.reply) for d in dialogues])
        return [self._judge.emotions[int(row.argmax())] for row in judged.emotions]
