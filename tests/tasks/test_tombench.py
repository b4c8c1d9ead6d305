"""The emotional part of ToMBench, on rows of our own."""

from __future__ import annotations

import json

import pytest

from empeval import DataError
from empeval.testing import TaskContract
from empeval_tasks.multiple_choice.questions import choices_of
from empeval_tasks.tombench.task import PARTS, ToMBenchEmotion

ROW = {
    "能力\nABILITY": "Emotion",
    "STORY": "Jo baked a cake for a friend, who is late.",
    "QUESTION": "What does Jo feel?",
    "OPTION-A": "A. Joy",
    "OPTION-B": "B.Worry",
    "OPTION-C": "Pride",
    "OPTION-D": "Disgust",
    "答案\nANSWER": "B",
}


def write(folder, part=None, *, named="{}.jsonl", row=ROW):
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        rows = [row, ROW | {"STORY": "Another."}] if name == part or part is None else [ROW]
        text = "\n".join(json.dumps(r, ensure_ascii=False) for r in rows)
        (folder / named.format(name)).write_text(text, encoding="utf-8")
    return folder


class TestToMBenchEmotion(TaskContract):
    @pytest.fixture
    def task(self, tmp_path):
        return ToMBenchEmotion(folder=str(write(tmp_path / "data")))


def test_items_are_named_by_part_and_number_and_lose_the_letters_of_the_data(tmp_path):
    items = list(ToMBenchEmotion(folder=str(write(tmp_path))).items())
    assert [i.id for i in items[:3]] == [
        "discrepant_emotions-1",
        "discrepant_emotions-2",
        "emotion_regulation-1",
    ]
    (choice,) = choices_of(items[0])
    assert sorted(choice.options) == ["Disgust", "Joy", "Pride", "Worry"]
    assert choice.options["ABCD".index(choice.right)] == "Worry"
    assert items[0].metadata["category"] == "discrepant_emotions"
    assert items[0].cluster == items[2].cluster != items[1].cluster


@pytest.mark.parametrize("folder", ["zhchen18/ToMBench", "zhchen18/ToMBench/data"])
def test_the_data_directory_is_looked_into(tmp_path, monkeypatch, folder):
    write(tmp_path / folder)
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    assert len(list(ToMBenchEmotion().items())) == 8


def test_without_the_files_it_says_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"github.com/zhchen18/ToMBench.*folder=FOLDER"):
        list(ToMBenchEmotion().items())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"答案\nANSWER": "E"}, "row 1: the answer is 'E'"),
        ({"OPTION-B": "Joy"}, "options; two to 26 different"),
    ],
)
def test_rows_that_are_something_else_are_refused(tmp_path, change, reason):
    with pytest.raises(DataError, match=reason):
        list(ToMBenchEmotion(folder=str(write(tmp_path, PARTS[2], row=ROW | change))).items())


def test_the_real_data_are_those_that_the_card_was_made_with(real_data):
    folder = real_data.parent / "tombench"
    if not folder.is_dir():
        pytest.skip("no ToMBench beside the mirror of the data sets")
    from empeval.runs import data_fingerprint

    items = list(ToMBenchEmotion(folder=str(folder)).items())
    assert (len(items), len({i.cluster for i in items})) == (180, 82)
    assert data_fingerprint(items) in ToMBenchEmotion.card.fingerprints["seed=0"]
