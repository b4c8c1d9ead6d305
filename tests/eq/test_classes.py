"""The empathy classes by ratings and by a small model's replies, from real folders of both."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import empeval
from empeval import UsageError
from empeval.data import use_data_directory
from empeval_heads.head import Head
from empeval_heads.labels import EMOTIONS
from empeval_training.eq import classes
from empeval_training.eq.choosing import Agreeing, first_of_pairs
from empeval_training.eq.classes import choose_against, classes_by_people, small_model_pairs
from empeval_training.ratings import Rated

SORRY = "I am so sorry to hear that."


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    with open(folder / "epitome_dev.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex"))
        for n in range(240):
            reply = (f"{SORRY} {n}", f"That hurts, {n}.", f"Nothing much, {n}.")[n % 3]
            writer.writerow([f"s{n}", f"r{n}", "I am sad.", reply, 2 - n % 3, 0, 0])
    row = {"dialog_id": "hit:1_conv:1", "emotion": "sad", "speaker_utterance": "Oh.",
           "system": "human", "response": "Oh.", "empathy_rating": 2}  # fmt: skip
    (folder / "welivita_pu_2024_dev.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture(scope="module")
def asked(mirror, tmp_path_factory):
    """Runs of a model that always says it is sorry, by split."""
    root = tmp_path_factory.mktemp("asked")
    runs = {}
    with use_data_directory(mirror):
        for split in ("validation", "test"):
            options = {"task_args": {"ed-empathy.split": split}, "out": root / f"people-{split}"}
            people = empeval.run("human:", ["ed-empathy"], ["surface"], **options)
            lines = [{"id": line.id, "response": SORRY} for line in people.responses("ed-empathy")]
            path = root / f"{split}.jsonl"
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            options["out"] = root / split
            empeval.run(f"replay:{path}", ["ed-empathy"], ["surface"], **options)
            runs[split] = root / split
    return runs


def test_peoples_replies_stand_against_the_models(asked):
    run = empeval.Run(asked["validation"])
    pairs = small_model_pairs(asked["validation"])
    assert [model for _, model in pairs] == [SORRY] * len(pairs)
    assert [people for people, _ in pairs] == [
        line.item.reference for line in run.responses("ed-empathy")
    ]


def test_nothing_is_chosen_by_the_test_split(asked, tmp_path):
    with pytest.raises(UsageError, match=r"test split.*split=validation"):
        small_model_pairs(asked["test"])
    other = empeval.run("human:", ["ed-mini"], ["surface"], limit=1, out=tmp_path / "other")
    with pytest.raises(UsageError, match="no replies to ed-empathy"):
        small_model_pairs(other.path)


def test_first_of_pairs_counts_who_comes_first():
    people, model = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 2.0, 1.0])
    assert first_of_pairs(people, model) == pytest.approx((1 - 1 + 0 + 1) / 4)


def test_a_class_that_puts_the_model_first_counts_less(ratings, asked, monkeypatch):
    """Two classes that agree with people alike; one of them is what the model's formula has."""

    def probabilities(head, facts, texts):
        shares = np.full((len(texts), len(EMOTIONS)), 0.1)
        for row, text in enumerate(texts):
            level = 2 if SORRY in text else 1 if "hurts" in text else 0
            formula = text == SORRY
            shares[row, EMOTIONS.index("caring")] += level + 3 * formula
            shares[row, EMOTIONS.index("remorse")] += level - 2 * formula
        return shares

    class Base:
        def embed(self, passages, **options):
            return [passage.text for passage in passages]

    monkeypatch.setattr(classes, "probabilities", probabilities)
    monkeypatch.setattr(classes, "shared_base", lambda name: Base())
    emotion = (Head(4, 4, 28), Facts())
    alone, _ = classes_by_people(ratings, None, emotion)
    against, chosen_by = classes_by_people(ratings, asked["validation"], emotion)
    assert alone == ("caring",), "the first of two that are equally good"
    assert against == ("remorse",)
    assert "come before a small model's" in chosen_by
    assert "EPITOME (er and sum of" in chosen_by


def test_an_order_counts_no_more_than_agreement_with_people_allows():
    """The only class that people find warm is the one that the small model's formula has."""
    levels = np.tile([0.0, 1.0, 2.0], 60)
    rated = [
        Rated(
            f"r{n}", "epitome", f"d{n}", ("Oh.",), "A reply.", "train", {"er": level, "sum": level}
        )
        for n, level in enumerate(levels)
    ]
    shares = np.full((len(levels), len(EMOTIONS)), 0.1)
    shares[:, EMOTIONS.index("caring")] += levels
    shares[:, EMOTIONS.index("joy")] += np.tile([0.0, 3.0, 0.0], 60) + 0.1 * levels
    people, model = np.full((2, 40, len(EMOTIONS)), 0.1)
    people[:, EMOTIONS.index("joy")] += 1
    model[:, EMOTIONS.index("caring")] += 1
    agreeing = Agreeing(rated)
    chosen = choose_against(shares, agreeing, shares, agreeing, people, model)
    assert (chosen.classes, chosen.weight) == (("caring",), 0.25), "at 0.5 joy alone would win"
    level = choose_against(shares, agreeing, shares, agreeing, people, people)
    assert (level.classes, level.weight) == (("caring",), 1), "nothing speaks against it"


class Facts:
    """What is read of a head's facts."""

    base, pooling, max_length, layers = "tiny", "mean", 64, (1,)


def test_a_models_replies_alone_choose_nothing(cli, asked, tmp_path):
    outcome = cli("train", "heads", "--out", str(tmp_path / "h"), "--against",
                  str(asked["validation"]))  # fmt: skip
    assert outcome.code == 2
    assert "--against goes with --ratings" in outcome.err
