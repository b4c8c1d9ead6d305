"""Conversations between a speaker and a listener as items: each listener turn is a question."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

from empeval import Item, Message, Task

SYSTEM_PROMPT = (
    "You are chatting with a friend who tells you about something in their life. "
    "Answer as a caring friend would, in one or two sentences."
)
"""Stands before every conversation. Changing it means raising the tasks' versions."""

EMOTIONS = (
    "afraid",
    "angry",
    "annoyed",
    "anticipating",
    "anxious",
    "apprehensive",
    "ashamed",
    "caring",
    "confident",
    "content",
    "devastated",
    "disappointed",
    "disgusted",
    "embarrassed",
    "excited",
    "faithful",
    "furious",
    "grateful",
    "guilty",
    "hopeful",
    "impressed",
    "jealous",
    "joyful",
    "lonely",
    "nostalgic",
    "prepared",
    "proud",
    "sad",
    "sentimental",
    "surprised",
    "terrified",
    "trusting",
)
"""The 32 emotions of EmpatheticDialogues, in alphabetical order."""

Turns = Literal["all", "last"]


@dataclass(frozen=True)
class Conversation:
    """A chat about one situation; the speaker and the listener alternate, the speaker begins."""

    id: str
    emotion: str
    situation: str
    turns: tuple[str, ...]

    def items(self, turns: Turns) -> list[Item]:
        """One item for each listener turn, or for the last one only.

        The item's id is the conversation's with ``#`` and the number of the turn from 1. A
        conversation in which the listener says nothing has no items.
        """
        replies = range(1, len(self.turns), 2)
        return [self._item(reply) for reply in (replies if turns == "all" else replies[-1:])]

    def _item(self, reply: int) -> Item:
        said = (
            Message("assistant" if index % 2 else "user", text)
            for index, text in enumerate(self.turns[:reply])
        )
        return Item(
            id=f"{self.id}#{reply + 1}",
            messages=(Message("system", SYSTEM_PROMPT), *said),
            cluster=self.id,
            reference=self.turns[reply],
            target={"emotion": self.emotion},
            metadata={"situation": self.situation, "turn": reply + 1, "turns": len(self.turns)},
        )


class DialogueTask(Task):
    """A task whose items are listener turns of conversations.

    Args:
        turns: ``all`` asks for every listener turn, ``last`` for the last one of each
            conversation.
    """

    def __init__(self, *, turns: Turns = "all") -> None:
        self.turns: Turns = turns

    @abstractmethod
    def conversations(self) -> Iterator[Conversation]:
        """Yield every conversation, in a fixed order."""

    def items(self) -> Iterator[Item]:
        """Yield the listener turns, conversation by conversation.

        Raises:
            DataError: the rows are not what they should be.
            HubError: the rows cannot be fetched.
        """
        for conversation in self.conversations():
            yield from conversation.items(self.turns)

    def select(self, items: Sequence[Item], limit: int, seed: int) -> list[Item]:
        """Choose ``limit`` conversations, evenly over the emotions, with all of their items.

        One conversation of each emotion is taken in turn, in an order that the seed decides, so
        no emotion is more than one ahead of another that has conversations left. A larger limit
        keeps what a smaller one chose. The items stay in their order.
        """
        chosen = set(sample_conversations(items, limit, seed))
        return [item for item in items if item.cluster in chosen]

    def data_key(self) -> str:
        """Name the choice of rows."""
        return f"turns={self.turns}"


def sample_conversations(items: Sequence[Item], limit: int, seed: int) -> list[str]:
    """Ids of the first ``limit`` conversations when the emotions take turns.

    Inside an emotion the order is that of a hash over seed and id: it is the same on every
    machine and under every version of Python, and a conversation more or less in the data moves
    no other.
    """
    emotions: dict[str, set[str]] = {}
    for item in items:
        emotions.setdefault(str(item.target["emotion"]), set()).add(item.cluster)
    queues = [sorted(emotions[e], key=lambda name: _draw(seed, name)) for e in sorted(emotions)]
    in_turn = chain.from_iterable(zip_longest(*queues))
    return [name for name in in_turn if name is not None][:limit]


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
