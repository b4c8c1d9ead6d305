"""Examples cut from conversations, and the variants made of their replies."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from empeval_tasks.dialogues import Conversation
from empeval_training import phrases
from empeval_training.examples import HUMAN, STRANGERS, Example, add_variants, even_choice
from empeval_training.variants import SAME, VARIANTS, WORSE

FIXED = {
    "dismissive": phrases.DISMISSIVE,
    "advice-only": phrases.ADVICE_ONLY,
    "generic": phrases.GENERIC,
    "formulas-only": phrases.FORMULAS_ONLY,
}


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


def made_of(kind, count=400, humans=HUMANS):
    """Many replies of a kind, beside the human that each was made of."""
    dice = random.Random(kind)
    made = []
    for _ in range(count // len(humans) + 1):
        for example in humans:
            reply = VARIANTS[kind](example.context[-1], example.reply, "A stranger's word.", dice)
            made.append((example, reply))
    return made


def test_every_kind_is_worth_the_same_or_less():
    assert {**SAME, **WORSE} == VARIANTS
    assert not set(SAME) & set(WORSE)
    assert set(FIXED) < set(WORSE)


def test_strangers_are_humans_of_other_conversations_and_the_most_frequent_kind():
    homes = {h.reply: h for h in HUMANS}
    made = add_variants(HUMANS, 1, 17)
    borrowed = [v for v in made if v.variant == "stranger"]
    for variant in borrowed:
        assert homes[variant.reply].conversation != variant.conversation
    many = [human(n, "sad") for n in range(600)]
    counts = Counter(v.variant for v in add_variants(many, 1, 3))
    assert counts.most_common(1)[0][0] == "stranger"
    assert counts["stranger"] / 600 == pytest.approx(STRANGERS, abs=0.06)
    assert set(counts) == set(VARIANTS)


@pytest.mark.parametrize("kind", FIXED)
def test_the_kinds_of_our_own_writing_come_from_their_lists(kind):
    replies = [reply for _, reply in made_of(kind)]
    assert set(replies) == set(FIXED[kind])


@pytest.mark.parametrize("kind", SAME)
def test_a_change_worth_the_same_keeps_the_reply_whole(kind):
    for example, reply in made_of(kind):
        assert example.reply in reply
        assert reply != example.reply


def added(example, reply):
    return reply.replace(example.reply, "", 1).strip()


def test_padding_is_one_or_two_sentences_about_nothing():
    counts = Counter()
    for example, reply in made_of("padded"):
        said = [s for s in phrases.PADDING if s in reply]
        assert added(example, reply) in {" ".join(said), " ".join(reversed(said))}
        counts[len(said)] += 1
    assert set(counts) == {1, 2}


def test_a_formula_is_said_once_or_three_times():
    for example, reply in made_of("stock"):
        assert added(example, reply) in phrases.FORMULAS
    kinds = Counter()
    for example, reply in made_of("stock-thrice"):
        rest = added(example, reply)
        counts = {f: rest.count(f) for f in phrases.FORMULAS if f in rest}
        assert sum(counts.values()) >= 3
        kinds[max(counts.values()) >= 3] += 1
    assert min(kinds[True], kinds[False]) > 100  # one of them thrice, or three different ones


def test_the_speakers_turn_is_said_again_beside_the_reply_or_instead_of_it():
    for example, reply in made_of("echoed"):
        assert added(example, reply) == example.context[-1]
    assert all(reply == example.context[-1] for example, reply in made_of("echo"))
    assert all(reply == f"{example.reply} {example.reply}" for example, reply in made_of("doubled"))


def test_an_insult_stands_behind_the_reply():
    ends = {reply.removeprefix(f"{e.reply} ") for e, reply in made_of("insulted")}
    assert ends == set(phrases.INSULTS)


@pytest.mark.parametrize("name", [n for n in dir(phrases) if n.isupper()])
def test_the_lists_hold_different_sentences(name):
    sentences = getattr(phrases, name)
    assert len({s.lower() for s in sentences}) == len(sentences) >= 12
    assert all(s == s.strip() and s for s in sentences)


def test_what_an_audit_changes_replies_with_is_not_what_is_trained_on():
    """Or the audit would measure what was learned by heart."""
    from importlib.resources import files

    assets = files("empeval.auditing").joinpath("assets", "phrases.json").read_text("utf-8").lower()
    for name in ("DISMISSIVE", "INSULTS", "PADDING", "ADVICE_ONLY", "GENERIC", "FORMULAS_ONLY"):
        for sentence in getattr(phrases, name):
            assert f'"{sentence.lower()}"' not in assets, sentence


def test_without_another_conversation_nothing_is_borrowed():
    made = add_variants([human(1, "sad")], len(VARIANTS), 17)
    assert {v.variant for v in made} == set(VARIANTS) - {"stranger"}


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
