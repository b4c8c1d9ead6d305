"""What the heads are trained on: GoEmotions comments and ESConv turns as passages with classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from empeval import load_rows, rows_fingerprint
from empeval_heads.base import Passage
from empeval_heads.facts import Kind
from empeval_heads.labels import EMOTIONS, STRATEGIES
from empeval_training.data import GOEMOTIONS, check_comments, draw
from empeval_training.eq.esconv import SUPPORTER, Talk, read_talks


@dataclass(frozen=True)
class Labelled:
    """Passages and what classes they have.

    Attributes:
        passages: texts.
        targets: emotions, shape (passages, 28), zeros and ones; strategies, shape (passages,).
        groups: what each passage was cut from.
        fingerprint: of the rows that they were drawn from.
    """

    passages: list[Passage]
    targets: np.ndarray
    groups: list[str]
    fingerprint: str

    def some(self, most: int, seed: int) -> Labelled:
        """At most so many of the passages, drawn by the seed, in their order."""
        rows = sorted(draw(range(len(self.passages)), most, seed))
        return Labelled(
            passages=[self.passages[row] for row in rows],
            targets=self.targets[rows],
            groups=[self.groups[row] for row in rows],
            fingerprint=self.fingerprint,
        )


def comments(split: str, most: int | None, seed: int) -> Labelled:
    """GoEmotions comments of a split."""
    files = (f"{split}.jsonl", f"{split}.jsonl.gz", f"*/{split}-*.parquet")
    rows = [r for r in check_comments(load_rows(GOEMOTIONS, files)) if r["text"].strip()]
    rows = draw(rows, most, seed)
    targets = np.zeros((len(rows), len(EMOTIONS)), dtype=np.float32)
    for place, row in enumerate(rows):
        targets[place, row["labels"]] = 1
    passages = [Passage(row["text"].strip()) for row in rows]
    groups = [str(place) for place in range(len(rows))]
    return Labelled(passages, targets, groups, rows_fingerprint(rows))


def supporter_turns(split: str, most: int | None, seed: int) -> Labelled:
    """ESConv supporter turns of a split, each after what the seeker said last."""
    found = [pair for talk in read_talks(split) for pair in turns_of(talk)]
    found = draw(found, most, seed)
    return Labelled(
        passages=[passage for passage, _, _ in found],
        targets=np.array([STRATEGIES.index(strategy) for _, strategy, _ in found]),
        groups=[talk for _, _, talk in found],
        fingerprint=rows_fingerprint([[p.before, p.text, s] for p, s, _ in found]),
    )


def turns_of(talk: Talk) -> list[tuple[Passage, str, str]]:
    """(passage, strategy, talk) of each supporter turn that has a strategy."""
    found = []
    said = ""
    for turn in talk.turns:
        if turn.speaker == SUPPORTER and turn.strategy:
            found.append((Passage(turn.text, said), turn.strategy, talk.id))
        elif turn.speaker != SUPPORTER:
            said = f"{turn.text}\n"
    return found


def read_split(kind: Kind, split: str, most: int | None, seed: int) -> Labelled:
    """The passages of a head's data set.

    Raises:
        DataError: rows that are not what they should be.
        HubError: the data set cannot be fetched.
    """
    return (comments if kind == "emotion" else supporter_turns)(split, most, seed)


def majority(kind: Kind, train: np.ndarray, count: int) -> np.ndarray:
    """The likeliest class of the training targets, for ``count`` passages, as predictions."""
    if kind == "strategy":
        return np.full(count, np.bincount(train).argmax())
    best = np.zeros(train.shape[1], dtype=bool)
    best[train.sum(0).argmax()] = True
    return np.tile(best, (count, 1))


def class_shares(kind: Kind, targets: np.ndarray) -> np.ndarray:
    """The share of passages that have each class."""
    if kind == "strategy":
        return np.bincount(targets, minlength=len(STRATEGIES)) / len(targets)
    shares: np.ndarray = targets.mean(0)
    return shares
