"""Examples cut from conversations, and the variants made of their replies."""

from __future__ import annotations

from collections import Counter

import pytest

from empeval_tasks.dialogues import Conversation
from empeval_training.examples import (
    ADVICE_ONLY,
    DISMISSIVE,
    FORMULAS,
    GENERIC,
    HUMAN,
    VARIANTS,
    Example,
    add_variants,
    even_choice,
)
from empeval_training.results import SORRY

FIXED = {"dismissive": DISMISSIVE, "advice-only": ADVICE_ONLY, "generic": GENERIC}


def conversation(number, emotion):
    return Conversation(f"c{number}", emotion, "", ("Something happened.", "Oh, tell me."))


def human(number, emotion, reply=None):
    return Example(
        id=f"c{number}#2",
        split="train",
        conversation=f"c{number}",
        emotion=emotion,
        context=(f"Thing {number} happened to me.",),
        reply=reply or f"I am so sorry about thing {number}. Did it take {number} days?",
    )


HUMANS = [human(n, ("sad", "proud", "angry")[n % 3]) for n in range(30)]


def test_variants_are_the_same_every_time():
    assert add_variants(HUMANS, 3, 17) == add_variants(HUMANS, 3, 17)
    assert add_variants(HUMANS, 3, 17) != add_variants(HUMANS, 3, 18)


def test_one_example_more_moves_no_other_examples_kinds():
    kinds = {v.id for v in add_variants(HUMANS[:-1], 2, 17)}
    assert kinds <= {v.id for v in add_variants(HUMANS, 2, 17)}


@pytest.mark.parametrize("per_turn", [0, 1, 3])
def test_each_reply_gets_as_many_variants_of_different_kinds(per_turn):
    made = add_variants(HUMANS, per_turn, 17)
    counts = Counter(v.id.partition("~")[0] for v in made)
    assert set(counts.values()) <= {per_turn}
    assert len({(v.id, v.variant) for v in made}) == len(made) == per_turn * len(HUMANS)


def test_a_variant_differs_from_its_reply_and_keeps_all_else():
    by_id = {h.id: h for h in HUMANS}
    for variant in add_variants(HUMANS, len(VARIANTS), 17):
        origin = by_id[variant.id.partition("~")[0]]
        assert variant.reply != origin.reply
        assert variant.variant in VARIANTS
        assert variant.variant != HUMAN
        assert (variant.context, variant.emotion, variant.conversation, variant.split) == (
            origin.context,
            origin.emotion,
            origin.conversation,
            origin.split,
        )


def test_donors_are_other_conversations_of_the_emotion_that_the_kind_names():
    homes = {h.reply: h for h in HUMANS}
    borrowed = [v for v in add_variants(HUMANS, len(VARIANTS), 17) if v.variant.startswith("other")]
    assert {v.variant for v in borrowed} == {"other-same-emotion", "other-emotion"}
    for variant in borrowed:
        donor = homes[variant.reply]
        assert donor.conversation != variant.conversation
        assert (donor.emotion == variant.emotion) == (variant.variant == "other-same-emotion")


def test_the_kinds_of_our_own_writing_come_from_their_lists():
    for variant in add_variants(HUMANS, len(VARIANTS), 17):
        if variant.variant in FIXED:
            assert variant.reply in FIXED[variant.variant]


@pytest.mark.parametrize("replies", FIXED.values(), ids=FIXED)
def test_the_lists_hold_twenty_different_replies(replies):
    assert len(set(replies)) == 20


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("I am so sorry. The bus leaves at six.", "The bus leaves at six."),
        ("I am so sorry to hear that.", None),  # nothing would be left
        ("The bus leaves at six.  It is red.", None),  # nothing to take away
        ("The bus is red.\nHow did that feel?", "The bus is red."),
    ],
)
def test_stripping_leaves_what_carries_no_empathy(reply, expected):
    made = add_variants([human(1, "sad", reply)], len(VARIANTS), 17)
    assert [v.reply for v in made if v.variant == "stripped"] == ([expected] if expected else [])


def test_without_another_conversation_nothing_is_borrowed():
    made = add_variants([human(1, "sad")], len(VARIANTS), 17)
    assert {v.variant for v in made} == {"stripped", "repeated", *FIXED}


def test_a_repeated_reply_keeps_the_reply_whole_and_says_a_formula_more_than_once():
    repeated = [v for v in add_variants(HUMANS, len(VARIANTS), 17) if v.variant == "repeated"]
    assert len(repeated) == len(HUMANS)
    counts = Counter()
    for variant in repeated:
        origin = next(h for h in HUMANS if h.id == variant.id.partition("~")[0])
        added = variant.reply.replace(origin.reply, "", 1).strip()
        assert origin.reply in variant.reply
        counts[max(added.count(formula) for formula in FORMULAS)] += 1
        assert sum(added.count(formula) for formula in FORMULAS) >= 3
    assert min(counts) >= 2


def test_what_the_results_probe_with_is_not_what_is_trained_on():
    assert SORRY not in FORMULAS
    assert SORRY.rstrip(".").lower() not in {formula.rstrip(".").lower() for formula in FORMULAS}


@pytest.mark.parametrize("count", [1, 3, 5, 9, 12])
def test_conversations_are_chosen_evenly_over_the_emotions(count):
    every = [conversation(n, "sad" if n % 4 else "proud") for n in range(40)]
    every += [conversation(n, "angry") for n in range(40, 44)]
    chosen = even_choice(every, count, 17)
    sizes = Counter(c.emotion for c in chosen)
    assert len(chosen) == count
    assert max(sizes.values()) - min(sizes.get(e, 0) for e in ("sad", "proud", "angry")) <= 1


def test_the_choice_keeps_the_order_of_the_data_and_hangs_on_the_seed():
    every = [conversation(n, "sad" if n % 2 else "proud") for n in range(40)]
    chosen = even_choice(every, 10, 17)
    assert chosen == sorted(chosen, key=every.index)
    assert chosen == even_choice(every, 10, 17)
    assert chosen != even_choice(every, 10, 18)


def test_an_emotion_that_runs_out_leaves_its_place_to_the_others():
    every = [conversation(0, "angry"), *(conversation(n, "sad") for n in range(1, 20))]
    assert Counter(c.emotion for c in even_choice(every, 8, 17)) == {"angry": 1, "sad": 7}
