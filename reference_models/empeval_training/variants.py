"""Counterfactual replies: a reply changed in a way whose effect on empathy is known.

``SAME`` kinds make a reply no better and no worse; ``WORSE`` kinds make it worse. The sentences
are ours, and ``empeval audit`` tries others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from empeval_training.phrases import (
    ADVICE_ONLY,
    DISMISSIVE,
    FORMULAS,
    FORMULAS_ONLY,
    GENERIC,
    INSULTS,
    PADDING,
)

Maker = Callable[[str, str, str | None, random.Random], str | None]
"""(speaker's last turn, reply, a stranger's reply, dice) -> another reply, or none."""


def _padded(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    said = dice.sample(PADDING, dice.choice((1, 1, 2)))
    return " ".join(dice.choice(([reply, *said], [reply, *said], [*said, reply])))


def _stock(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    said = dice.choice(FORMULAS)
    return dice.choice((f"{reply} {said}", f"{said} {reply}"))


def _stock_thrice(
    speaker: str, reply: str, stranger: str | None, dice: random.Random
) -> str | None:
    same = dice.random() < 0.5
    said = [dice.choice(FORMULAS)] * 3 if same else dice.sample(FORMULAS, 3)
    return " ".join(dice.choice(([reply, *said], [*said, reply], [said[0], reply, *said[1:]])))


def _doubled(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    return f"{reply} {reply}"


def _echoed(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    return dice.choice((f"{speaker} {reply}", f"{reply} {speaker}"))


def _echo(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    return speaker


def _stranger(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    return stranger


def _insulted(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
    return f"{reply} {dice.choice(INSULTS)}"


def _fixed(replies: Sequence[str]) -> Maker:
    def choose(speaker: str, reply: str, stranger: str | None, dice: random.Random) -> str | None:
        return dice.choice(replies)

    return choose


SAME: dict[str, Maker] = {
    "padded": _padded,
    "stock": _stock,
    "stock-thrice": _stock_thrice,
    "doubled": _doubled,
    "echoed": _echoed,
}
"""``padded``: one or two sentences about nothing. ``stock``, ``stock-thrice``: formulas of
sympathy or joy. ``doubled``: the reply twice. ``echoed``: the speaker's turn said again beside
the reply."""

WORSE: dict[str, Maker] = {
    "stranger": _stranger,
    "dismissive": _fixed(DISMISSIVE),
    "advice-only": _fixed(ADVICE_ONLY),
    "generic": _fixed(GENERIC),
    "echo": _echo,
    "insulted": _insulted,
    "formulas-only": _fixed(FORMULAS_ONLY),
}
"""``stranger``: a person's reply to another conversation. ``dismissive``, ``advice-only``,
``generic``, ``formulas-only``: replies of our own writing. ``echo``: the speaker's turn instead
of a reply. ``insulted``: the reply with an insult behind it."""

VARIANTS: dict[str, Maker] = {**SAME, **WORSE}
