"""Training examples: listener turns of EmpatheticDialogues and augmented variants of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from empeval import load_rows
from empeval_tasks.dialogues import Conversation
from empeval_tasks.ed_empathy.rows import DATASET, read_conversations
from empeval_tasks.ed_empathy.task import REVISION
from empeval_training.lexicon import is_empathic, sentences

SPLITS = ("train", "validation", "test")
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
        variant: ``human``, or how the reply was made (see ``VARIANTS``), ``system:NAME`` for a
            published system's, ``rated:SOURCE`` for one that people rated.
        empathy: the hybrid label in [1, 5]; 0 until it has been labelled.
    """

    id: str
    split: str
    conversation: str
    emotion: str
    context: tuple[str, ...]
    reply: str
    variant: str = HUMAN
    empathy: float = 0.0


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


def add_variants(humans: Sequence[Example], per_turn: int, seed: int) -> list[Example]:
    """Variants of human replies, ``per_turn`` of different kinds for each, where they exist.

    Kinds and donors are drawn by a hash of seed and id: the same on every machine, and one
    example more moves no other's kinds.
    """
    donors = Donors(humans)
    made = []
    for example in humans:
        dice = random.Random(_draw(seed, example.id))  # noqa: S311 - no secret hangs on it
        kinds = list(VARIANTS)
        dice.shuffle(kinds)
        count = 0
        for kind in kinds:
            if count == per_turn:
                break
            reply = VARIANTS[kind](example, donors, dice)
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


def _same_emotion(example: Example, donors: Donors, dice: random.Random) -> str | None:
    return donors.draw(example, example.emotion, dice)


def _other_emotion(example: Example, donors: Donors, dice: random.Random) -> str | None:
    others = [emotion for emotion in donors.emotions if emotion != example.emotion]
    return donors.draw(example, dice.choice(others), dice) if others else None


def _stripped(example: Example, donors: Donors, dice: random.Random) -> str | None:
    every = sentences(example.reply)
    kept = [s for s in every if not is_empathic(s)]
    return " ".join(kept) if 0 < len(kept) < len(every) else None


def _repeated(example: Example, donors: Donors, dice: random.Random) -> str | None:
    formulas = dice.sample(FORMULAS, dice.choice((1, 1, 2, 3)))
    said = [*formulas, *dice.choices(formulas, k=dice.choice((1, 2)))]
    if len(said) == 2:
        said.append(said[0])
    return " ".join(dice.choice(([example.reply, *said], [*said, example.reply])))


def _fixed(replies: Sequence[str]) -> Any:
    def choose(example: Example, donors: Donors, dice: random.Random) -> str | None:
        return dice.choice(replies)

    return choose


DISMISSIVE = (
    "It's not that big of a deal. Get over it.",
    "You are overreacting, honestly.",
    "So what? That happens to everybody.",
    "Other people have it much worse than you.",
    "I don't see why you are making such a fuss about this.",
    "Well, that is your own fault.",
    "Who cares about something like that?",
    "Stop complaining, it is not the end of the world.",
    "Whatever. Can we talk about something else?",
    "You should have known better. What did you expect?",
    "That is nothing. You should hear what I went through.",
    "I don't really care, to be honest.",
    "Just move on already.",
    "You are being too sensitive about it.",
    "Sounds boring to me.",
    "Don't get too excited, it probably won't last.",
    "Big deal. I have done that a hundred times.",
    "I think you are exaggerating a bit.",
    "Why are you even telling me this?",
    "Calm down, there is no reason to feel like that.",
)
ADVICE_ONLY = (
    "You should make a list and work through it step by step.",
    "You need to call them and sort it out today.",
    "Try to get eight hours of sleep and drink more water.",
    "You should look it up online before you do anything else.",
    "Just ask someone at the front desk, they will tell you what to do.",
    "Make sure to keep the receipt and all the paperwork.",
    "You have to set a budget and stick to it.",
    "If I were you, I would talk to a lawyer.",
    "You could download an app for that. There are several.",
    "Next time, plan ahead and leave the house earlier.",
    "You should report it to the manager.",
    "Buy a better lock and change the password.",
    "You ought to see a doctor about it.",
    "Just take a class. That will fix it.",
    "You need to be more organised in general.",
    "Write it down and set a reminder on your phone.",
    "You should wait a week and then decide.",
    "Find a hobby. It will keep you busy.",
    "You had better check the warranty.",
    "Get a second opinion and compare the prices.",
)
GENERIC = (
    "Okay.",
    "I see.",
    "Oh.",
    "Alright then.",
    "That is interesting.",
    "I don't know what to say.",
    "Hmm, okay.",
    "Yes.",
    "Sure.",
    "I have heard of that.",
    "Things like that happen.",
    "It is what it is.",
    "Good to know.",
    "Right.",
    "I guess so.",
    "Thanks for telling me.",
    "Got it.",
    "Fair enough.",
    "Well, you never know.",
    "Same old story.",
)
FORMULAS = (
    "I am sorry.",
    "I am really sorry about that.",
    "So sorry this happened to you.",
    "Oh no, I'm sorry.",
    "I feel for you.",
    "My heart goes out to you.",
    "That is so sad.",
    "That must be terrible.",
    "That sounds very hard.",
    "I understand how you feel.",
    "I can imagine how you feel.",
    "I hope it gets better soon.",
    "I am here for you.",
    "You poor thing.",
    "Congratulations!",
    "That's so great!",
    "I'm very happy for you!",
    "Good for you!",
    "Wow, that is amazing!",
    "I bet you feel wonderful.",
)

VARIANTS: dict[str, Any] = {
    "other-same-emotion": _same_emotion,
    "other-emotion": _other_emotion,
    "stripped": _stripped,
    "dismissive": _fixed(DISMISSIVE),
    "advice-only": _fixed(ADVICE_ONLY),
    "generic": _fixed(GENERIC),
    "repeated": _repeated,
}
"""How replies of the low and the middle of the scale are made, by name.

``other-same-emotion`` and ``other-emotion``: a person's reply to another conversation.
``stripped``: the reply without the sentences that carry empathy, where something is left.
``dismissive``, ``advice-only``, ``generic``: one of twenty replies that we wrote.
``repeated``: the reply with three to five formulas of sympathy or joy before or after it, some of
them more than once.
"""

INHERITING = frozenset({"repeated"})
"""Variants that get the label of the reply they were made of: saying a formula again makes no
reply kinder, but it moves every signal that counts words."""


def _draw(*parts: object) -> int:
    text = " ".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
