"""ESConv in both layouts, and every source as chats."""

from __future__ import annotations

import json

import pytest
from support.support_talks import talk, write_lines

from empeval import DataError, Message
from empeval.data import use_data_directory
from empeval_heads.labels import STRATEGIES
from empeval_training.eq.chats import SOURCES, check_chat, support_chats
from empeval_training.eq.esconv import SEEKER, SUPPORTER, Talk, Turn, read_failed, read_talks


def hub_layout(row):
    names = {"seeker": "usr", "supporter": "sys"}
    dialog = [
        {
            "text": t["content"],
            "speaker": names[t["speaker"]],
            **({"strategy": t["annotation"]["strategy"]} if "strategy" in t["annotation"] else {}),
        }
        for t in row["dialog"]
    ]
    return {"text": json.dumps({**row, "dialog": dialog})}


def read(root, rows, split="train"):
    write_lines(root / "thu-coai" / "esconv" / f"{split}.jsonl", rows)
    with use_data_directory(root):
        return read_talks(split)


def test_both_layouts_are_the_same_talks(tmp_path):
    rows = [talk(n) for n in range(3)]
    for row in rows:
        for turn in row["dialog"]:
            turn["annotation"].pop("feedback", None)
    assert read(tmp_path / "one", rows) == read(tmp_path / "two", [hub_layout(r) for r in rows])


def test_a_talk_has_turns_strategies_and_ratings(tmp_path):
    (first,) = read(tmp_path, [talk(3, 4)])
    assert (first.id, first.empathy, first.failed) == ("train-1", 4, False)
    assert [t.speaker for t in first.turns[:2]] == [SEEKER, SUPPORTER]
    assert {t.strategy for t in first.turns if t.speaker == SUPPORTER} == set(STRATEGIES)
    assert [t.feedback for t in first.turns if t.feedback] == [2]


@pytest.mark.usefixtures("at_mirror")
def test_failed_talks_have_their_older_names_translated():
    failed = read_failed()
    assert len(failed) == 4
    assert all(talk.failed for talk in failed)
    assert {t.strategy for talk in failed for t in talk.turns} == {None, "Question"}


def test_without_failed_talks_there_are_none(tmp_path):
    read(tmp_path, [talk(1)])
    with use_data_directory(tmp_path):
        assert read_failed() == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"dialog": "none"}, "row 1: it has no list 'dialog'"),
        ({"other": 1}, "row 1: it has neither 'dialog' nor JSON"),
        ({"text": "{"}, "row 1: it has neither 'dialog' nor JSON"),
        ({"dialog": [{"speaker": "cat", "content": "Miaow."}]}, "turn 1 has no speaker and text"),
        ({"dialog": [{"speaker": "seeker"}]}, "turn 1 has no speaker and text"),
        (
            {"dialog": [{"speaker": "sys", "text": "Hm.", "strategy": "Shouting"}]},
            "turn 1: unknown strategy 'Shouting'",
        ),
    ],
)
def test_rows_that_are_no_talks_are_refused_with_their_number(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, [row])


def test_successive_turns_of_one_speaker_are_joined():
    turns = (
        Turn(SEEKER, "I failed."),
        Turn(SUPPORTER, "Oh no.", "Others"),
        Turn(SUPPORTER, "Which exam?", "Question"),
    )
    merged = Talk("t-1", turns).merged().turns
    assert merged == (Turn(SEEKER, "I failed."), Turn(SUPPORTER, "Oh no. Which exam?", "Question"))


def test_a_chat_for_each_supporter_turn_that_answers_something():
    turns = (
        Turn(SUPPORTER, "Hello there.", "Others"),
        Turn(SEEKER, "I failed."),
        Turn(SUPPORTER, "Which exam?", "Question"),
        Turn(SEEKER, "Maths."),
        Turn(SUPPORTER, "That is hard.", "Reflection of feelings"),
        Turn(SEEKER, "Bye."),
    )
    one, two = support_chats(Talk("t-1", turns))
    assert [m.role for m in one.prompt] == ["system", "user"]
    assert one.completion == (Message("assistant", "Which exam?"),)
    assert [m.content for m in two.prompt[1:]] == ["I failed.", "Which exam?", "Maths."]


@pytest.mark.usefixtures("at_mirror")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_source_gives_chats_that_can_be_trained_on(source, split):
    chats = SOURCES[source](split)
    assert len(chats) > 10
    assert len({chat.id for chat in chats}) == len(chats)
    for chat in chats:
        assert chat.source == source
        assert check_chat(chat, "here") is chat


@pytest.mark.usefixtures("at_mirror")
def test_a_comment_becomes_the_names_of_its_emotions():
    chats = SOURCES["google-research-datasets/go_emotions"]("train")
    assert chats[3].prompt[-1].content == "Thank you for the soup on day 0."
    assert chats[3].completion[0].content == "gratitude, love"
