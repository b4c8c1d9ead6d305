"""The five published layouts: what a row becomes, what is refused, and the three parts."""

from __future__ import annotations

import hashlib
import json

import pytest
from support.rated_files import condolence, exchange, post, reply, turn, write_posts
from support.support_talks import write_lines

from empeval.auditing.layouts import read_layout, read_rows_of
from empeval.auditing.rated import RatedReply, Rating
from empeval.errors import DataError

MAKERS = {"ratings-1-3": reply, "exchanges-1-5": exchange, "condolence": condolence}


def read(folder, rows):
    return read_layout(write_lines_of(folder, rows))


def write_lines_of(folder, rows):
    path = folder / "rows.jsonl"
    write_lines(path, rows)
    return path


def values(one):
    return {name: [r.value for r in said] for name, said in one.ratings.items()}


def test_epitome_has_three_levels_and_their_sum(tmp_path):
    found = read_layout(write_posts(tmp_path / "any name.csv", [post(1), post(2, er="0")]))
    assert found.name == "epitome"
    first, second = found.replies
    assert (first.context, first.reply) == (("I failed the exam number 1.",), "Oh no, which one?")
    assert values(first) == {
        "emotional_reaction": [1], "interpretation": [0], "exploration": [2], "mechanisms": [3],
    }  # fmt: skip
    assert values(second)["mechanisms"] == [2]
    sums = {d.name: (d.low, d.high) for d in found.dimensions}
    assert sums["mechanisms"] == (0, 6)
    assert sums["exploration"] == (0, 2)


def test_a_reply_that_epitome_has_twice_keeps_both_ratings_under_ids_of_their_own(tmp_path):
    posts = [post(1), post(2), post(1, er="2"), post(1, er="0")]
    found = read_layout(write_posts(tmp_path / "e.csv", posts)).replies
    assert [r.id for r in found] == ["s1:r1", "s2:r2", "s1:r1:2", "s1:r1:3"]
    assert [values(r)["emotional_reaction"] for r in found] == [[1], [1], [2], [0]]
    assert len({r.dialogue for r in found}) == 2


def test_ratings_of_systems_share_their_dialogue_and_know_their_raters_group(tmp_path):
    rows = [reply(1), reply(1, system="model", empathy_rating=1, rater_group="b"), reply(2)]
    found = read(tmp_path, rows)
    assert found.name == "ratings-1-3"
    human, model, other = found.replies
    assert human.dialogue == model.dialogue != other.dialogue
    assert human.id != model.id
    assert (human.system, model.system, human.emotion) == ("human", "model", "sad")
    assert human.ratings == {"empathy": (Rating(3),)}
    assert model.ratings == {"empathy": (Rating(1, "b"),)}


def test_an_exchange_has_those_before_it_in_its_context(tmp_path):
    rows = [exchange(1, 2), exchange(2, 1), exchange(1, 1, empathy=2), exchange(1, 3)]
    found = {(r.dialogue, r.id): r for r in read(tmp_path, rows).replies}
    by_id = {r.id.rpartition(":")[2]: r for r in found.values() if "hit:1_" in r.dialogue}
    assert by_id["1"].context == ("Said 1 of 1.",)
    assert by_id["2"].context == ("Said 1 of 1.", "Answered 1 of 1.", "Said 2 of 1.")
    assert by_id["3"].context == (
        "Said 1 of 1.", "Answered 1 of 1.", "Said 2 of 1.", "Answered 2 of 1.", "Said 3 of 1.",
    )  # fmt: skip
    assert by_id["1"].mean("empathy") == 2
    assert by_id["2"].mean("empathy") == 4


def test_a_context_does_not_reach_over_an_exchange_that_is_missing(tmp_path):
    found = read(tmp_path, [exchange(1, 1), exchange(1, 3), exchange(1, 4)]).replies
    assert [r.context for r in found] == [
        ("Said 1 of 1.",),
        ("Said 3 of 1.",),
        ("Said 3 of 1.", "Answered 3 of 1.", "Said 4 of 1."),
    ]


