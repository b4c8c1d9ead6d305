"""The checkpoints that come with empeval, on dialogues of our own."""

from __future__ import annotations

import json

import pytest

from empeval.testing import ScorerContract, fake_item, fake_sample
from empeval_empathy.emotions import EMOTIONS
from empeval_empathy.scorers import MVC, STM, Baseline

SCORERS = {"baseline": Baseline, "stm": STM, "mvc": MVC}

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


def test_a_warm_reply_outranks_a_dismissive_one(scorer):
    items = [fake_item(str(n), text) for n, (text, _, _) in enumerate(DIALOGUES)]
    warm = scorer.score([fake_sample(d[1], i) for d, i in zip(DIALOGUES, items, strict=True)])
    cold = scorer.score([fake_sample(d[2], i) for d, i in zip(DIALOGUES, items, strict=True)])
    for one, other, (text, _, _) in zip(warm, cold, DIALOGUES, strict=True):
        assert one.values["empathy"] > other.values["empathy"], text


def test_grief_and_joy_are_not_mistaken_for_each_other(scorer):
    dark = {"sad", "devastated", "lonely", "sentimental", "disappointed", "nostalgic"}
    bright = {"proud", "joyful", "excited", "confident", "grateful", "content", "surprised"}
    grief, joy = scorer.score(
        [
            fake_sample(DIALOGUES[0][1], fake_item("0", DIALOGUES[0][0])),
            fake_sample(DIALOGUES[2][1], fake_item("1", DIALOGUES[2][0])),
        ]
    )
    assert grief.labels["emotion"] in dark
    assert joy.labels["emotion"] in bright


def test_the_three_take_thirty_megabytes_at_most(bundled):
    assert sum(path.stat().st_size for path in bundled.rglob("*") if path.is_file()) <= 30e6
