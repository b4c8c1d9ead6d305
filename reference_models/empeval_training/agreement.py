"""How far scores agree with people, with intervals by dialogue, and beside trivial rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000

Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
"""(scores, values, dialogue numbers) -> a number."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval (percentile bootstrap over dialogues)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return bracketed(self.value, self.low, self.high)


def bracketed(value: float, low: float | None, high: float | None, digits: int = 3) -> str:
    """A figure with its interval in brackets, where it has one."""
    interval = "" if low is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{interval}"


def spearman(scores: np.ndarray, values: np.ndarray, dialogues: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one side is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(scores), rankdata(values)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size else 0.0


def pairwise(scores: np.ndarray, values: np.ndarray, dialogues: np.ndarray) -> float:
    """Share of pairs within a dialogue that are ordered as people did; ties count half.

    Pairs that people rated alike are left out. 0.5 is chance.
    """
    if len(scores) == 0:
        return 0.5
    order = np.argsort(dialogues, kind="stable")
    where, people, model = dialogues[order], values[order], scores[order]
    largest = int(np.unique(where, return_counts=True)[1].max())
    points, count = 0.0, 0
    for lag in range(1, largest):  # neighbours, then those two apart, and so on
        said = np.sign(people[lag:] - people[:-lag])
        judged = (where[lag:] == where[:-lag]) & (said != 0)
        agrees = said * np.sign(model[lag:] - model[:-lag])
        points += float(((1 + agrees) / 2)[judged].sum())
        count += int(judged.sum())
    return points / count if count else 0.5


class Agreement:
    """One source of ratings: what people said, and the dialogues to resample.

    Args:
        values: people's, shape (replies,). dialogues: names, as many.
    """

    def __init__(self, values: Sequence[float], dialogues: Sequence[str], seed: int = 0) -> None:
        self._values = np.asarray(values, dtype=float)
        names, self._numbers = np.unique(dialogues, return_inverse=True)
        members = [np.flatnonzero(self._numbers == n) for n in range(len(names))]
        dice = np.random.default_rng(seed)
        self._done: dict[tuple[Statistic, bytes], np.ndarray] = {}
        self._samples = []
        for _ in range(RESAMPLES):
            drawn = dice.integers(len(names), size=len(names))
            rows = np.concatenate([members[n] for n in drawn])
            fresh = np.repeat(np.arange(len(drawn)), [len(members[n]) for n in drawn])
            self._samples.append((rows, fresh))

    def estimate(self, statistic: Statistic, scores: np.ndarray) -> Estimate:
        """The statistic of scores against people, with its interval."""
        return _estimate(
            statistic(scores, self._values, self._numbers), self._resampled(statistic, scores)
        )

    def difference(self, statistic: Statistic, one: np.ndarray, other: np.ndarray) -> Estimate:
        """The statistic of ``one`` less that of ``other``, resampled together."""
        value = statistic(one, self._values, self._numbers) - statistic(
            other, self._values, self._numbers
        )
        return _estimate(value, self._resampled(statistic, one) - self._resampled(statistic, other))

    def _resampled(self, statistic: Statistic, scores: np.ndarray) -> np.ndarray:
        key = (statistic, scores.tobytes())
        if key not in self._done:
            self._done[key] = np.array(
                [
                    statistic(scores[rows], self._values[rows], fresh)
                    for rows, fresh in self._samples
                ]
            )
        return self._done[key]


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
