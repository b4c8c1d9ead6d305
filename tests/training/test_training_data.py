"""Prepared examples and comments as data sets: numbers, batches, weights, and bad rows."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_encoder import tiny_examples

from empeval import DataError, HubError, UsageError
from empeval.data import use_data_directory
from empeval_empathy.views import Dialogue, ViewBuilder
from empeval_tasks.dialogues import EMOTIONS
from empeval_training.data import (
    GOEMOTIONS_CLASSES,
    NO_EMOTION,
    Collator,
    CommentCollator,
    Comments,
    Labelled,
    class_weights,
    draw,
    make_folder,
    read_prepared,
    write_json,
)
from empeval_training.scales import NAMES


@pytest.fixture(scope="module")
def views(encoder):
    from transformers import AutoTokenizer

    return ViewBuilder(AutoTokenizer.from_pretrained(encoder), 64)


def mirror(folder, rows):
    place = folder / "google-research-datasets" / "go_emotions"
    place.mkdir(parents=True)
    (place / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_rows_have_labels_and_the_length_of_their_full_view(views):
    examples = tiny_examples("train")
    data = Labelled(examples, views, EMOTIONS)
    assert len(data) == len(examples)
    assert data.lengths == [len(row["views"].full.ids) for row in data.rows]
    assert [EMOTIONS[n] for n in data.emotion_labels] == [e.emotion for e in examples]
    assert Labelled(examples[:1], views, ("other",)).emotion_labels == [NO_EMOTION]


def test_the_emotions_own_stage_sees_people_with_an_emotion_alone(views):
    examples = tiny_examples("train")
    people = [e for e in examples if e.variant == "human"]
    nameless = [msgspec.structs.replace(people[0], emotion="")]
    data = Labelled(examples + nameless, views, EMOTIONS)
    named = data.with_emotion()
    assert [row["views"].full.ids for row in named.rows] == [
        view.full.ids for view in views.build([Dialogue(e.context, e.reply) for e in people])
    ]
    assert named.emotion_labels == [EMOTIONS.index(e.emotion) for e in people]
    assert len(named.lengths) == len(named) < len(data) == len(examples) + 1


@pytest.mark.parametrize("context", [True, False])
def test_a_batch_is_padded_to_its_longest_row(views, context):
    data = Labelled(tiny_examples("train")[:5], views, EMOTIONS)
    batch = Collator(views.tensors, context=context)([data[n] for n in range(5)])
    assert batch["full"]["input_ids"].shape == (5, max(data.lengths))
    assert batch["full"]["attention_mask"].sum(1).tolist() == data.lengths
    assert batch["rating_labels"].dtype == torch.float32
    shown = [dict(zip(NAMES, row, strict=True)) for row in batch["rating_labels"].tolist()]
    for example, row in zip(tiny_examples("train")[:5], shown, strict=True):
        known = {name: value for name, value in row.items() if value == value}
        assert known == pytest.approx(example.ratings, abs=1e-6)
        assert known["label"] == pytest.approx(example.empathy, abs=1e-6)
    assert ("context" in batch) == context


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_class_weights_have_mean_one_and_favour_the_rare(labels):
    weights = class_weights([*labels, NO_EMOTION], 5)
    assert np.mean([weights[label] for label in labels]) == pytest.approx(1)
    counts = [labels.count(c) for c in range(5)]
    order = sorted(range(5), key=lambda c: counts[c])
    assert all(weights[a] >= weights[b] for a, b in pairwise(order))


def test_the_same_seed_draws_the_same_rows():
    rows = list(range(100))
    assert draw(rows, 10, 1) == draw(rows, 10, 1) != draw(rows, 10, 2)
    assert draw(rows, None, 1) == draw(rows, 100, 1) == rows


def test_comments_are_batches_of_zeros_and_ones(views, comments):
    with use_data_directory(comments):
        data = Comments("train", 7, 17, views)
    assert len(data) == 7
    batch = CommentCollator(views.tensors)([data[n] for n in range(7)])
    assert batch["labels"].shape == (7, GOEMOTIONS_CLASSES)
    assert batch["labels"].sum(1).tolist() == [len(row["classes"]) for row in data.rows]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "hi"}, "row 2: no column labels"),
        ({"labels": [1]}, "row 2: no column text"),
        ({"text": None, "labels": [1]}, "row 2: it needs a text"),
        ({"text": "hi", "labels": "1"}, "row 2: it needs a text"),
        ({"text": "hi", "labels": [28]}, "row 2: the labels are .* from 0 to 27"),
        ({"text": "hi", "labels": [-1]}, "row 2: the labels are"),
        ({"text": "hi", "labels": ["joy"]}, "row 2: the labels are"),
    ],
)
def test_a_bad_comment_is_named(views, tmp_path, row, message):
    folder = mirror(tmp_path, [{"text": "fine", "labels": [1]}, row])
    with use_data_directory(folder), pytest.raises(DataError, match=message):
        Comments("train", None, 17, views)


def test_comments_that_are_nowhere_are_named(views, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with use_data_directory(tmp_path), pytest.raises(HubError, match="go_emotions"):
        Comments("train", None, 17, views)


def test_a_folder_without_prepared_data_says_how_to_make_it(tmp_path):
    with pytest.raises(UsageError, match="empeval train prepare-ed --out"):
        read_prepared(tmp_path)
    (tmp_path / "prepared.json").write_text('{"fingerprint": 3}')
    with pytest.raises(UsageError, match="is not what prepare-ed writes"):
        read_prepared(tmp_path)


def test_json_is_written_whole(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": 1}
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"é": object()})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_written_into_is_named(tmp_path):
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file cannot be written into"):
        make_folder(tmp_path / "file")
