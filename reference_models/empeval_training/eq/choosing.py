"""From two heads to one score: the empathy classes, and the ratings of strategies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from empeval import UsageError
from empeval_heads.eq import empathy_mass, phase
from empeval_heads.labels import EMOTIONS, STRATEGIES
from empeval_training.agreement import Statistic, pairwise, spearman
from empeval_training.eq.esconv import SEEKER, SUPPORTER, Talk
from empeval_training.ratings import Rated

EPITOME = "epitome"

PHASES = (8, 20)
"""Turns before a reply at which the middle and the last phase of a talk begin: about a third of
the supporters' turns of ESConv's training split lie in each (28, 41 and 31 %)."""

PRIOR = 50.0
"""Ratings of the whole data set's mean that every cell of the table starts with."""

MOST = 8
GAIN = 0.005
"""A class is added while agreement rises by so much; less may be of the sample."""

AGAINST = (0.0, 0.25, 0.5, 1.0)
"""How much it may count, in sources of ratings, that people's replies come before a small
model's."""

LOSS = 0.02
"""Of the agreement with people's ratings that the order of people and a small model may cost."""

LEAST_PAIRS = 200
"""Pairs of replies within dialogues that it takes to ask which one people rated higher."""


def choose_classes(
    probabilities: np.ndarray,
    agreement: Callable[[np.ndarray], float],
    labels: Sequence[str] = EMOTIONS,
) -> tuple[tuple[str, ...], float]:
    """The classes whose summed share agrees best with people.

    Forward selection: the class that raises agreement most is added until none raises it by
    ``GAIN``. Candidates are the classes that agree with people by themselves: a class that people
    find cold is no empathy, even where it mends the sum. ``neutral`` is none.

    Args:
        probabilities: the emotion head's, of the replies, shape (replies, 28).
        agreement: of scores, shape (replies,), with people; see ``Agreeing``.
        labels: of the columns.

    Returns:
        The classes, in the order of ``labels``, and the agreement.

    Raises:
        UsageError: no class agrees with people.
    """

    def agrees(names: Sequence[str]) -> float:
        return agreement(empathy_mass(probabilities, labels, names))

    candidates = [name for name in labels if name != "neutral" and agrees([name]) > 0]
    chosen: list[str] = []
    best = -1.0
    while len(chosen) < MOST:
        scored = {n: agrees([*chosen, n]) for n in candidates if n not in chosen}
        name = max(scored, key=lambda n: scored[n], default=None)
        if name is None or scored[name] < best + (GAIN if chosen else 0):
            break
        best = scored[name]
        chosen.append(name)
    if not chosen:
        raise UsageError("No emotion's probability rises with people's levels of empathy.")
    return tuple(name for name in labels if name in chosen), best


class Agreeing:
    """How far scores of replies agree with people, over several sources of ratings.

    Each source counts alike. EPITOME's part is the mean of Spearman's correlations with the level
    of emotional reaction and with the sum of the three levels. Of a source with several replies to
    a dialogue it is ``2 p - 1``, where ``p`` is the share of pairs within a dialogue that are
    ordered as people did; of the others Spearman's correlation with the rating.

    Args:
        rated: replies that people rated, of the part that fitting may see.

    Attributes:
        sources: what each part is, for a reader.
    """

    def __init__(self, rated: Sequence[Rated]) -> None:
        self.sources: dict[str, str] = {}
        self._parts: list[tuple[np.ndarray, list[tuple[Statistic, np.ndarray, np.ndarray]]]] = []
        for source in sorted({r.source for r in rated}):
            rows = np.array([n for n, r in enumerate(rated) if r.source == source])
            own = [rated[n] for n in rows]
            dialogues = np.unique([r.dialogue for r in own], return_inverse=True)[1]
            names = ("er", "sum") if source == EPITOME else tuple(own[0].values)
            ways: list[tuple[Statistic, np.ndarray, np.ndarray]] = []
            for name in names:
                values = np.array([r.values[name] for r in own], dtype=float)
                way = pairwise if _pairs(values, dialogues) >= LEAST_PAIRS else spearman
                ways.append((way, values, dialogues))
            self._parts.append((rows, ways))
            within = " within dialogues" if ways[0][0] is pairwise else ""
            self.sources[source] = f"{' and '.join(names)} of {len(own)} replies{within}"

    def __call__(self, scores: np.ndarray) -> float:
        """The mean over the sources; from -1 to 1, and 0 is chance."""
        return float(
            np.mean(
                [
                    np.mean([_signed(way, scores[rows], *people) for way, *people in ways])
                    for rows, ways in self._parts
                ]
            )
        )


def first_of_pairs(people: np.ndarray, model: np.ndarray) -> float:
    """How often people's replies get the higher score, from -1 (never) to 1; 0 is chance.

    Args:
        people: scores of people's replies, shape (items,).
        model: of a model's replies to the same items.
    """
    return float(np.sign(people - model).mean())


def _signed(way: Statistic, scores: np.ndarray, values: np.ndarray, dialogues: np.ndarray) -> float:
    found = way(scores, values, dialogues)
    return 2 * found - 1 if way is pairwise else found


def _pairs(values: np.ndarray, dialogues: np.ndarray) -> int:
    """Pairs of replies within a dialogue that people rated differently."""
    count = 0
    for number in np.unique(dialogues):
        own = values[dialogues == number]
        count += int((own[:, None] < own[None]).sum())
    return count


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
