"""Finds the item that a question's text asks, through chat templates and few-shot examples."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from empeval.records import Item, Message

_ANCHOR = 8
"""Words at the end of an item's last turn by which the spots to look at are found."""
_LEAST_WORDS, _LEAST_SHARE = 8, 0.5
"""A question that holds an item's words among others is that item's when they are so many, or this
share of it, or when they are said to be somebody's and next to nothing follows."""
_SPEAKERS = frozenset(
    ("user", "human", "speaker", "inst", "q", "question", "prompt", "instruction", "input")
)
_LISTENERS = frozenset(("assistant", "model", "listener", "bot", "inst", "answer", "response"))
_BEFORE, _AFTER, _FEW = 4, 10, 2
"""Words before an item among which a speaker is looked for; words after it among which a listener
is, and how many there may be where none is."""

_GOES_ON = (" start user ", " id user ", " turn user ")
"""How the speaker's next turn begins in chat templates, as words."""

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text: what stands between them (space, punctuation, marks) says nothing."""
    return _WORD.findall(text)


class Wordings:
    """The wordings of a task's items.

    A question is compared word by word, without its system prompt and, in a dialogue whose replies
    are the model's own, without these. Where it is no item's exactly,
    the item is sought inside it: other programs send one text in which roles, a chat template or
    examples stand around the question. Of several items in it the one that ends last is asked.

    Args:
        items: of one task.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._exact: dict[str, list[str]] = defaultdict(list)
        self._anchors: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._scripted = any(item.turn for item in items)
        self._said = {item.id: _said(_asked(item)) for item in items}
        self._items = [(item.id, _turns(_asked(item))) for item in items]
        for number, (identifier, turns) in enumerate(self._items):
            self._exact[_joined(turns)].append(identifier)
            last = words_of(turns[-1]) if turns else []
            if last:
                self._anchors[tuple(last[-_ANCHOR:])].append(number)
        self._lengths = sorted({len(anchor) for anchor in self._anchors}, reverse=True)

    def find(self, messages: Sequence[Message]) -> list[str]:
        """Ids of the items that this question asks; several when their wordings are the same."""
        found = self._found(messages)
        if len(found) < 2:
            return found
        raw = "\n".join(m.content for m in messages)  # marks may still tell them apart
        same = [i for i in found if all(m.content in raw for m in self._said[i])]
        return same or found

    def _found(self, messages: Sequence[Message]) -> list[str]:
        asked = _turns(messages)
        exact = self._exact.get(_joined(asked))
        if not exact and self._scripted:
            exact = self._exact.get(_joined(_turns(_spoken(messages))))
        if exact:
            return list(exact)
        spoken = [f" {m.role}{turn}" for m, turn in zip(_said(messages), asked, strict=True)]
        return self._inside("".join(spoken), sum(map(len, spoken[:-1])))

    def _inside(self, text: str, least: int) -> list[str]:
        """Ids of the items in a text that end after its first ``least`` characters."""
        words = text.split()
        best = (0, 0)
        found: list[str] = []
        for number in self._anchored(words):
            identifier, turns = self._items[number]
            start, end = _span(text, turns)
            count = sum(len(turn.split()) for turn in turns)
            enough = count >= _LEAST_WORDS or count >= _LEAST_SHARE * len(words)
            if end <= least or any(mark in text[end:] for mark in _GOES_ON):
                continue  # the dialogue goes on: another item's question
            if enough or _is_said(text[:start], text[end:]):
                if (end, count) > best:
                    best, found = (end, count), []
                if (end, count) == best:
                    found.append(identifier)
        return found

    def _anchored(self, words: Sequence[str]) -> set[int]:
        """Numbers of the items the end of whose last turn is among the words."""
        there: set[int] = set()
        for length in self._lengths:
            for start in range(len(words) - length + 1):
                there.update(self._anchors.get(tuple(words[start : start + length]), ()))
        return there


def _asked(item: Item) -> Sequence[Message]:
    """What an item says to every model: of a turn in a dialogue, not the model's own replies."""
    return _spoken(item.messages) if item.turn else item.messages


def _spoken(messages: Sequence[Message]) -> list[Message]:
    return [m for m in messages if m.role != "assistant"]


def _said(messages: Sequence[Message]) -> list[Message]:
    """The messages that say a word; no system prompt."""
    return [m for m in messages if m.role != "system" and _WORD.search(m.content)]


def _turns(messages: Sequence[Message]) -> list[str]:
    """Each turn's words, in single spaces and with one on both sides; no system prompt."""
    return [f" {' '.join(words_of(m.content))} " for m in _said(messages)]


def _joined(turns: Sequence[str]) -> str:
    return "|".join(turns)


def _span(text: str, turns: Sequence[str]) -> tuple[int, int]:
    """Where the turns, in their order, last begin and end in a text; (0, 0): not in it."""
    end = start = 0
    for index, turn in enumerate(reversed(turns)):
        start = text.rfind(turn) if index == 0 else text.rfind(turn, 0, start + 1)
        if start < 0:
            return 0, 0
        end = end or start + len(turn)
    return start, end


def _is_said(before: str, after: str) -> bool:
    """Whether what stands around an item are a template's marks of who speaks."""
    marks = {word.casefold() for word in before.split()[-_BEFORE:]}
    rest = [word.casefold() for word in after.split()]
    closed = len(rest) <= _FEW or (len(rest) <= _AFTER and not _LISTENERS.isdisjoint(rest))
    return closed and not _SPEAKERS.isdisjoint(marks)
