"""Training examples: listener turns of EmpatheticDialogues and augmented variants of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence

import msgspec

from empeval import load_rows
from empeval.auditing.rated import Part
from empeval_tasks.dialogues import Conversation
from empeval_tasks.ed_empathy.rows import DATASET, read_conversations
from empeval_tasks.ed_empathy.task import REVISION
from empeval_training.variants import VARIANTS

SPLITS: tuple[Part, ...] = ("train", "validation", "test")
HUMAN = "human"


class Example(msgspec.Struct, frozen=True):
    """One reply to judge.

    Attributes:
        id: unique over all splits.
        split: ``train``, ``validation`` or ``test``; a conversation is in one of them only.
        conversation: what it was cut from.
        emotion: the conversation's, one of 32; empty where nobody named one (EPITOME).
        context: the turns before the reply, the speaker's turn last.
        reply: the listener turn, or a variant of it.
        variant: ``human``, or how the reply was made (see ``variants.VARIANTS``),
            ``rated:SET`` for one that people rated.
        empathy: the label in [1, 5]; 0 until it has been labelled, ``None`` where nobody said.
        mechanisms: emotional reaction, interpretation and exploration, each in [0, 2]; or ``None``.
        ratings: what is known of the reply on the scales that a model learns: scale -> a number
            on it (``scales.SCALES``).
    """

    id: str
    split: str
    conversation: str
    emotion: str
    context: tuple[str, ...]
    reply: str
    variant: str = HUMAN
    empathy: float | None = 0.0
    mechanisms: tuple[float, float, float] | None = (0.0, 0.0, 0.0)
    ratings: dict[str, float] = {}


def human_examples(split: str, conversations: int | None, seed: int) -> list[Example]:
    """The listener turns of a split, from so many conversations drawn evenly over the emotions.

    Raises:
        DataError: the data set is not what it should be.
        HubError: it cannot be fetched.
    """
    files = (f"{split}.csv", f"{split}.csv.gz", f"*/{split}/*.parquet")
    every = list(read_conversations(load_rows(DATASET, files, revision=REVISION)))
    if conversations is not None and conversations < len(every):
        every = even_choice(every, conversations, seed)
    return [example for conversation in every for example in _turns(conversation, split)]


def even_choice(every: Sequence[Conversation], count: int, seed: int) -> list[Conversation]:
    """``count`` conversations, taking one of each emotion in turn; in the order of the data."""
    places: dict[str, list[int]] = {}
    for place, conversation in enumerate(every):
        places.setdefault(conversation.emotion, []).append(place)
    for emotion, own in places.items():
        own.sort(key=lambda place: _draw(seed, emotion, every[place].id))
    ranked = sorted(
        (rank, emotion, place) for emotion, own in places.items() for rank, place in enumerate(own)
    )
    return [every[place] for place in sorted(place for _, _, place in ranked[:count])]


def _turns(conversation: Conversation, split: str) -> Iterator[Example]:
    for place in range(1, len(conversation.turns), 2):
        yield Example(
            id=f"{conversation.id}#{place + 1}",
            split=split,
            conversation=conversation.id,
            emotion=conversation.emotion,
            context=conversation.turns[:place],
            reply=conversation.turns[place],
        )


STRANGERS = 0.4
"""Share of the variants that are a stranger's reply: relevance is most of what they teach."""


def add_variants(humans: Sequence[Example], per_turn: int, seed: int) -> list[Example]:
    """Variants of human replies, ``per_turn`` of different kinds for each, where they exist.

    Kinds and donors are drawn by a hash of seed and id: the same on every machine, and one
    example more moves no other's kinds.
    """
    donors = Donors(humans)
    made = []
    for example in humans:
        dice = random.Random(_draw(seed, example.id))  # noqa: S311 - no secret hangs on it
        kinds = [kind for kind in VARIANTS if kind != "stranger"]
        dice.shuffle(kinds)
        kinds.insert(0 if dice.random() < STRANGERS else len(kinds), "stranger")
        stranger = donors.draw(example, dice.choice(donors.emotions), dice)
        count = 0
        for kind in kinds:
            if count == per_turn:
                break
            reply = VARIANTS[kind](example.context[-1], example.reply, stranger, dice)
            if reply is not None and reply != example.reply:
                made.append(
                    msgspec.structs.replace(
                        example, id=f"{example.id}~{kind}", reply=reply, variant=kind
                    )
                )
                count += 1
    return made


class Donors:
    """Human replies of a split, by emotion: where replies to other conversations come from."""

    def __init__(self, humans: Sequence[Example]) -> None:
        self.by_emotion: dict[str, list[Example]] = {}
        for example in humans:
            self.by_emotion.setdefault(example.emotion, []).append(example)
        self.emotions = sorted(self.by_emotion)

    def draw(self, example: Example, emotion: str, dice: random.Random) -> str | None:
        """A human reply to another conversation of this emotion, or ``None``."""
        for _ in range(8):
            donor = dice.choice(self.by_emotion[emotion])
            if donor.conversation != example.conversation:
                return donor.reply
        return None


def _draw(*parts: object) -> int:
    text = " ".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
