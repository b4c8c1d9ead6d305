"""Files of human ratings: what is read, what is refused, and the two parts."""

from __future__ import annotations

import csv
import json

import pytest

from empeval import DataError, UsageError
from empeval_training.ratings import EPITOME, RATINGS, read_rated

COLUMNS = ("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex")


def post(number=1, **changes):
    row = {
        "sp_id": f"s{number}",
        "rp_id": f"r{number}",
        "seeker_post": "I failed the exam.",
        "response_post": "Oh no, which one?",
        "er": "1",
        "ip": "0",
        "ex": "2",
    }
    return row | changes


def reply(number=1, **changes):
    row = {
        "dialog_id": f"hit:{number}_conv:1",
        "emotion": "sad",
        "speaker_utterance": "My plant died.",
        "system": "human",
        "response": "Oh, how sad.",
        "empathy_rating": 3,
    }
    return row | changes


def write(folder, posts=None, replies=None):
    posts = [post()] if posts is None else posts
    replies = [reply()] if replies is None else replies
    with open(folder / EPITOME, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(posts)
    (folder / RATINGS).write_text("".join(json.dumps(r) + "\n" for r in replies))
    return folder


def test_both_files_are_read(tmp_path):
    first, second = read_rated(write(tmp_path))
    assert (first.source, first.dialogue, first.context) == (
        "epitome",
        "s1",
        ("I failed the exam.",),
    )
    assert first.values == {"er": 1, "ip": 0, "ex": 2, "sum": 3}
    assert (second.source, second.reply, second.emotion) == ("ratings", "Oh, how sad.", "sad")
    assert second.values == {"rating": 3}
    assert first.id != second.id


def test_blank_texts_are_passed_over(tmp_path):
    posts = [post(1, response_post=" "), post(2)]
    replies = [reply(1, response="  "), reply(2, speaker_utterance=""), reply(3)]
    dialogues = [r.dialogue for r in read_rated(write(tmp_path, posts, replies))]
    assert dialogues == ["s2", "hit:3_conv:1"]


@pytest.mark.parametrize("missing", [EPITOME, RATINGS])
def test_a_missing_file_is_named(tmp_path, missing):
    (write(tmp_path) / missing).unlink()
    with pytest.raises(UsageError, match=missing):
        read_rated(tmp_path)


@pytest.mark.parametrize("value", ["3", "-1", "much", "", "nan", "0.5"])
def test_a_level_that_is_none_is_refused_with_its_row(tmp_path, value):
    write(tmp_path, [post(1), post(2, ip=value)])
    with pytest.raises(DataError, match=rf"{EPITOME}, row 3: ip"):
        read_rated(tmp_path)


@pytest.mark.parametrize("value", [0, 4, "good", None, True, [2]])
def test_a_rating_out_of_range_is_refused_with_its_row(tmp_path, value):
    write(tmp_path, None, [reply(1), reply(2, empathy_rating=value)])
    with pytest.raises(DataError, match=rf"{RATINGS}, row 2: empathy_rating"):
        read_rated(tmp_path)


@pytest.mark.parametrize("name", ["response", "speaker_utterance", "dialog_id", "system"])
@pytest.mark.parametrize("value", [None, 7, ["a"]])
def test_what_is_no_text_is_refused_with_its_row(tmp_path, name, value):
    write(tmp_path, None, [reply(1), reply(2, **{name: value})])
    with pytest.raises(DataError, match=rf"{RATINGS}, row 2"):
        read_rated(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    row = reply()
    del row["system"]
    with pytest.raises(DataError, match="system"):
        read_rated(write(tmp_path, None, [row]))


def test_a_broken_line_is_named(tmp_path):
    write(tmp_path)
    with open(tmp_path / RATINGS, "a") as file:
        file.write("{broken\n")
    with pytest.raises(DataError, match="line 2"):
        read_rated(tmp_path)


def test_fit_and_test_share_no_dialogue(tmp_path):
    posts = [post(n % 200, rp_id=f"r{n}") for n in range(600)]
    replies = [reply(n % 200, system=f"model {n}") for n in range(600)]
    rated = read_rated(write(tmp_path, posts, replies))
    for source in ("epitome", "ratings"):
        parts = {
            part: {r.dialogue for r in rated if r.source == source and r.part == part}
            for part in ("fit", "test")
        }
        assert not parts["fit"] & parts["test"]
        assert 90 <= len(parts["fit"]) <= 150  # of 200, about 60 %
        assert len(parts["fit"]) + len(parts["test"]) == 200


def test_a_reply_that_was_rated_twice_gives_two_ratings_with_their_own_ids(tmp_path):
    rated = read_rated(write(tmp_path, posts=[post(1), post(2), post(1, er="2"), post(1, er="0")]))
    ids = [r.id for r in rated if r.source == "epitome"]
    assert ids == ["epitome:s1:r1", "epitome:s2:r2", "epitome:s1:r1:2", "epitome:s1:r1:3"]
    assert len({r.part for r in rated if r.dialogue == "s1"}) == 1
