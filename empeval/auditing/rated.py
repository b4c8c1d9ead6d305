"""Replies that people rated, whatever file they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

Part = Literal["train", "validation", "test"]

TRAIN_SHARE, VALIDATION_SHARE = 70, 10
"""Percent of the dialogues that a scorer may be trained on, and that choices may be made by; the
rest is the test part, which decides nothing."""


class Dimension(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that people rated.

    Attributes:
        name: the field's name of it; a scorer's value of the same name is compared with it.
        low, high: the ends of the scale.
        whole: ratings are whole numbers, so that a kappa can be had.
        parts: the dimensions that it is the sum of, where it is one; a scorer that gives all of
            them is compared by their sum.
    """

    name: str
    low: float
    high: float
    whole: bool = True
    parts: tuple[str, ...] = ()


class Rating(msgspec.Struct, frozen=True):
    """What one person said; ``rater`` is ``None`` where the file does not tell raters apart."""

    value: float
    rater: str | None = None


class RatedReply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that people rated.

    Attributes:
        id: unique in its set.
        dialogue: what it was a reply to; replies that share it are no independent ones. Names
            carry over between sets: two sets on the same conversation say the same.
        context: the turns before the reply, the speaker's turn last; not empty.
        reply: the text that was rated.
        ratings: dimension -> what each rater said.
        system: who replied, where known (``human`` for a person).
        emotion: the speaker's, where known.
    """

    id: str
    dialogue: str
    context: tuple[str, ...]
    reply: str
    ratings: dict[str, tuple[Rating, ...]]
    system: str | None = None
    emotion: str | None = None

    @property
    def part(self) -> Part:
        """The part that its dialogue belongs to, by a hash of the dialogue's name: 70 % train,
        10 % validation, 20 % test.
        """
        digest = hashlib.sha256(self.dialogue.encode()).digest()
        bucket = int.from_bytes(digest[:4], "big") % 100
        if bucket < TRAIN_SHARE:
            return "train"
        return "validation" if bucket < TRAIN_SHARE + VALIDATION_SHARE else "test"

    def mean(self, dimension: str) -> float | None:
        """The mean over the raters; ``None`` where nobody rated this dimension."""
        said = self.ratings.get(dimension)
        return sum(r.value for r in said) / len(said) if said else None


class RatedSet(msgspec.Struct, frozen=True, kw_only=True):
    """A set of rated replies.

    Attributes:
        name: short, for tables.
        replies: at least one.
        dimensions: what was rated.
        source: who made it, for a reader.
        license: what it may be used for, as far as stated.
        notes: what a reader of estimates must know (rows left out, and why).
    """

    name: str
    replies: tuple[RatedReply, ...]
    dimensions: tuple[Dimension, ...]
    source: str = ""
    license: str | None = None
    notes: tuple[str, ...] = ()

    def only(self, part: Part) -> RatedSet:
        """The replies of one part."""
        chosen = tuple(reply for reply in self.replies if reply.part == part)
        return msgspec.structs.replace(self, replies=chosen)


def of_part(replies: Sequence[RatedReply], part: Part) -> list[RatedReply]:
    """Those of one part."""
    return [reply for reply in replies if reply.part == part]
