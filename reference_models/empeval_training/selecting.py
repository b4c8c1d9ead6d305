"""Which examples a training sees: rated replies, replies that nobody rated, variants of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from empeval import UsageError
from empeval_training.data import draw, only_humans, read_examples
from empeval_training.examples import HUMAN, Example
from empeval_training.recipe import Recipe
from empeval_training.scales import RATED_SETS
from empeval_training.teacher.labelling import MEASURED

MEASURED_VARIANTS = tuple(f"rated:{name}" for name in MEASURED)
OTHERS = 0.25
"""Replies that nobody rated in the last stage, as a share of those that people rated, so that what
they taught is not lost."""


def for_people(training: Sequence[Example], repeats: int, seed: int) -> list[Example]:
    """What the last stage trains on: rated replies of the sets that are measured, each so often,
    their variants, and some replies that nobody rated; none where nobody rated.

    Args:
        training: examples of the training split.
        repeats: how often a rated reply is there.
        seed: of the draw.
    """
    rated = [example for example in training if example.variant in MEASURED_VARIANTS]
    if not rated:
        return []
    others = draw([e for e in training if not of_measured(e)], round(OTHERS * len(rated)), seed)
    variants = [e for e in training if of_measured(e) and e.variant not in MEASURED_VARIANTS]
    return rated * repeats + variants + others


def of_measured(example: Example) -> bool:
    """Whether it is a reply of a rated set that is measured, or a variant of one."""
    return example.id.startswith(tuple(f"{name}:" for name in MEASURED))


def of_nobody(example: Example) -> bool:
    """Whether it is a variant of a reply that nobody rated."""
    rated = tuple(f"{name}:" for name in RATED_SETS)
    return example.variant != HUMAN and not example.id.startswith(rated)


def read_splits(
    data: Path, recipe: Recipe, seed: int, emotions: Sequence[str]
) -> dict[str, list[Example]]:
    """The examples of each part of a training: ``train``, ``people``, ``validation``, ``test``.

    Args:
        data: what ``prepare-ed`` wrote.
        recipe: how many of what; ``people`` is empty where it has no such stage.
        seed: of the draws from the training split.
        emotions: the names that the models tell apart.

    Raises:
        UsageError: none of a part's replies has an emotion among these.
    """
    training = draw(read_examples(data, "train"), recipe.train_examples, seed)
    made = {example.id for example in training if of_nobody(example)}
    kept = set(draw(sorted(made), round(recipe.variants_share * len(made)), seed))
    training = [example for example in training if example.id in kept or example.id not in made]
    people = for_people(training, recipe.rated_repeats, seed) if recipe.people_epochs else []
    splits = {
        "train": [e for e in training if not of_measured(e)] if people else training,
        "people": people,
        "validation": draw(read_examples(data, "validation"), recipe.eval_examples, 0),
        "test": read_examples(data, "test"),
    }
    for name in ("train", "validation", "test"):
        counted = only_humans(splits[name]) if name == "test" else splits[name]
        if not {example.emotion for example in counted} & set(emotions):
            raise UsageError(
                f"{data / name}.jsonl: none of the replies has an emotion that prepared.json "
                "names. Prepare the data anew."
            )
    return splits
