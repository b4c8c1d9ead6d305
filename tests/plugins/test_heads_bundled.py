"""The heads that come with empeval: their files, and what they say of texts of our own."""

from __future__ import annotations

import re

import numpy as np
import pytest

from empeval import EmpevalError, Message, Response, Sample, packaged_model
from empeval.models import find
from empeval.testing import ScorerContract, fake_item
from empeval_heads.bundle import BUNDLED, read_eq
from empeval_heads.facts import KINDS, read_facts
from empeval_heads.head import load_head, probabilities
from empeval_heads.labels import STRATEGIES
from empeval_heads.scorers import EQ, EmotionHead, StrategyHead

BASE = "smollm2-135m-instruct"


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundled_head_is_of_the_packaged_base_and_says_what_was_measured(kind):
    facts = read_facts(BUNDLED / f"{kind}-head.safetensors", kind)
    assert facts.base == f"packaged:{BASE}"
    assert facts.base_fingerprint == find(BASE).key
    assert facts.metrics["macro_f1"] > 3 * facts.metrics["majority_macro_f1"]
    assert facts.data.startswith("sha256:")
    card = (BUNDLED / "README.md").read_text()
    for name in ("macro_f1", "accuracy", "majority_macro_f1", "majority_accuracy"):
        assert f"{facts.metrics[name]:.4f}" in card


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundled_head_gives_probabilities(kind):
    head, facts = load_head(BUNDLED / f"{kind}-head.safetensors", kind)
    embedded = np.random.default_rng(3).normal(size=(5, facts.width)).astype(np.float32)
    found = probabilities(head, facts, embedded)
    assert found.shape == (5, len(facts.labels))
    assert np.isfinite(found).all()
    if kind == "strategy":
        assert found.sum(-1) == pytest.approx(1, abs=1e-5)


def test_how_they_become_a_score_is_in_the_card_and_the_bundle_is_small():
    facts = read_eq(BUNDLED)
    assert facts.base == f"packaged:{BASE}"
    assert facts.alignment == "strategy"
    card = (BUNDLED / "README.md").read_text()
    assert ", ".join(facts.empathy_classes) in card
    assert "EPITOME" in facts.chosen_by
    assert facts.chosen_by in card
    assert not re.search(r"(?<![\w:/])/\w+/\w+", card), "no path of a machine"
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 4_000_000


def test_a_scorer_of_the_bundle_knows_its_fingerprint_before_the_base_is_there(monkeypatch):
    def missing(name):
        raise AssertionError("the base is not needed for this")

    monkeypatch.setattr("empeval_heads.base.shared_base", missing)
    assert EQ().fingerprint().count(find(BASE).key) == 2


@pytest.fixture(scope="module")
def base():
    try:
        packaged_model(BASE)
    except EmpevalError as error:
        pytest.skip(f"their base, {BASE}, cannot be had: {error}")


def sample(said, reply):
    item = fake_item(messages=(Message("user", said),))
    return Sample(item, Response(item.id, reply))


KIND = [
    ("My grandmother passed away last night.", "I am so sorry for your loss. I feel for you."),
    ("I failed my exam again.", "Oh no, I am sorry to hear that. I am sure you will make it."),
    ("I finally got the promotion!", "I am so happy for you, congratulations! You deserve it."),
    ("Nobody came to my party.", "That is so sad, I am sorry. I would have loved to come."),
]
COLD = [
    "Grandmothers are old. Did you see the game?",
    "The exam takes place twice a year.",
    "The office is on the second floor.",
    "Parties are held on weekends.",
]


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_kind_replies_have_more_empathy_mass_than_cold_ones():
    samples = [sample(said, reply) for said, reply in KIND]
    samples += [sample(said, cold) for (said, _), cold in zip(KIND, COLD, strict=True)]
    mass = [score.values["empathy_mass"] for score in EQ().score(samples)]
    assert all(kind > cold for kind, cold in zip(mass[: len(KIND)], mass[len(KIND) :], strict=True))


@pytest.mark.slow
@pytest.mark.usefixtures("base")
def test_plain_cases_are_read_as_people_read_them():
    texts = {
        "gratitude": "Thank you so much for your help!",
        "amusement": "Hahaha, that is funny!",
        "love": "I love this so much.",
        "curiosity": "What do you mean? Who said that?",
    }
    scores = EmotionHead().score([sample("Hello.", text) for text in texts.values()])
    for emotion, score in zip(texts, scores, strict=True):
        assert emotion in score.labels["emotions"].split(", "), score.labels
    said = "I do not know what to do about my job any more."
    replies = {
        "Question": "What happened at your job?",
        "Providing Suggestions": "Maybe you could try to talk to your boss about it.",
        "Self-disclosure": "I went through the same when I lost my job last year.",
    }
    scores = StrategyHead().score([sample(said, text) for text in replies.values()])
    assert [score.labels["strategy"] for score in scores] == list(replies)
    assert set(replies) <= set(STRATEGIES)


@pytest.fixture(scope="module")
def eq():
    return EQ()


@pytest.mark.slow
@pytest.mark.usefixtures("base")
class TestBundledEQ(ScorerContract):
    @pytest.fixture
    def scorer(self, eq):
        return eq
