"""The empathy classes that people's ratings choose, on the part that fitting may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empeval import Run, UsageError
from empeval_heads.base import Passage, shared_base
from empeval_heads.eq import empathy_mass
from empeval_heads.facts import HeadFacts
from empeval_heads.head import Head, probabilities
from empeval_heads.labels import EMOTIONS
from empeval_training.eq.choosing import (
    AGAINST,
    EPITOME,
    LOSS,
    Agreeing,
    choose_classes,
    first_of_pairs,
)
from empeval_training.eq.versus import TASK, people_of, replies_of
from empeval_training.progress import say
from empeval_training.ratings import Rated, read_rated

LEAST_HELD = 10
"""Rated replies of the validation part that it takes to weigh one aim against another."""

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
    rated = rated_part(ratings, "train")
    pairs = small_model_pairs(against) if against else []
    held = rated_part(ratings, "validation") if pairs else []
    if len(rated) < 50 or (pairs and len(held) < LEAST_HELD):
        short = f"{ratings} has {len(rated)} rated replies to fit on; it takes 50"
        if pairs:
            short += f", and {len(held)} of the validation part; it takes {LEAST_HELD}"
        raise UsageError(f"{short}.")
    texts = [reply.reply for reply in [*rated, *held]]
    texts += [people for people, _ in pairs] + [model for _, model in pairs]
    say(f"choosing the empathy classes: {len(texts)} replies to read")
    embedded = shared_base(facts.base).embed(
        [Passage(text) for text in texts],
        pooling=facts.pooling,
        max_length=facts.max_length,
        layers=facts.layers,
    )
    shares = probabilities(head, facts, embedded)
    agreeing = Agreeing(rated)
    parts = [f"{NAMES.get(name, name)} ({what})" for name, what in agreeing.sources.items()]
    said = "forward selection by the agreement with people's ratings"
    if not pairs:
        classes, found = choose_classes(shares, agreeing)
        return classes, f"{said}: {'; '.join(parts)} ({found:.3f} on these)"
    ends = np.cumsum([len(rated), len(held), len(pairs)])
    own, validation, people, model = np.split(shares, ends)
    best = choose_against(own, agreeing, validation, Agreeing(held), people, model)
    parts.append(
        f"and, at {best.weight:g} of a source, that people's {len(pairs)} replies come before a "
        f"small model's: the most that costs no more than {LOSS:g} of the agreement on "
        f"{len(held)} other replies ({best.agreement:.3f}, at 0 {best.alone:.3f})"
    )
    return best.classes, f"{said}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Against:
    """The classes that the order of people and a small model had a part in choosing.

    Attributes:
        classes: their names.
        weight: how much that order counted, in sources of ratings.
        agreement: of these classes with people's ratings of the validation part.
        alone: the same of the classes that ratings alone choose.
    """

    classes: tuple[str, ...]
    weight: float
    agreement: float
    alone: float


def choose_against(
    shares: np.ndarray,
    agreeing: Agreeing,
    validation: np.ndarray,
    held: Agreeing,
    people: np.ndarray,
    model: np.ndarray,
) -> Against:
    """The largest of the weights ``AGAINST`` that costs at most ``LOSS`` on the validation part.

    Args:
        shares: the emotion head's probabilities of the rated replies to fit on, shape
            (replies, 28).
        agreeing: the agreement of scores of these with people.
        validation: probabilities of the rated replies of the validation part.
        held: the agreement of scores of those with people.
        people: probabilities of people's replies, shape (items, 28).
        model: of a small model's replies to the same items.
    """
    every = np.concatenate([shares, people, model])
    count = len(shares)
    found: list[Against] = []
    for against in AGAINST:
        weight = against / len(agreeing.sources)

        def agreement(scores: np.ndarray, weight: float = weight) -> float:
            first = first_of_pairs(*np.split(scores[count:], 2))
            return (agreeing(scores[:count]) + weight * first) / (1 + weight)

        try:
            classes, _ = choose_classes(every, agreement)
        except UsageError:  # nothing is left that agrees with both
            if not found:
                raise
            continue
        reached = held(empathy_mass(validation, EMOTIONS, classes))
        alone = found[0].alone if found else reached
        found.append(Against(classes, against, reached, alone))
    return [one for one in found if one.agreement >= one.alone - LOSS][-1]


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


def rated_part(ratings: Path, part: str) -> list[Rated]:
    """Rated replies of the dialogues of a part: ``train`` or ``validation``."""
    return [reply for reply in read_rated(ratings) if reply.part == part]
