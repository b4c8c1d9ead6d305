"""Dialogues whose user's turns are fixed and whose replies are the model's own.

A scripted item is asked as one item a turn, ``ID#1``, ``ID#2`` ..., each with the replies so far
in its messages. Two models' replies differ, and what they are asked is the same all the same: what
identifies a turn leaves the model's own replies out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from empeval.records import Item, Message

PENDING = "(the model's own reply)"
"""Stands for a reply that is still to come, where a turn is shown or measured beforehand."""


def turn_items(item: Item) -> list[Item]:
    """An item as it is asked: itself, or an item for each turn of its script.

    In the messages of later turns ``PENDING`` stands for the model's own replies.
    """
    if not item.script:
        return [item]
    return [_turn(item, number) for number in range(1, len(item.script) + 1)]


def scored_turns(item: Item) -> int:
    """How many of its replies are scored."""
    return sum(turn.scored for turn in item.script) if item.script else 1


def steps(item: Item) -> set[str]:
    """Ids of the turns whose replies are not scored."""
    numbered = enumerate(item.script, 1)
    return {turn_id(item.id, number) for number, turn in numbered if not turn.scored}


def turn_id(dialogue: str, number: int) -> str:
    """The id of a turn, counted from 1."""
    return f"{dialogue}#{number}"


def dialogue_of(item: Item) -> str:
    """The id of the scripted item that a turn is of."""
    return item.id.removesuffix(f"#{item.turn}")


def own_replies(item: Item) -> Iterator[int]:
    """Indices of a turn's messages that are the model's own replies, in their order."""
    end = len(item.messages)
    return iter(range(end - 2 * item.turn + 2, end - 1, 2) if item.turn else ())


def with_replies(item: Item, replies: Sequence[str]) -> Item:
    """A turn with the replies to the turns before it.

    Args:
        item: of ``turn_items``.
        replies: ``item.turn - 1`` of them.
    """
    messages = list(item.messages)
    for index, reply in zip(own_replies(item), replies, strict=True):
        messages[index] = Message("assistant", reply)
    filled: Item = msgspec.structs.replace(item, messages=tuple(messages))
    return filled


def without_replies(item: Item) -> tuple[Message, ...]:
    """A turn's messages as they are for every model: its own replies are empty."""
    own = set(own_replies(item))
    return tuple(
        Message("assistant", "") if index in own else message
        for index, message in enumerate(item.messages)
    )


def _turn(item: Item, number: int) -> Item:
    said = [Message("user", item.script[0].content)]
    for turn in item.script[1:number]:
        said += [Message("assistant", PENDING), Message("user", turn.content)]
    turn = item.script[number - 1]
    facts = {"dialogue": item.id, "turn": number, "turns": len(item.script)}
    made: Item = msgspec.structs.replace(
        item,
        id=turn_id(item.id, number),
        messages=(*item.messages, *said),
        reference=turn.reference,
        target={**item.target, **turn.target},
        metadata={**item.metadata, **turn.metadata, **facts},
        script=(),
        turn=number,
    )
    return made
