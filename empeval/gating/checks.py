"""What a gate checks: one thing that a policy asks, and what was found."""

from __future__ import annotations

from typing import Literal

import msgspec

from empeval.comparing.metrics import names_of
from empeval.comparing.records import Comparison, Difference
from empeval.errors import UnknownNameError

Outcome = Literal["pass", "regression", "inconclusive"]

WORST_FIRST: list[Outcome] = ["regression", "inconclusive", "pass"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a policy asks, and what was found.

    Attributes:
        kind: ``headline``, ``slice``, ``failures`` or ``guardrail``.
        name: what it is about.
        outcome: of this check.
        said: why, in a sentence.
        blocks: whether it blocks although it is only inconclusive and the policy lets that pass:
            it rests on answers, scores or metrics that are not there, on a metric without a
            direction, or on a scorer without the audit that the policy requires.
    """

    kind: Literal["headline", "slice", "failures", "guardrail"]
    name: str
    outcome: Outcome
    said: str
    blocks: bool = False


def find(comparison: Comparison, name: str, what: str) -> list[Difference]:
    """The metrics of a comparison that a name stands for.

    Raises:
        UsageError: none.
    """
    found = [d for d in comparison.differences if name in names_of(d)]
    if not found:
        known = {d.metric for d in comparison.differences}
        said = f"{what}: no metric '{name}' can be compared here."
        raise UnknownNameError(said, kind="metric", name=name, known=known)
    return found
