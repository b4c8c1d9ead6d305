"""The checkpoints that come with empeval, on dialogues of our own."""

from __future__ import annotations

import json

import pytest

from empeval.testing import ScorerContract, fake_item, fake_sample
from empeval_empathy.emotions import EMOTIONS
from empeval_empathy.scorers import MVC, STM, Baseline

SCORERS = {"baseline": Baseline, "stm": STM, "mvc": MVC}

BRIGHT = {
    "anticipating", "confident", "content", "excited", "faithful", "grateful", "hopeful",
    "impressed", "joyful", "prepared", "proud", "surprised", "trusting",
}  # fmt: skip

DIALOGUES = [
    (
        "My grandmother passed away last night. We were very close.",
        "I'm so sorry for your loss. You must miss her so much. How are you holding up?",
        "Everybody's grandmother dies. Anyway, have you seen the game?",
    ),
    (
        "I failed my driving test for the third time and I feel like such an idiot.",
        "Oh no, that must be so frustrating after all of your practice. You are not an idiot!",
        "Well, some people just should not drive.",
    ),
    (
        "I finally got the promotion that I have been working towards for years!",
        "Congratulations! You must be so proud, all of that hard work paid off. How do you feel?",
        "Ok. More work for the same money, I guess.",
    ),
    (
        "Somebody broke into my house while I was asleep. I am still scared at night.",
        "That sounds terrifying, I would be scared too. Are you safe now?",
        "You should have locked the door.",
    ),
    (
        "My best friend moved away and I have nobody to talk to any more.",
        "I'm sorry, that sounds really lonely. It is hard when a good friend is far away.",
        "Whatever. Just find new friends.",
    ),
]


@pytest.fixture(scope="module")
def scorers(bundled):
    return {name: kind() for name, kind in SCORERS.items()}


@pytest.fixture(scope="module", params=SCORERS)
def name(request):
    return request.param


@pytest.fixture
def scorer(scorers, name):
    return scorers[name]


class TestMVC(ScorerContract):
    @pytest.fixture
    def scorer(self, scorers):
        return scorers["mvc"]


def test_the_emotions_are_the_32(bundled, name):
    facts = json.loads((bundled / name / "config.json").read_text())
    assert sorted(facts["id2label"].values()) == sorted(EMOTIONS)


def test_warm_replies_outrank_dismissive_ones(scorer):
    items = [fake_item(str(n), text) for n, (text, _, _) in enumerate(DIALOGUES)]
    warm, cold = (
        scorer.score([fake_sample(d[place], i) for d, i in zip(DIALOGUES, items, strict=True)])
        for place in (1, 2)
    )
    gaps = [w.values["empathy"] - c.values["empathy"] for w, c in zip(warm, cold, strict=True)]
    assert sum(gap > 0 for gap in gaps) >= len(gaps) - 1, gaps
    assert sum(gaps) / len(gaps) > 0.15, gaps


def test_grief_and_joy_are_told_apart(scorer):
    grief, joy = scorer.score(
        [
            fake_sample(DIALOGUES[0][1], fake_item("0", DIALOGUES[0][0])),
            fake_sample(DIALOGUES[2][1], fake_item("1", DIALOGUES[2][0])),
        ]
    )
    assert grief.labels["emotion"] not in BRIGHT
    assert joy.labels["emotion"] in BRIGHT


def test_the_three_take_thirty_megabytes_at_most(bundled):
    assert sum(path.stat().st_size for path in bundled.rglob("*") if path.is_file()) <= 30e6
