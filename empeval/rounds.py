"""A task's items in the order in which they can be asked: dialogues turn by turn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from empeval.answering import finish
from empeval.asked import AskedTask, with_system
from empeval.records import Item, Response, ResponseLine, ResponseStatus
from empeval.runs import UNANSWERED
from empeval.scripts import dialogue_of, turn_id, with_replies


class Round(NamedTuple):
    """Items that can be asked at once.

    Attributes:
        items: as they are kept, with the model's replies so far.
        shown: the same as the model gets them.
        ended: turns of dialogues of which an earlier turn has no answer, with a status that says
            so.
    """

    items: list[Item]
    shown: list[Item]
    ended: list[ResponseLine]


class Rounds:
    """The first turn of every dialogue, then the second one of every dialogue, and so on.

    A round holds all of its turns, answered or not, so that a generator groups them in the same
    way wherever a run was interrupted. Items without a script are one round. Where a generator
    groups nothing, each dialogue goes on by itself (``begin``, ``after``).

    Args:
        asked: the task.
        lines: what was answered before.
    """

    def __init__(self, asked: AskedTask, lines: Iterable[ResponseLine]) -> None:
        self._asked = asked
        self._replies: dict[str, str] = {}
        self._causes: dict[str, tuple[ResponseStatus, str]] = {}
        self._turns: dict[str, Item] = {}
        self._by_turn: dict[int, list[Item]] = {}
        for item in asked.items:
            self._by_turn.setdefault(max(item.turn, 1), []).append(item)
        for line in lines if asked.scripted else ():
            self.take(line)

    def take(self, line: ResponseLine) -> None:
        """Note an answer, before the next round is asked for."""
        if not line.item.turn:
            return
        if line.status in UNANSWERED:
            why = line.note or f"it has no answer ({line.status})"
            cause = f"turn {line.item.turn} of this dialogue failed: {why}"
            before = self._causes.get(_id(line.item, line.item.turn - 1))
            self._causes[line.id] = before or (line.status, cause)
        self._replies[line.id] = line.response

    def __iter__(self) -> Iterator[Round]:
        for number in sorted(self._by_turn):
            yield self._round(self._by_turn[number])

    def begin(self, done: Collection[str]) -> Round:
        """The first turn without an answer of every dialogue.

        Args:
            done: ids that have one.
        """
        self._turns = {item.id: item for item in self._asked.items if item.turn}
        starts = [self._onward(item, done) for item in self._asked.items if item.turn < 2]
        return Round(*(list(chain(*parts)) for parts in zip(*starts, strict=True)))

    def after(self, line: ResponseLine, done: Collection[str]) -> Round:
        """The next turn of an answer's dialogue, which has begun.

        Args:
            line: the answer, which was taken.
            done: ids that have one.
        """
        return self._onward(self._next(line.item), done)

    def _next(self, item: Item) -> Item | None:
        return self._turns.get(_id(item, item.turn + 1)) if item.turn else None

    def _onward(self, turn: Item | None, done: Collection[str]) -> Round:
        """From a turn on: the first that can be asked, and before it those that cannot."""
        ended: list[ResponseLine] = []
        while turn is not None:
            if turn.id not in done:
                one = self._round([turn])
                if one.items:
                    return one._replace(ended=ended)
                ended += one.ended
                self.take(one.ended[0])
            turn = self._next(turn)
        return Round([], [], ended)

    def _round(self, turns: Iterable[Item]) -> Round:
        items: list[Item] = []
        ended: list[ResponseLine] = []
        for turn in turns:
            kept = self._with_replies(turn)
            cause = self._causes.get(_id(turn, turn.turn - 1)) if turn.turn > 1 else None
            if cause is None:
                items.append(kept)
            else:
                ended.append(finish(Response(turn.id, "", cause[0], note=cause[1]), kept))
        return Round(items, [with_system(i, self._asked.system) for i in items], ended)

    def _with_replies(self, item: Item) -> Item:
        if item.turn < 2:
            return item
        before = (_id(item, number) for number in range(1, item.turn))
        return with_replies(item, [self._replies[name] for name in before])


def _id(item: Item, number: int) -> str:
    return turn_id(dialogue_of(item), number)
