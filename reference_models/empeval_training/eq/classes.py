"""The empathy classes that people's ratings choose, on the part that fitting may see."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from empeval import Run, UsageError
from empeval_heads.base import Passage, shared_base
from empeval_heads.facts import HeadFacts
from empeval_heads.head import Head, probabilities
from empeval_training.eq.choosing import (
    AGAINST,
    EPITOME,
    Agreeing,
    choose_classes,
    first_of_pairs,
)
from empeval_training.eq.versus import TASK, people_of, replies_of
from empeval_training.ratings import Rated, read_rated

NAMES = {EPITOME: "EPITOME"}
"""How a reader calls a source."""


def classes_by_people(
    ratings: Path, against: Path | None, emotion: tuple[Head, HeadFacts]
) -> tuple[tuple[str, ...], str]:
    """The empathy classes, and how they were chosen, for a reader.

    Args:
        ratings: a folder of human ratings.
        against: a run folder of a small model on items of ``ed-empathy``, or ``None``.
        emotion: the emotion head.

    Raises:
        UsageError: there are too few ratings, or the run is of no use.
    """
    head, facts = emotion
    rated = fitting_part(ratings)
    if len(rated) < 50:
        raise UsageError(f"{ratings} has {len(rated)} rated replies to fit on; it takes 50.")
    texts = [reply.reply for reply in rated]
    pairs = small_model_pairs(against) if against else []
    texts += [people for people, _ in pairs] + [model for _, model in pairs]
    embedded = shared_base(facts.base).embed(
        [Passage(text) for text in texts],
        pooling=facts.pooling,
        max_length=facts.max_length,
        layers=facts.layers,
    )
    agreeing, count = Agreeing(rated), len(rated)

    def agreement(scores: np.ndarray) -> float:
        agrees = agreeing(scores[:count])
        if not pairs:
            return agrees
        people, model = np.split(scores[count:], 2)
        weight = AGAINST / len(agreeing.sources)
        return (agrees + weight * first_of_pairs(people, model)) / (1 + weight)

    classes, found = choose_classes(probabilities(head, facts, embedded), agreement)
    parts = [f"{NAMES.get(name, name)} ({what})" for name, what in agreeing.sources.items()]
    if pairs:
        parts.append(
            f"and, at {AGAINST:g} of a source, that people's {len(pairs)} replies come before a "
            "small model's"
        )
    return classes, (
        f"forward selection by the agreement with people's ratings: {'; '.join(parts)} "
        f"({found:.3f} on these)"
    )


def small_model_pairs(run: Path) -> list[tuple[str, str]]:
    """(people's reply, the model's reply) to the same items of a run's ``ed-empathy``.

    Raises:
        UsageError: the run asked another task, items of the test split, or has no replies.
    """
    opened = Run(run)
    task = opened.manifest.tasks.get(TASK)
    if task is None:
        raise UsageError(f"{run} has no replies to {TASK}.")
    if task.arguments.get("split", "test") == "test":
        raise UsageError(
            f"{run} has replies to the test split, which nothing is chosen by. Ask another one: "
            f"--task-args {TASK}.split=validation."
        )
    people, model = people_of(opened), replies_of(opened)
    pairs = [(people[n].reply, model[n].reply) for n in model if n in people]
    if not pairs:
        raise UsageError(f"{run} has no reply that a person's can be set against.")
    return pairs


def fitting_part(ratings: Path) -> list[Rated]:
    """Rated replies of dialogues that fitting may see."""
    return [reply for reply in read_rated(ratings) if reply.part == "train"]
