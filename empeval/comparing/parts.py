"""A metric on parts of the items: an emotion, a turn, whatever the items say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from empeval.comparing.joined import Joined
from empeval.comparing.metrics import Paired
from empeval.comparing.records import Slice
from empeval.estimates import mean_of, t_p
from empeval.records import Estimate

FEWEST = 5
"""Clusters that a slice must have."""
MOST_VALUES = 40
"""A property with more different values makes no slices."""


def slices(pair: Paired, joined: Joined, always: Sequence[str] = ()) -> list[Slice]:
    """A metric on items that share a property: an emotion, a turn, whatever items hold.

    A property makes parts when it is a text, a whole number or yes/no with 2 to ``MOST_VALUES``
    different values, or when it is named. A part with fewer than ``FEWEST`` clusters is there and
    says that it is too small.

    Args:
        pair: the metric's item values.
        joined: the items.
        always: names of properties that make parts whatever they are and however many values they
            have; ``origin.form`` names what lies deeper.
    """
    change = pair.differences
    found = []
    for name, values in properties(joined, always).items():
        for value in sorted(set(values) - {None}, key=_natural):
            members = np.array([v == value for v in values])
            mean = mean_of(change[members], joined.clusters[members])
            small = mean.clusters < FEWEST
            if small:
                mean = Estimate(n=mean.n, clusters=mean.clusters, n_failed=mean.n_failed)
            found.append(
                Slice(
                    task=joined.task,
                    scorer=pair.metric.scorer,
                    metric=pair.metric.metric,
                    name=name,
                    value=str(value),
                    change=mean,
                    p=t_p(mean),
                    items=int(members.sum()),
                    too_small=small,
                )
            )
    return found


def properties(
    joined: Joined, always: Sequence[str] = ()
) -> Mapping[str, list[str | int | float | None]]:
    """Properties of the items by name: the plain values that ``target`` and ``metadata`` hold.

    Yes and no are texts. Numbers with a fraction and what lies deeper (with dots in its name) are
    there only when they are named: an answer key is no property that anybody means.
    """
    columns: dict[str, list[str | int | float | None]] = {}
    for index, item in enumerate(joined.items):
        for name, value, deep in _flat({**item.metadata, **item.target}):
            if name in always or not (deep or isinstance(value, float)):
                columns.setdefault(name, [None] * len(joined.items))[index] = value
    return {
        name: column
        for name, column in columns.items()
        if name in always or 2 <= len(set(column) - {None}) <= MOST_VALUES
    }


def _flat(
    values: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, str | int | float, bool]]:
    """Name, value, and whether it lies in a mapping of its own."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, bool):
            yield f"{above}{name}", "yes" if value else "no", bool(above)
        elif isinstance(value, str | int | float):
            yield f"{above}{name}", value, bool(above)


def _natural(value: str | int | float | None) -> tuple[int, float, str]:
    return (0, value, "") if isinstance(value, int | float) else (1, 0.0, str(value))


def with_adjusted(found: Sequence[Slice], adjusted: Sequence[float]) -> list[Slice]:
    """Slices with their adjusted p; those without a p stay without."""
    numbers = iter(adjusted)
    return [
        s if s.p is None else msgspec.structs.replace(s, p_adjusted=next(numbers)) for s in found
    ]
