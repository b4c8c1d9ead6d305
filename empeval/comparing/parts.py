"""A figure on parts of the items: an emotion, a turn, whatever the items say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from empeval.comparing.estimating import Paired
from empeval.comparing.joined import Joined
from empeval.comparing.records import Slice
from empeval.comparing.resampling import Sums
from empeval.comparing.verdicts import t_interval, t_p

FEWEST = 5
"""Clusters that a slice must have."""
MOST_VALUES = 40
"""A property with more different values makes no slices."""


def slices(pair: Paired, joined: Joined) -> list[Slice]:
    """A figure on items that share a property: an emotion, a turn, what metadata say.

    A property makes slices when it is a text or a whole number, has 2 to ``MOST_VALUES`` different
    values, and differs between items; a slice has ``FEWEST`` clusters or more.
    """
    change = pair.differences
    found = []
    for name, values in properties(joined).items():
        for value in sorted(set(values) - {None}, key=_natural):
            rows = np.flatnonzero(np.array([v == value for v in values]) & np.isfinite(change))
            if not len(rows):
                continue
            clusters = _renumbered(joined.clusters[rows])
            groups = int(clusters.max()) + 1
            if groups < FEWEST:
                continue
            sums = Sums.of(change[rows][:, None], clusters)
            mean, error = float(sums.means[0]), float(sums.errors()[0])
            low, high = t_interval(mean, error, groups) or (None, None)
            found.append(
                Slice(
                    task=joined.task,
                    scorer=pair.metric.scorer,
                    metric=pair.metric.metric,
                    name=name,
                    value=str(value),
                    difference=mean,
                    ci_low=low,
                    ci_high=high,
                    p=t_p(mean, error, groups),
                    p_adjusted=None,
                    n=len(rows),
                    n_clusters=groups,
                )
            )
    return found


def properties(joined: Joined) -> Mapping[str, list[str | int | None]]:
    """Properties of the items by name: what ``target`` and ``metadata`` hold."""
    columns: dict[str, list[str | int | None]] = {}
    for place, item in enumerate(joined.items):
        for name, value in {**item.metadata, **item.target}.items():
            if isinstance(value, str | int) and not isinstance(value, bool):
                column = columns.setdefault(name, [None] * len(joined.items))
                column[place] = value
    return {
        name: column
        for name, column in columns.items()
        if 2 <= len(set(column) - {None}) <= MOST_VALUES
    }


def _natural(value: str | int | None) -> tuple[int, float, str]:
    return (0, value, "") if isinstance(value, int) else (1, 0.0, str(value))


def _renumbered(clusters: np.ndarray) -> np.ndarray:
    return np.asarray(np.unique(clusters, return_inverse=True)[1])


def with_adjusted(found: Sequence[Slice], adjusted: Sequence[float]) -> list[Slice]:
    """Slices with their adjusted p; those without a p stay without."""
    numbers = iter(adjusted)
    return [
        s if s.p is None else msgspec.structs.replace(s, p_adjusted=next(numbers)) for s in found
    ]
