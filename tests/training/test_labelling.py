"""Labels: whose word counts for which reply, and how one scale is linked to another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from empeval import UsageError
from empeval.auditing.rated import Dimension, RatedReply, RatedSet, Rating
from empeval.data import use_data_directory
from empeval_training.examples import Example, add_variants
from empeval_training.teacher.labelling import (
    MECHANISMS,
    Labeller,
    label_examples,
    link,
)
from empeval_training.teacher.targets import NAMES, TeacherRow
from empeval_training.teacher.training import TeacherReader
from empeval_training.variants import SAME, VARIANTS

DIMENSIONS = (Dimension(name="empathy", low=1, high=5),)


@pytest.fixture
def labeller(teacher, rated, rated_mirror):
    with use_data_directory(rated_mirror):
        return Labeller([teacher], rated)


class Word:
    """Stands for a labeller: a word a reply, that hangs on the text alone."""

    def label(self, rows, what):
        empathy = np.array([1 + (len(r.reply) * 37 % 400) / 100 for r in rows])
        levels = np.array([[len(r.reply) % 3, len(r.reply) % 5 / 2.5, 0.5] for r in rows])
        return empathy, levels.reshape(-1, 3)


def word(reply):
    empathy, levels = Word().label([reply], "")
    return round(float(empathy[0]), 4), tuple(round(float(x), 4) for x in levels[0])


def human(number):
    return Example(f"c{number}#2", "train", f"c{number}", "sad", (f"Thing {number} happened.",),
                   f"I know thing {number}{'!' * number}")  # fmt: skip


HUMANS = [human(n) for n in range(12)]


def test_changes_worth_the_same_keep_their_origins_labels_and_the_others_are_read():
    made = add_variants(HUMANS, len(VARIANTS), 3)
    labelled = {e.id: e for e in label_examples([*HUMANS, *made], Word(), "x")}
    assert list(labelled) == [e.id for e in [*HUMANS, *made]]
    seen = set()
    for example in labelled.values():
        own = word(example)
        origin = labelled[example.id.partition("~")[0]]
        seen.add(example.variant)
        if example.variant in ("padded", "doubled", "echoed"):
            assert (example.empathy, example.mechanisms) == word(origin)
        elif example.variant in ("stock", "stock-thrice"):
            assert example.empathy == word(origin)[0]
            assert example.mechanisms == own[1]  # a formula is an emotional reaction
        else:
            assert (example.empathy, example.mechanisms) == own
    assert seen == {"human", *VARIANTS}
    assert any(word(e) != word(labelled[e.id.partition("~")[0]]) for e in labelled.values()
               if e.variant in SAME)  # fmt: skip


def test_labels_stay_on_the_scale():
    class Outside(Word):
        def label(self, rows, what):
            return np.array([0.2, 7.0] * len(rows))[: len(rows)], np.zeros((len(rows), 3))

    labels = [e.empathy for e in label_examples(HUMANS[:2], Outside(), "x")]
    assert labels == [1, 5]


def test_the_labels_are_the_teachers_expected_ratings(labeller, teacher):
    rows = [TeacherRow(e.context, e.reply) for e in HUMANS]
    empathy, mechanisms = labeller.label(rows, "x")
    reader = TeacherReader.load(teacher)
    latents = reader.latents(rows)
    assert empathy.shape == (12,)
    assert mechanisms.shape == (12, 3)
    assert ((empathy >= 1) & (empathy <= 5)).all()
    assert ((mechanisms >= 0) & (mechanisms <= 2)).all()
    for column, name in enumerate(MECHANISMS):
        number = NAMES.index(name)
        thresholds = reader.network.thresholds[number].detach().numpy()
        expected = (1 / (1 + np.exp(-(latents[:, number, None] - thresholds)))).sum(1)
        assert mechanisms[:, column] == pytest.approx(expected, abs=1e-4)


def test_nothing_but_the_validation_part_ties_the_scale(
    teacher, rated, rated_mirror, labeller, tmp_path
):
    """Ratings of other parts may be anything: the scale stays. One of validation moves it."""
    parts = {r.id: r.part for s in labeller.sets if s.name == "exchanges-1-5" for r in s.replies}

    def tied(name, part):
        folder = shutil.copytree(rated, tmp_path / name / "people")
        rows = [json.loads(line) for line in (folder / "exchanges.jsonl").read_text().splitlines()]
        for row in rows:
            if parts[f"{row['conv_id']}:{row['exchange_number']}"] in part:
                row["empathy"] = 6 - row["empathy"]
        (folder / "exchanges.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        with use_data_directory(rated_mirror):
            return Labeller([teacher], folder).overall

    usual = labeller.overall
    unmoved = tied("others", ("test",))
    assert unmoved.thresholds == pytest.approx(usual.thresholds, abs=1e-6)
    assert replace(unmoved, thresholds=()) == replace(usual, thresholds=())
    assert tied("own", ("validation",)).thresholds != pytest.approx(usual.thresholds, abs=1e-3)


def test_a_teacher_without_its_weights_still_says_what_it_said(
    teacher, rated, rated_mirror, labeller, tmp_path
):
    parts = [s.only("validation") for s in labeller.sets]
    said = [labeller.latents_of(part, "validation") for part in parts]
    copy = shutil.copytree(teacher, tmp_path / "kept")
    shutil.rmtree(copy / "stages")
    with use_data_directory(rated_mirror):
        kept = Labeller([copy], rated)
    assert (labeller.whole, kept.whole) == (True, False)
    assert kept.overall == labeller.overall
    for part, expected in zip(parts, said, strict=True):
        assert (kept.latents_of(part, "validation") == expected).all()
    with pytest.raises(UsageError, match="holds no weights"):
        kept.label([TeacherRow(("Hello there.",), "Something new.")], "x")


def test_several_teachers_are_one_whose_word_is_their_mean(
    teacher, run_teacher, rated, rated_mirror, labeller, tmp_path
):
    run_teacher(tmp_path / "other", seed=18)
    rows = [TeacherRow(e.context, e.reply) for e in HUMANS]
    with use_data_directory(rated_mirror):
        both = Labeller([teacher, tmp_path / "other"], rated)
        other = Labeller([tmp_path / "other"], rated)
    mean = (labeller.label(rows, "x")[1] + other.label(rows, "x")[1]) / 2
    assert both.label(rows, "x")[1] == pytest.approx(mean, abs=1e-5)


def a_set(name, ratings, systems=None):
    replies = tuple(
        RatedReply(id=str(n), dialogue=f"{name} {n}", context=("a",), reply="b",
                   system=systems[n] if systems else "human",
                   ratings={"empathy": (Rating(float(r)),)})
        for n, r in enumerate(ratings)
    )  # fmt: skip
    return RatedSet(name=name, replies=replies, dimensions=DIMENSIONS)


def test_ratings_are_linked_by_equal_percentiles():
    dice = np.random.default_rng(2)
    systems = [("human", "model", None)[n % 3] for n in range(900)]
    three = a_set("three", dice.choice([1, 2, 3], 900, p=[0.2, 0.5, 0.3]), systems)
    five = a_set("five", dice.integers(1, 6, 700))
    said = sorted(
        r.mean("empathy") for r in three.replies if r.part == "train" and r.system != "model"
    )
    other = sorted(r.mean("empathy") for r in five.replies if r.part == "train")
    # every reply of ours gets the rating of the one at the same place in the other queue
    for level, value in link(three, five).items():
        places = [(k + 0.5) / len(said) for k, rating in enumerate(said) if rating == level]
        matched = [other[int(place * len(other))] for place in places]
        assert value == pytest.approx(np.mean(matched), abs=0.03)


def test_linked_levels_rise():
    dice = np.random.default_rng(4)
    for _ in range(20):
        three = a_set("three", dice.choice([1, 2, 3], 60, p=dice.dirichlet([1, 1, 1])))
        values = link(three, a_set("five", dice.integers(1, 6, 50)))
        assert list(values) == [1, 2, 3]
        assert list(values.values()) == sorted(values.values())
        assert all(1 <= v <= 5 for v in values.values())
