"""The EQ score: ``EQ = empathy_mass + 0.3 * alignment``.

The formula and the weight are the published ones. What the two terms are made of is ours, because
it is not published:

``empathy_mass``
    The share of the emotion head's probability that lies on a named set of classes: the summed
    probabilities of the set over the summed probabilities of all 28. In [0, 1].

``strategy_alignment``
    The rating that a seeker is expected to give the reply's strategy at this point of the talk:
    the strategy head's probabilities times the ratings in ``eq.json``. In [0, 1].

``emotion_alignment``
    The overlap of the emotions of the speaker's latest turn and of the reply: the Bhattacharyya
    coefficient of the emotion head's two distributions. In [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from empeval_heads.bundle import EqFacts, Signal

WEIGHT = 0.3
"""Of ``alignment`` in the score: the published one."""

VARIANTS: dict[str, Signal] = {
    "base": "none",
    "emotion head": "emotion",
    "strategy head": "strategy",
    "both heads": "both",
}
"""The four published variants: which head's signal ``alignment`` is made of."""


def distribution(probabilities: np.ndarray) -> np.ndarray:
    """One probability a class, shape (rows, classes), scaled so that a row sums to 1."""
    scaled: np.ndarray = probabilities / probabilities.sum(-1, keepdims=True)
    return scaled


def empathy_mass(
    probabilities: np.ndarray, labels: Sequence[str], classes: Sequence[str]
) -> np.ndarray:
    """The share of probability on the named classes, shape (rows,), in [0, 1].

    Args:
        probabilities: of the emotion head, shape (rows, 28).
        labels: the classes of its columns.
        classes: the set.
    """
    columns = [labels.index(name) for name in classes]
    mass: np.ndarray = distribution(probabilities)[:, columns].sum(-1)
    return mass


def emotion_alignment(said: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Overlap of the emotions of turns and of the replies to them, shape (rows,), in [0, 1].

    Args:
        said: the emotion head's probabilities of the turns, shape (rows, 28).
        answered: of the replies, the same shape.
    """
    overlap = np.sqrt(distribution(said) * distribution(answered)).sum(-1)
    clipped: np.ndarray = np.minimum(overlap, 1.0)
    return clipped


def phase(turns: int, starts: tuple[int, int]) -> int:
    """The phase of a talk, 0-2, at a reply that has ``turns`` turns before it."""
    return int(turns >= starts[0]) + int(turns >= starts[1])


def strategy_alignment(
    probabilities: np.ndarray, labels: Sequence[str], turns: Sequence[int], facts: EqFacts
) -> np.ndarray:
    """Expected rating of the strategies of replies, shape (rows,), in [0, 1].

    Args:
        probabilities: of the strategy head, shape (rows, 8).
        labels: the strategies of its columns.
        turns: how many turns stand before each reply.
        facts: with the ratings.
    """
    table = np.array([facts.ratings[label] for label in labels])  # (8, 3)
    phases = [phase(number, facts.phases) for number in turns]
    expected: np.ndarray = (probabilities * table[:, phases].T).sum(-1)
    return expected


def align(signal: Signal, emotion: float, strategy: float, reward: float = 0.0) -> float:
    """``alignment`` of one reply, from its parts, each in [0, 1]; 0 without a signal."""
    return {
        "none": 0.0,
        "emotion": emotion,
        "strategy": strategy,
        "both": (emotion + strategy) / 2,
        "reward": reward,
    }[signal]


def eq(mass: float, alignment: float) -> float:
    """``empathy_mass + 0.3 * alignment``."""
    return mass + WEIGHT * alignment