def test_condolence_tells_its_two_raters_apart(tmp_path):
    (first, second) = read(tmp_path, [condolence(1), condolence(1, id=2, raters=[5, 5])]).replies
    assert [r.value for r in first.ratings["empathy"]] == [4, 2]
    assert len({r.rater for r in first.ratings["empathy"]}) == 2
    assert first.mean("empathy") == 3
    assert first.dialogue == second.dialogue  # the same post


def test_esconvs_feedback_is_about_what_the_supporter_said_before_it(tmp_path):
    dialog = [
        turn("seeker", "I am sad.", "5"),  # there is nothing to rate yet
        turn("supporter", "Oh no."),
        turn("supporter", "Why is that?"),
        turn("seeker", "My cat died.", "4"),
        turn("supporter", "I had a cat too."),
        turn("seeker", "Did you?"),
        turn("supporter", "She was grey."),
        turn("seeker", "Mine was black.", "2"),
        turn("seeker", "Bye."),
    ]
    found = read(tmp_path, [{"dialog": dialog}])
    assert found.name == "esconv-feedback"
    first, second = found.replies
    assert (first.context, first.reply) == (("I am sad.",), "Oh no. Why is that?")
    assert first.mean("empathy") == 4
    assert second.reply == "She was grey."
    assert second.context == (
        "I am sad.", "Oh no. Why is that?", "My cat died.", "I had a cat too.", "Did you?",
    )  # fmt: skip
    assert second.mean("empathy") == 2
    assert first.dialogue == second.dialogue


def test_esconv_comes_as_json_in_a_text_too_with_its_other_names(tmp_path):
    dialog = [turn("usr", "I am sad."), turn("sys", "Oh no."), turn("usr", "Yes.", "3")]
    flat = [{"speaker": t["speaker"], "text": t["content"], **t["annotation"]} for t in dialog]
    one = read_rows_of("esconv-feedback", [{"dialog": dialog}], "esconv").replies
    other = read_rows_of(
        "esconv-feedback", [{"text": json.dumps({"dialog": flat})}], "esconv"
    ).replies
    assert one == other
    assert (one[0].context, one[0].reply, one[0].mean("empathy")) == (("I am sad.",), "Oh no.", 3)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("ratings-1-3", {"empathy_rating": 4}, "row 2: empathy_rating is 4"),
        ("ratings-1-3", {"empathy_rating": "good"}, "row 2: empathy_rating is 'good'"),
        ("ratings-1-3", {"empathy_rating": None}, "row 2: empathy_rating"),
        ("ratings-1-3", {"empathy_rating": 1.5}, "row 2: .* whole number"),
        ("ratings-1-3", {"response": None}, "row 2: None stands where a text"),
        ("ratings-1-3", {"system": ["x"]}, "row 2: .* stands where a text"),
        ("exchanges-1-5", {"empathy": 0}, "row 2: empathy is 0"),
        ("exchanges-1-5", {"empathy": float("nan")}, "row 2: empathy"),
        ("exchanges-1-5", {"exchange_number": "x"}, "row 2: exchange_number is 'x'"),
        ("exchanges-1-5", {"listener_utterance": 7}, "row 2: 7 stands"),
        ("condolence", {"raters": [6, 1]}, "row 2: raters is 6"),
        ("condolence", {"raters": []}, "row 2: 'raters' must be a list"),
        ("condolence", {"raters": "4"}, "row 2: 'raters' must be a list"),
        ("condolence", {"target": None}, "row 2: None stands"),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_named(name, changes, message):
    make = MAKERS[name]
    with pytest.raises(DataError, match=rf"file\.jsonl, {message}"):
        read_rows_of(name, [make(1), make(2, **changes)], "file.jsonl")


