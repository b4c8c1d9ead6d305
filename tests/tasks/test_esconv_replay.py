"""ESConv's talks as scripts, on rows of our own, and on the real ones where they are."""

from __future__ import annotations

import json

import pytest

import empeval
from empeval import DataError
from empeval.scripts import turn_items
from empeval.testing import TaskContract
from empeval_tasks.esconv_replay.rows import read_talks, split_files
from empeval_tasks.esconv_replay.task import ESConvReplay, scripted

SEEKER_FIRST = [
    ("seeker", "I failed my driving test.", None),
    ("supporter", "That is hard.", "Reflection of feelings"),
    ("supporter", "What went wrong?", "Question"),
    ("seeker", "I stalled,  twice.", None),
    ("seeker", "And then I cried.", None),
    ("supporter", "Anybody would.", "Affirmation and Reassurance"),
    ("seeker", "Thank you.", None),
]
SUPPORTER_FIRST = [
    ("supporter", "Hello, how are you?", "Others"),
    ("seeker", "   ", None),
    ("supporter", "Are you there?", "Question"),
    ("seeker", "Yes. I am worn out.", None),
    ("supporter", "", "Others"),
    ("seeker", "So worn out.", None),
    ("supporter", "Since when?", "Question"),
]


def original(turns, **facts):
    """A row as the authors wrote it."""
    dialog = [
        {"speaker": who, "annotation": {"strategy": how} if how else {}, "content": text}
        for who, text, how in turns
    ]
    return {"emotion_type": "sadness", "problem_type": "driving", "dialog": dialog, **facts}


def hub(turns):
    """The same row as the hub has it."""
    names = {"seeker": "usr", "supporter": "sys"}
    dialog = [
        {"text": text, "speaker": names[who], **({"strategy": how} if how else {})}
        for who, text, how in turns
    ]
    row = {"emotion_type": "sadness", "problem_type": "driving", "dialog": dialog}
    return {"text": json.dumps(row)}


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Writes a mirror of the data set and has it read."""

    def write(*rows, split="test"):
        folder = tmp_path / "mirror" / "thu-coai" / "esconv"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path / "mirror"))
        return ESConvReplay(split=split)

    return write


class TestContract(TaskContract):
    @pytest.fixture
    def task(self, mirror):
        return mirror(original(SEEKER_FIRST), original(SUPPORTER_FIRST))


@pytest.mark.parametrize("layout", [original, hub])
def test_the_seekers_turns_are_the_script_and_the_supporters_the_yardstick(mirror, layout):
    (item,) = mirror(layout(SEEKER_FIRST)).items()
    assert item.id == item.cluster == "test-1"
    assert [(turn.content, turn.reference) for turn in item.script] == [
        ("I failed my driving test.", "That is hard. What went wrong?"),
        ("I stalled, twice. And then I cried.", "Anybody would."),
    ], "successive turns are joined; what nobody replied to is left out"
    assert item.script[0].metadata == {"strategies": ["Reflection of feelings", "Question"]}
    assert item.metadata == {"emotion_type": "sadness", "problem_type": "driving"}


def test_what_the_supporter_says_first_is_told_and_not_asked(mirror):
    (item,) = mirror(original(SUPPORTER_FIRST)).items()
    (system,) = item.messages
    assert system.content.endswith("with these words: Hello, how are you? Are you there?")
    assert [(turn.content, turn.reference) for turn in item.script] == [
        ("Yes. I am worn out. So worn out.", "Since when?")
    ]


def test_a_talk_in_which_nobody_replies_is_no_item(mirror):
    silent = [("supporter", "Hello?", "Others"), ("seeker", "Go away.", None)]
    assert [i.id for i in mirror(original(silent), original(SEEKER_FIRST)).items()] == ["test-2"]


def test_no_more_turns_are_replayed_than_are_asked_for(mirror):
    mirror(original(SEEKER_FIRST))
    (item,) = ESConvReplay(turns=1).items()
    assert len(item.script) == 1
    with pytest.raises(empeval.UsageError, match="turns is -1"):
        ESConvReplay(turns=-1)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"dialog": []}, "row 1: it has no list 'dialog'"),
        ({"dialog": ["hi"]}, "row 1: a turn in 'dialog' is no object"),
        ({"dialog": [{"speaker": "nobody", "content": "a"}]}, "turn 1 has no speaker and text"),
        ({"dialog": [{"speaker": "usr", "content": 3}]}, "turn 1 has no speaker and text"),
        ({"text": "{"}, "neither 'dialog' nor JSON"),
        ({"text": "[1]"}, "it has no list 'dialog'"),
        ({"talk": []}, "neither 'dialog' nor JSON"),
    ],
)
def test_a_row_that_is_no_talk_is_named(mirror, row, problem):
    task = mirror(row)
    with pytest.raises(DataError, match=problem):
        list(task.items())


def test_a_larger_limit_keeps_what_a_smaller_one_chose(mirror):
    task = mirror(*[original(SEEKER_FIRST)] * 9)
    items = list(task.items())
    few, more, other = (
        {item.id for item in task.select(items, n, seed)} for n, seed in ((3, 0), (5, 0), (5, 1))
    )
    assert few < more
    assert len(few) == 3
    assert more != other


def test_people_reply_where_the_supporters_did(mirror, tmp_path):
    mirror(original(SEEKER_FIRST), original(SUPPORTER_FIRST))
    run = empeval.run("human:", ["esconv-replay"], ["surface"], out=tmp_path / "run")
    replies = {line.id: line.response for line in run.responses("esconv-replay")}
    assert replies == {
        "test-1#1": "That is hard. What went wrong?",
        "test-1#2": "Anybody would.",
        "test-2#1": "Since when?",
    }


def test_the_real_data_set_is_what_the_readme_says(real_data, monkeypatch):
    monkeypatch.setenv("EMPEVAL_DATA", str(real_data))
    try:
        talks = list(read_talks(split_files("test"), "test"))
    except empeval.EmpevalError:
        pytest.skip("the mirror has no ESConv")
    items = [item for talk in talks if (item := scripted(talk)) is not None]
    assert len(items) == 195
    assert sum(len(turn_items(item)) for item in items) == 2295
    opened = [i for i in items if "You have begun the chat" in i.messages[0].content]
    assert len(opened) == 94
    from empeval.asked import AskedTask

    assert AskedTask("esconv-replay", {}).warnings == []
