"""From two heads to one score: the empathy classes, and the ratings of strategies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from empeval import UsageError
from empeval_heads.eq import empathy_mass, phase
from empeval_heads.labels import EMOTIONS, STRATEGIES
from empeval_training.eq.esconv import SEEKER, SUPPORTER, Talk

PHASES = (8, 20)
"""Turns before a reply at which the middle and the last phase of a talk begin: about a third of
the supporters' turns of ESConv's training split lie in each (28, 41 and 31 %)."""

PRIOR = 50.0
"""Ratings of the whole data set's mean that every cell of the table starts with."""

MOST = 8
GAIN = 0.005
"""A class is added while Spearman's correlation rises by so much; less may be of the sample."""


def choose_classes(
    probabilities: np.ndarray, levels: Sequence[float], labels: Sequence[str] = EMOTIONS
) -> tuple[tuple[str, ...], float]:
    """The classes whose summed share agrees best with people's emotional-reaction levels.

    Forward selection: the class that raises Spearman's correlation most is added until none
    raises it by ``GAIN``. Candidates are the classes that agree with the levels by themselves: a
    class that people find cold is no empathy, even where it mends the sum. ``neutral`` is none.

    Args:
        probabilities: the emotion head's, of the replies, shape (replies, 28).
        levels: people's levels, 0-2; of the part that fitting may see.
        labels: of the columns.

    Returns:
        The classes, in the order of ``labels``, and the correlation.

    Raises:
        UsageError: no class agrees with the levels.
    """

    def agreement(names: Sequence[str]) -> float:
        return float(spearmanr(empathy_mass(probabilities, labels, names), levels)[0])

    candidates = [name for name in labels if name != "neutral" and agreement([name]) > 0]
    chosen: list[str] = []
    best = -1.0
    while len(chosen) < MOST:
        scored = {n: agreement([*chosen, n]) for n in candidates if n not in chosen}
        name = max(scored, key=lambda n: scored[n], default=None)
        if name is None or scored[name] < best + (GAIN if chosen else 0):
            break
        best = scored[name]
        chosen.append(name)
    if not chosen:
        raise UsageError("No emotion's probability rises with people's levels of empathy.")
    return tuple(name for name in labels if name in chosen), best


def rate_strategies(
    talks: Sequence[Talk], starts: tuple[int, int] = PHASES
) -> dict[str, tuple[float, float, float]]:
    """The rating that a seeker is expected to give a strategy in each phase of a talk, in [0, 1].

    A supporter's turn is rated by the seeker's next feedback, where there is one within the next
    six turns, else by the talk's rating of empathy; 1-5 become 0-1. Cells are drawn towards the
    strategy's mean, and those towards the mean of all, by ``PRIOR`` ratings.

    Args:
        talks: with ratings; not of the test split.
        starts: turns at which the second and the third phase begin.
    """
    cells: dict[tuple[str, int], list[float]] = {}
    for talk in talks:
        for place, turn in enumerate(talk.turns):
            if turn.speaker != SUPPORTER or not turn.strategy:
                continue
            rating = _feedback(talk, place) or talk.empathy
            if rating is not None:
                key = turn.strategy, phase(place, starts)
                cells.setdefault(key, []).append((rating - 1) / 4)
    every = [value for values in cells.values() for value in values]
    mean = float(np.mean(every)) if every else 0.5
    table = {}
    for strategy in STRATEGIES:
        own = [cells.get((strategy, number), []) for number in range(3)]
        centre = _drawn([v for values in own for v in values], mean)
        first, second, third = (round(_drawn(values, centre), 4) for values in own)
        table[strategy] = (first, second, third)
    return table


def _drawn(values: Sequence[float], centre: float) -> float:
    return (sum(values) + PRIOR * centre) / (len(values) + PRIOR)


def _feedback(talk: Talk, place: int) -> int | None:
    for turn in talk.turns[place + 1 : place + 7]:
        if turn.speaker == SEEKER and turn.feedback is not None:
            return turn.feedback
    return None
