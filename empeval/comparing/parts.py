"""A metric on parts of the items: an emotion, a turn, whatever the items say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from empeval.comparing.joined import AskedItem, Joined
from empeval.comparing.metrics import Paired
from empeval.comparing.records import Slice
from empeval.estimates import mean_of, numbered, t_p
from empeval.records import Estimate

FEWEST = 5
"""Clusters that a slice must have values of."""
MOST_VALUES = 40
"""A property with more different values makes no slices."""
REST = "(none)"
"""What the part is called of items that lack a property."""
EMPTY = "(empty)"
"""What an empty text is called."""

Plain = str | int | float


def slices(pair: Paired, joined: Joined, always: Sequence[str] = ()) -> list[Slice]:
    """A metric on items that share a property: an emotion, a turn, whatever items hold.

    A property makes parts when it is a text, a whole number or yes/no with 2 to ``MOST_VALUES``
    different values, or when it is named; items that lack a named one, of a task that has it, are a
    part, too (``REST``). A part with values of fewer than ``FEWEST`` clusters is there and says
    that it is too small. The base's items that are not compared belong to their parts and have no
    value.

    Args:
        pair: the metric's item values.
        joined: the items.
        always: names of properties that make parts whatever they are and however many values they
            have; ``origin.form`` names what lies deeper.
    """
    change = np.append(pair.differences, np.full(len(joined.left), np.nan))
    clusters = numbered(item.cluster for item in chain(joined.items, joined.left))
    found = []
    items = chain(joined.items, joined.left)
    for name, values in properties(items, len(change), always).items():
        texts = [None if value is None else shown(value) for value in values]
        known = {shown(value): value for value in values if value is not None}
        ordered = sorted(known.items(), key=lambda pair: _natural(pair[1]))
        parts: list[str | None] = [text for text, _ in ordered]
        if name in always and None in texts:
            parts.append(None)
        for part in parts:
            members = np.array([text == part for text in texts])
            mean = mean_of(change[members], clusters[members])
            small = mean.clusters < FEWEST
            if small:
                mean = Estimate(n=mean.n, clusters=mean.clusters, n_failed=mean.n_failed)
            found.append(
                Slice(
                    task=joined.task,
                    scorer=pair.metric.scorer,
                    metric=pair.metric.metric,
                    name=name,
                    value=REST if part is None else part,
                    change=mean,
                    p=t_p(mean),
                    items=int(members.sum()),
                    clusters=len(np.unique(clusters[members])),
                    too_small=small,
                )
            )
    return found


def properties(
    items: Iterable[AskedItem], count: int, always: Sequence[str] = ()
) -> Mapping[str, list[Plain | None]]:
    """Properties of the items by name: the plain values that ``target`` and ``metadata`` hold.

    Yes and no are texts. Numbers with a fraction and what lies deeper (with dots in its name) are
    there only when they are named: an answer key is no property that anybody means.

    Args:
        items: read one by one.
        count: of them.
        always: as of ``slices``.
    """
    columns: dict[str, list[Plain | None]] = {}
    for index, item in enumerate(items):
        for name, value, deep in _flat({**item.metadata, **item.target}):
            if name in always or not (deep or isinstance(value, float)):
                columns.setdefault(name, [None] * count)[index] = value
    return {
        name: column
        for name, column in columns.items()
        if name in always or 2 <= len(set(column) - {None}) <= MOST_VALUES
    }


def shown(value: Plain) -> str:
    """A value as a text; 1, 1.0 and "1" are one, as whoever reads a table takes them."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) or EMPTY


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Plain, bool]]:
    """Name, value, and whether it lies in a mapping of its own."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, bool):
            yield f"{above}{name}", "yes" if value else "no", bool(above)
        elif isinstance(value, str | int | float):
            yield f"{above}{name}", value, bool(above)


def _natural(value: Plain) -> tuple[int, float, str]:
    return (0, value, "") if isinstance(value, int | float) else (1, 0.0, value)


def with_adjusted(found: Sequence[Slice], adjusted: Sequence[float]) -> list[Slice]:
    """Slices with their adjusted p; those without a p stay without."""
    numbers = iter(adjusted)
    return [
        s if s.p is None else msgspec.structs.replace(s, p_adjusted=next(numbers)) for s in found
    ]
