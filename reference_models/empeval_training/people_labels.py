"""Labels that people gave, without a teacher: rated replies, and what is known of variants of them.

A rated reply has labels for what was rated and none for the rest. A variant that is worth the same
keeps them; one that is worth less stands at the low end of the scale: an assumption of ours,
because nobody rated replies that bad.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from empeval.auditing.rated import Part, RatedSet
from empeval_training.examples import Example
from empeval_training.teacher.labelling import KEPT, MECHANISMS, link
from empeval_training.variants import SAME, VARIANTS

SETS = ("epitome", "ratings-1-3", "exchanges-1-5")
"""The sets on whose scales a model's outputs are; the others need a teacher to be tied to them."""

LOW = {
    "stranger": 1.5,
    "dismissive": 1.0,
    "insulted": 1.0,
    "echo": 1.3,
    "generic": 1.5,
    "advice-only": 1.8,
}
"""Empathy of variants that are worth less, in points of the 1-5 scale."""

SHARE, STRANGERS = 0.7, 0.3
"""Share of the replies that get a variant, and of the variants that are a stranger's reply."""


def people_examples(sets: Sequence[RatedSet], part: Part) -> list[Example]:
    """Rated replies of a part with what people said of them; ``None`` for what nobody rated."""
    by_name = {s.name: s for s in sets}
    linked = link(by_name["ratings-1-3"], by_name["exchanges-1-5"])
    examples = []
    for name in SETS:
        for reply in by_name[name].only(part).replies:
            said, mechanisms = reply.mean("empathy"), None
            if name == "ratings-1-3" and said is not None:
                said = linked[round(said)]
            if name == "epitome":
                er, ip, ex = (reply.mean(m) or 0.0 for m in MECHANISMS)
                mechanisms = (er, ip, ex)
            examples.append(
                Example(
                    id=f"{name}:{reply.id}",
                    split=part,
                    conversation=reply.dialogue,
                    emotion=reply.emotion or "",
                    context=reply.context,
                    reply=reply.reply,
                    variant=f"rated:{name}",
                    empathy=said,
                    mechanisms=mechanisms,
                )
            )
    return examples


def people_variants(examples: Sequence[Example], seed: int) -> list[Example]:
    """A variant of a share of rated replies, with the labels that follow from its kind."""
    kinds = [kind for kind in VARIANTS if kind in SAME or (kind in LOW and kind != "stranger")]
    made = []
    for example in examples:
        dice = random.Random(f"{seed} {example.id}")  # noqa: S311 - no secret hangs on it
        if dice.random() >= SHARE:
            continue
        kind = "stranger" if dice.random() < STRANGERS else dice.choice(kinds)
        donor = dice.choice(examples)
        stranger = donor.reply if donor.conversation != example.conversation else None
        reply = VARIANTS[kind](example.context[-1], example.reply, stranger, dice)
        if reply is None or reply == example.reply:
            continue
        made.append(
            msgspec.structs.replace(
                example,
                id=f"{example.id}~{kind}",
                reply=reply,
                variant=kind,
                empathy=example.empathy if kind in SAME else LOW[kind],
                mechanisms=example.mechanisms if kind in KEPT else None,
            )
        )
    return made
