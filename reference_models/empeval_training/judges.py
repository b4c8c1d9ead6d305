"""The scorers and the trivial rivals as functions of dialogues, for the documents of figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from empeval.asked import AskedScorer
from empeval.auditing.asking import Text, scores_now
from empeval.auditing.invariance import batches
from empeval.auditing.rivals import trivial_rivals
from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue
from empeval_training.examples import Example
from empeval_training.ratings import Rated

Judged = Example | Rated
Scores = Callable[[Sequence[Judged]], np.ndarray]

SIMILARITY = "similarity"
RIVALS = ("length", "sorry", "random", SIMILARITY)


def rivals() -> dict[str, Scores]:
    """What any judge must beat: words, "sorry", chance, cosine of reply and context."""

    def trivial(name: str) -> Scores:
        return lambda dialogues: trivial_rivals(_texts(dialogues))[name]

    def similarity(dialogues: Sequence[Judged]) -> np.ndarray:
        asked = AskedScorer(SIMILARITY, "empeval")
        name = asked.scorer.card.values[0].name
        found: np.ndarray = np.nan_to_num(scores_now(asked, batches(_texts(dialogues), 64), name))
        return found

    return {**{name: trivial(name) for name in RIVALS[:-1]}, SIMILARITY: similarity}


def _texts(dialogues: Sequence[Judged]) -> list[Text]:
    return [Text(d.context, d.reply) for d in dialogues]


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
