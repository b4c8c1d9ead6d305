"""Rated replies as training examples: what people said of them, and what is known of variants.

A variant that is worth the same keeps what was said of the reply it was made of. One that is worth
less stands at the low end of the scales: an assumption of ours, because nobody rated replies that
bad.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from empeval.auditing.rated import Part, RatedSet
from empeval_empathy.scales import RELEVANCE
from empeval_training.examples import Example
from empeval_training.scales import SCALES, said_of
from empeval_training.teacher.labelling import KEPT, MECHANISMS, link
from empeval_training.variants import SAME, VARIANTS

LOW = {
    "dismissive": 0.0,
    "insulted": 0.0,
    "echo": 0.1,
    "generic": 0.15,
    "advice-only": 0.2,
}
"""Where on the scales of empathy variants that are worth less stand, 0 the lowest end, 1 the
highest."""

SHARE, STRANGERS = 0.4, 0.3
"""Share of the replies that get a variant, and of the variants that are a stranger's reply."""


def people_examples(
    sets: Sequence[RatedSet], part: Part, only: Sequence[str] | None = None
) -> list[Example]:
    """Rated replies of a part with what people said of them; ``None`` for what nobody rated."""
    by_name = {s.name: s for s in sets}
    linked = link(by_name["ratings-1-3"], by_name["exchanges-1-5"])
    examples = []
    for rated in sets:
        if only is not None and rated.name not in only:
            continue
        for reply in rated.only(part).replies:
            said, mechanisms = None, None
            if rated.name == "exchanges-1-5":
                said = reply.mean("empathy")
            elif rated.name == "ratings-1-3":
                said = linked[round(reply.mean("empathy") or 0.0)]
            elif rated.name == "epitome":
                er, ip, ex = (reply.mean(m) or 0.0 for m in MECHANISMS)
                mechanisms = (er, ip, ex)
            examples.append(
                Example(
                    id=f"{rated.name}:{reply.id}",
                    split=part,
                    conversation=reply.dialogue,
                    emotion=reply.emotion or "",
                    context=reply.context,
                    reply=reply.reply,
                    variant=f"rated:{rated.name}",
                    empathy=said,
                    mechanisms=mechanisms,
                    ratings={**said_of(reply, rated.name), RELEVANCE: 1.0},
                )
            )
    return examples


def people_variants(examples: Sequence[Example], seed: int) -> list[Example]:
    """A variant of a share of rated replies, with the ratings that follow from its kind."""
    kinds = [kind for kind in VARIANTS if kind in SAME or kind in LOW]
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
                empathy=example.empathy if kind in SAME else None,
                mechanisms=example.mechanisms if kind in KEPT else None,
                ratings=_ratings(example, kind),
            )
        )
    return made


def _ratings(example: Example, kind: str) -> dict[str, float]:
    """What is known of a variant; a formula of sympathy *is* an emotional reaction."""
    if kind == "stranger":
        return {RELEVANCE: 0.0}
    known = {}
    for scale in SCALES:
        if scale.name not in example.ratings:
            continue
        if kind in SAME and (scale.overall or kind in KEPT or scale.name == RELEVANCE):
            known[scale.name] = example.ratings[scale.name]
        elif kind in LOW and scale.overall:
            known[scale.name] = scale.low + LOW[kind] * (scale.high - scale.low)
    return known
