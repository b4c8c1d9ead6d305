"""Items without a score: how many a metric may lack, and what follows when it lacks more.

A model that refuses what it is bad at has fine scores on the rest. So a metric that lacks too
many items is not judged by the items it has: it is *worse* when it would be with the others at
their worst, and otherwise it cannot be told.
"""

from __future__ import annotations

import msgspec

from empeval.comparing.records import Difference

MAX_UNSCORED = 0.05
"""The share of either side's items that a headline metric may lack, unless a policy says less."""


def over_limit(unscored: int, items: int, share: float) -> bool:
    """Whether more than a share (0 to 1) of so many items have no score."""
    return unscored > share * items + 1e-9


def with_unscored_rule(d: Difference, share: float) -> Difference:
    """A difference whose verdict heeds the items that have no score.

    With more than ``share`` of either side's items without one (refused, unparsed, truncated,
    missing, error: all of them), or with one that is not compared, since the other run lacks the
    item or was asked something else, the metric does not hold. It is ``worse`` when the candidate
    has no score at all and the base has some, or when the worst case is worse by the margin or
    more; otherwise ``inconclusive``. The worst case is ``d.worst_case``, or, for a metric whose
    convention says what a failed answer counts as, the difference by that convention.

    Args:
        d: by the items that have a score in both runs.
        share: of either side's items, 0 to 1.
    """
    sides = d.sides.base, d.sides.candidate
    if any(over_limit(side.unscored + side.uncompared, side.items, share) for side in sides):
        return _by_worst_case(d)
    return d


def _by_worst_case(d: Difference) -> Difference:
    """A difference that lacks too many scores; a headline one with what its worst case says."""
    if not d.headline:
        found: Difference = msgspec.structs.replace(d, too_unscored=True)
        return found
    base, candidate = d.sides.base, d.sides.candidate
    sign = -1 if d.higher_is_better is False else 1
    worst = d.change.value if d.worst_case is None else d.worst_case
    silent = candidate.unscored == candidate.items and base.unscored < base.items
    beyond = d.margin is not None and worst is not None and sign * worst <= -d.margin
    fallen = d.higher_is_better is not None and (silent or beyond)
    made: Difference = msgspec.structs.replace(
        d,
        too_unscored=True,
        verdict="worse" if fallen else "inconclusive",
        not_worse_by_margin=None if d.margin is None else False,
    )
    return made
