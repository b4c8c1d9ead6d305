"""Which tokens of a conversation and its continuation are the continuation's."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from empeval.generators.hf.batches import common_prefix


def first_of_texts(before: Sequence[Hashable], rows: Sequence[Sequence[Hashable]]) -> int:
    """The index of the first token that is counted of each text.

    A text may change how the end of what precedes it is cut into tokens; all texts are then
    counted from the first token that is cut otherwise in one of them.

    Args:
        before: tokens of what precedes the texts.
        rows: the same with each text behind it.
    """
    return min(common_prefix(before, row) for row in rows)


def unfit(start: int, rows: Sequence[Sequence[Hashable]]) -> str | None:
    """Why there are no likelihoods of rows whose texts begin at ``start``; ``None``: there are."""
    if start < 1:
        return "nothing precedes the continuations"
    if any(len(row) <= start for row in rows):
        return "a continuation adds no token to what precedes it"
    return None


def with_longer(
    values: Sequence[float], texts: Sequence[str], rows: Sequence[Sequence[Hashable]]
) -> tuple[float, ...]:
    """Values in which a text has the probability of the texts that go on from it.

    Where "10" is the tokens "1" and "0", the probability of "1" has that of "10" in it by itself;
    where "10" is one token, it is added here, so that both cases mean the same.

    Args:
        values: natural logarithms of the probabilities of the rows' own tokens.
        texts: whose they are.
        rows: their tokens, with what precedes them.
    """
    made = list(values)
    for index in sorted(range(len(texts)), key=lambda i: -len(texts[i])):
        longer = [i for i, text in enumerate(texts) if goes_on(text, texts[index])]
        nearest = [i for i in longer if not any(goes_on(texts[i], texts[j]) for j in longer)]
        apart = [i for i in nearest if tuple(rows[i][: len(rows[index])]) != tuple(rows[index])]
        made[index] = log_sum([made[index], *(made[i] for i in apart)])
    return tuple(made)


def goes_on(text: str, shorter: str) -> bool:
    """Whether a text is another one and more."""
    return text != shorter and text.startswith(shorter)


def log_sum(values: Sequence[float]) -> float:
    """The logarithm of the sum of what these are the logarithms of."""
    highest = max(values)
    if len(values) == 1 or highest == -math.inf:
        return highest
    return highest + math.log(sum(math.exp(value - highest) for value in values))
