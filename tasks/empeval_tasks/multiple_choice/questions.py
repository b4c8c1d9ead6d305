"""Questions with options as items: shuffled, lettered, with the form of the answer."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from empeval import Blank, DataError, Item, Message, UsageError

PROVIDES = "choices"
"""What a task provides whose items were made here (see ``TaskCard.provides``)."""

LETTERS = string.ascii_uppercase

Mode = Literal["generate", "likelihood"]
"""Whether the model writes its answer, or the likeliest letters are taken."""


@dataclass(frozen=True)
class Question:
    """What is asked about a passage.

    Attributes:
        name: a word under which it is answered, such as ``answer`` or ``cause``.
        text: the question.
        options: as published, two to 26 different ones.
        right: one of them.
    """

    name: str
    text: str
    options: tuple[str, ...]
    right: str


class Choice(msgspec.Struct, frozen=True):
    """What an answer is compared with.

    Attributes:
        name: the question's.
        options: in the order in which they were shown.
        right: the letter of the right one.
    """

    name: str
    options: tuple[str, ...]
    right: str

    def letters(self) -> str:
        """The letters that may be chosen."""
        return LETTERS[: len(self.options)]


def choice_item(
    identifier: str,
    passage: str,
    questions: Sequence[Question],
    *,
    seed: int,
    cluster: str,
    metadata: Mapping[str, Any],
    mode: Mode = "generate",
) -> Item:
    """An item that shows a passage and asks to choose one option of each question.

    Args:
        identifier: of the item.
        passage: what the questions are about.
        questions: at least one, with different names.
        seed: of the options' order, which depends on nothing but it, the item and the options.
        cluster: what the item was cut from.
        metadata: for the reader; ``category`` groups metrics.
        mode: ``likelihood`` gives the item a blank a question, for its letter.

    Raises:
        DataError: options that are doubled, too few or too many, or without the right one.
    """
    choices = [_shuffled(identifier, question, seed) for question in questions]
    parts = [passage]
    for question, choice in zip(questions, choices, strict=True):
        lines = [f"{a}) {b}" for a, b in zip(choice.letters(), choice.options, strict=True)]
        parts.append("\n".join([question.text, *lines]))
    each = " for each question" if len(choices) > 1 else ""
    form = "\n".join(f"{choice.name.capitalize()}: <letter>" for choice in choices)
    parts.append(
        f"Choose the one best option{each}. Reply in this form and with nothing else:\n{form}"
    )
    return Item(
        id=identifier,
        messages=(Message("user", "\n\n".join(parts)),),
        cluster=cluster,
        target={PROVIDES: msgspec.to_builtins(choices)},
        metadata=dict(metadata),
        blanks=tuple(map(_blank, choices)) if mode == "likelihood" else (),
    )


def _blank(choice: Choice) -> Blank:
    options = tuple(f" {letter}" for letter in choice.letters())
    return Blank(choice.name, f"{choice.name.capitalize()}:", options)


def spread(items: Sequence[Item], limit: int) -> list[Item]:
    """At most ``limit`` items at even distances: data sets keep their categories together."""
    count = min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def choices_of(item: Item) -> list[Choice]:
    """What an item asks to choose.

    Raises:
        UsageError: it is no item of this kind.
    """
    try:
        choices = msgspec.convert(item.target.get(PROVIDES), list[Choice])
        if choices and all(choice.right in choice.letters() for choice in choices):
            return choices
    except msgspec.ValidationError:
        pass
    raise UsageError(
        f"Item '{item.id}' has no target['{PROVIDES}'] with options and the right letter; the "
        "scorer 'choices' reads items of tasks that provide 'choices'."
    )


def _shuffled(identifier: str, question: Question, seed: int) -> Choice:
    options = question.options
    if not 2 <= len(options) <= len(LETTERS) or len(set(options)) != len(options):
        raise DataError(f"Item '{identifier}' has {len(options)} options; two to 26 different "
                        "ones are wanted.")  # fmt: skip
    if question.right not in options:
        raise DataError(f"Item '{identifier}': the right answer is none of its options.")

    def rank(option: str) -> bytes:
        return hashlib.sha256("\0".join([str(seed), identifier, option]).encode()).digest()

    order = tuple(sorted(options, key=rank))
    return Choice(question.name, order, LETTERS[order.index(question.right)])