@pytest.mark.parametrize("value", ["3", "-1", "much", "", "nan", "0.5"])
def test_a_level_of_epitome_that_is_none_is_named_by_its_line(tmp_path, value):
    path = write_posts(tmp_path / "e.csv", [post(1), post(2, ip=value)])
    with pytest.raises(DataError, match=r"e\.csv, row 3: ip"):
        read_layout(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "no json"}, "row 2: it has neither 'dialog' nor JSON"),
        ({}, "row 2: it has neither"),
        ({"dialog": ["hello"]}, "row 2: a turn is no object"),
        ({"dialog": [{"speaker": "seeker", "content": 3}]}, "row 2: 3 stands"),
    ],
)
def test_a_talk_that_is_none_is_named(row, message):
    good = {"dialog": [turn("seeker", "a"), turn("supporter", "b"), turn("seeker", "c", "3")]}
    with pytest.raises(DataError, match=message):
        read_rows_of("esconv-feedback", [good, row], "esconv")


def test_rows_without_a_text_are_left_out_and_counted(tmp_path):
    found = read(tmp_path, [reply(1, response="  "), reply(2, speaker_utterance=""), reply(3)])
    assert [r.dialogue for r in found.replies] == ["ratings hit:3_conv:1"]
    assert found.notes == ("2 of 3 rows have no text to judge",)
    with pytest.raises(DataError, match="has no rated reply"):
        read(tmp_path, [reply(1, response="")])


def test_a_file_of_no_published_layout_is_none_and_one_without_rows_is_named(tmp_path):
    assert read(tmp_path, [{"context": "a", "response": "b", "rating": 1}]) is None
    (tmp_path / "notes.md").write_text("What these are.")
    assert read_layout(tmp_path / "notes.md") is None
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match=r"empty\.jsonl has no rows"):
        read_layout(tmp_path / "empty.jsonl")


def reply_of(dialogue):
    return RatedReply(id=dialogue, dialogue=dialogue, context=("a",), reply="b", ratings={})


def test_the_part_hangs_on_the_dialogues_name_and_the_shares_are_70_10_and_20():
    parts = {"train": 0, "validation": 0, "test": 0}
    for number in range(20_000):
        parts[reply_of(f"d{number}").part] += 1
    assert parts["train"] == pytest.approx(14_000, abs=200)  # 3 standard deviations
    assert parts["validation"] == pytest.approx(2_000, abs=130)
    assert parts["test"] == pytest.approx(4_000, abs=170)


@pytest.mark.parametrize("name", ["ratings hit:1_conv:1", "epitome 17", "esconv ä", ""])
def test_the_part_is_the_same_everywhere(name):
    """Written down here once more: what was a test dialogue must stay one in every version."""
    bucket = int(hashlib.sha256(name.encode("utf-8")).hexdigest()[:8], 16) % 100
    expected = "train" if bucket < 70 else "validation" if bucket < 80 else "test"
    assert reply_of(name).part == expected


def test_a_conversation_that_two_sets_rated_has_one_part(tmp_path):
    ratings = read_rows_of("ratings-1-3", [reply(n) for n in range(80)], "r").replies
    exchanges = read_rows_of("exchanges-1-5", [exchange(n, 1) for n in range(80)], "e").replies
    assert [r.dialogue for r in ratings] == [e.dialogue for e in exchanges]
    assert [r.part for r in ratings] == [e.part for e in exchanges]
    assert {r.part for r in ratings} == {"train", "validation", "test"}


def test_parts_of_a_set_are_all_of_it_and_share_no_dialogue():
    rows = [reply(n, system=s) for n in range(100) for s in ("human", "model")]
    found = read_rows_of("ratings-1-3", rows, "r")
    parts = [found.only(part).replies for part in ("train", "validation", "test")]
    assert sorted(r.id for part in parts for r in part) == sorted(r.id for r in found.replies)
    homes = [{r.dialogue for r in part} for part in parts]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 100
