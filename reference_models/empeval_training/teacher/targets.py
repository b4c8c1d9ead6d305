"""What the teacher learns: a head for each thing that people rated, and rows with known targets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from empeval.auditing.rated import RatedReply, RatedSet
from empeval_training.variants import SAME, VARIANTS


@dataclass(frozen=True)
class Head:
    """One output of the teacher: an ordinal scale that people used.

    Attributes:
        name: of the output.
        rated_set, dimension: whose ratings it learns; empty where counterfactuals teach it.
        low, high: the ends of the scale, whole numbers.
        weight: of its loss.
        overall: it stands for empathy as a whole, so that counterfactual pairs order it.
    """

    name: str
    rated_set: str
    dimension: str
    low: int
    high: int
    weight: float
    overall: bool


HEADS = (
    Head("emotional_reaction", "epitome", "emotional_reaction", 0, 2, 0.7, False),
    Head("interpretation", "epitome", "interpretation", 0, 2, 0.7, False),
    Head("exploration", "epitome", "exploration", 0, 2, 0.7, False),
    Head("exchanges", "exchanges-1-5", "empathy", 1, 5, 1.0, True),
    Head("ratings", "ratings-1-3", "empathy", 1, 3, 1.0, True),
    Head("condolence", "condolence", "empathy", 1, 5, 0.3, True),
    Head("feedback", "esconv-feedback", "empathy", 1, 5, 0.2, True),
    Head("relevance", "", "", 0, 1, 1.0, False),
)
"""``relevance`` tells a person's reply from a reply to another conversation."""
NAMES = tuple(head.name for head in HEADS)
RELEVANCE = NAMES.index("relevance")
MECHANISM_KEEPS = ("padded", "doubled")
"""Kinds of change that leave EPITOME's mechanisms as they are too. A formula of sympathy is an
emotional reaction by their definition, so those kinds are left to the ratings."""
NOT_A_STRANGER = tuple(kind for kind in VARIANTS if kind != "stranger")
MOST_OF_A_DIALOGUE = 6
"""At most so many replies to one dialogue are in a group."""


@dataclass
class TeacherRow:
    """A reply with what is known of it.

    Attributes:
        context, reply: what is read.
        targets: (head's number, rating, rater's number); raters are numbered from 1, 0 is
            nobody in particular.
    """

    context: tuple[str, ...]
    reply: str
    targets: list[tuple[int, float, int]] = field(default_factory=list)


@dataclass
class Group:
    """Rows about one dialogue, and what is known of pairs of them.

    Attributes:
        rows: at least one.
        pairs: (better, worse) numbers of rows; the worse is a counterfactual of the better.
        same: (original, changed, kind) numbers of rows that are worth the same.
    """

    rows: list[TeacherRow]
    pairs: list[tuple[int, int]] = field(default_factory=list)
    same: list[tuple[int, int, str]] = field(default_factory=list)


def rated_groups(
    sets: Sequence[RatedSet], raters: dict[str, int], seed: int, repeats: int = 1
) -> list[Group]:
    """Groups of rated replies by dialogue, with a counterfactual of one reply in half of them.

    Args:
        sets: of the training part alone.
        raters: name -> number; new names are added.
        seed: of what is drawn.
        repeats: how often EPITOME's replies are there, each time with other counterfactuals.
    """
    groups: list[Group] = []
    sets = [*sets, *[s for s in sets if s.name == "epitome" for _ in range(repeats - 1)]]
    for time, rated in enumerate(sets):
        numbers = [i for i, head in enumerate(HEADS) if head.rated_set == rated.name]
        by_dialogue: dict[str, list[RatedReply]] = {}
        for reply in rated.replies:
            by_dialogue.setdefault(reply.dialogue, []).append(reply)
        people = [r.reply for r in rated.replies if r.system in (None, "human")]
        for dialogue, replies in by_dialogue.items():
            dice = random.Random(f"{seed} {time} {dialogue}")  # noqa: S311 - no secret
            for start in range(0, len(replies), MOST_OF_A_DIALOGUE):
                some = replies[start : start + MOST_OF_A_DIALOGUE]
                group = Group([_row(reply, numbers, rated.name, raters, dice) for reply in some])
                if dice.random() < 0.5:
                    stranger = dice.choice(people)
                    add_variant(group, dice.randrange(len(some)), stranger, dice)
                groups.append(group)
    return groups


def _row(
    reply: RatedReply,
    numbers: Sequence[int],
    name: str,
    raters: dict[str, int],
    dice: random.Random,
) -> TeacherRow:
    targets = []
    for number in numbers:
        for rating in reply.ratings[HEADS[number].dimension]:
            rater = 0
            if rating.rater is not None:
                rater = raters.setdefault(f"{name} {rating.rater}", len(raters) + 1)
            targets.append((number, rating.value, rater))
    # Raters of an exchange may have seen it alone or in its conversation.
    alone = name == "exchanges-1-5" and dice.random() < 0.5
    return TeacherRow(reply.context[-1:] if alone else reply.context, reply.reply, targets)


def free_group(
    context: tuple[str, ...], reply: str, strangers: Sequence[str], dice: random.Random
) -> Group:
    """A reply that nobody rated, the strangers', and another counterfactual of it."""
    group = Group([TeacherRow(context, reply)])
    for stranger in strangers:
        add_variant(group, 0, stranger, dice, kind="stranger")
    add_variant(group, 0, strangers[0], dice, kind=dice.choice(NOT_A_STRANGER))
    return group


def add_variant(
    group: Group, origin: int, stranger: str, dice: random.Random, kind: str | None = None
) -> None:
    """Add a counterfactual of a row to its group, of a kind that is drawn unless given."""
    kind = kind or dice.choice(list(VARIANTS))
    row = group.rows[origin]
    reply = VARIANTS[kind](row.context[-1], row.reply, stranger, dice)
    if not reply or reply == row.reply:
        return
    group.rows.append(TeacherRow(row.context, reply))
    made = len(group.rows) - 1
    if kind in SAME:
        group.same.append((origin, made, kind))
    else:
        group.pairs.append((origin, made))
    if kind == "stranger":
        group.rows[made].targets.append((RELEVANCE, 0.0, 0))
        if (RELEVANCE, 1.0, 0) not in row.targets:
            row.targets.append((RELEVANCE, 1.0, 0))
