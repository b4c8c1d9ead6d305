"""Temperature-based sampling: source i is drawn with p_i proportional to n_i^(1/T)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from empeval import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Portion:
    """One source's part of a mixture.

    Attributes:
        available: its examples. share: p_i. drawn: examples of it in the mixture.
        repeats: how often an example of it occurs, on average.
    """

    available: int
    share: float
    drawn: int

    @property
    def repeats(self) -> float:
        """Occurrences of an example, on average."""
        return self.drawn / self.available


def shares(counts: Mapping[str, int], temperature: float) -> dict[str, float]:
    """p_i of each source; they sum to 1.

    ``temperature`` 1 is proportional to size, larger ones come closer to equal shares.

    Raises:
        UsageError: a temperature of 0 or less, or a source without examples.
    """
    if not temperature > 0:
        raise UsageError(f"The temperature is {temperature}; it must be above 0.")
    empty = [name for name, count in counts.items() if count < 1]
    if empty or not counts:
        raise UsageError(f"There is nothing to mix: no examples of {', '.join(empty) or 'any'}.")
    largest = max(counts.values())
    weights = {name: (count / largest) ** (1 / temperature) for name, count in counts.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def quotas(wanted: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers that sum to ``total``, as near the shares as whole numbers come.

    Largest remainders are rounded up; equal ones in the order of the names.
    """
    exact = {name: share * total for name, share in wanted.items()}
    counts = {name: int(number) for name, number in exact.items()}
    order = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in order[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def mix(
    sources: Mapping[str, Sequence[T]], temperature: float, total: int | None, seed: int
) -> tuple[list[T], dict[str, Portion]]:
    """Draw a mixture and shuffle it.

    A source of which more is wanted than it has is gone through several times, each time in
    another order; no example occurs twice more than another.

    Args:
        sources: examples by source.
        temperature: T.
        total: examples in the mixture; ``None``: as many as all sources have.
        seed: of draws and order.

    Returns:
        The examples, and what was drawn of each source.

    Raises:
        UsageError: nothing to mix, or a total below 1.
    """
    counts = {name: len(examples) for name, examples in sources.items()}
    wanted = shares(counts, temperature)
    total = sum(counts.values()) if total is None else total
    if total < 1:
        raise UsageError(f"The mixture cannot have {total} examples; it must have 1 or more.")
    drawn = quotas(wanted, total)
    dice = random.Random(seed)  # noqa: S311 - no secret hangs on it
    mixture: list[T] = []
    for name in sorted(sources):
        left = drawn[name]
        while left > 0:
            examples = list(sources[name])
            dice.shuffle(examples)
            mixture += examples[:left]
            left -= len(examples)
    dice.shuffle(mixture)
    return mixture, {n: Portion(counts[n], wanted[n], drawn[n]) for n in sources}
