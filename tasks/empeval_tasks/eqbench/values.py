"""What an EQ-Bench answer is scored by: the conventions' values, and an item's reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from empeval import Item, Scored, UsageError, ValueCard
from empeval_tasks.eqbench.parsing import Form, Language

FIRST_PASS = ValueCard(
    name="first_pass",
    unit="points",
    summary="Item score of the scores given first or only, by the official parser.",
    high=10,
    higher_is_better=True,
)
REVISED = ValueCard(
    name="revised",
    unit="points",
    summary="Item score of the revised scores, by the official parser.",
    high=10,
    higher_is_better=True,
)
LM_EVAL = ValueCard(
    name="lm_eval",
    unit="points",
    summary="Item score as lm-eval reads the answer.",
    high=10,
    higher_is_better=True,
)
STRICT = ValueCard(
    name="strict",
    unit="points",
    summary="Item score of what the answer plainly states, limited to intensities 0-10.",
    low=-20,
    high=10,
    higher_is_better=True,
)
CLAMPED = ValueCard(
    name="clamped",
    unit="scores",
    summary="How many of the four intensities were outside 0-10 and limited for 'strict'.",
    low=0,
    high=4,
)


def references(scored: Sequence[Scored]) -> list[dict[str, float]]:
    """The reference intensities behind scored samples, in their order."""
    return [target_of(s.sample.item)[0] for s in scored]


def target_of(item: Item) -> tuple[dict[str, float], Language, Form]:
    """An item's reference intensities, language and form of answer.

    Raises:
        UsageError: the item has none.
    """
    target = item.target.get("eqbench")
    if not isinstance(target, Mapping) or not isinstance(target.get("emotions"), Mapping):
        raise UsageError(
            f"The scorer eqbench cannot score item '{item.id}': its target has no 'eqbench' with "
            "reference emotions. Use it with the tasks eqbench, eqbench-de or eqbench-mini."
        )
    emotions = {str(name): float(value) for name, value in target["emotions"].items()}
    return emotions, target.get("language", "en"), target.get("form", "plain")
