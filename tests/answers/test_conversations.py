"""``empeval score FILE``: conversations of other programs as dialogues with their answers."""

from __future__ import annotations

import json

import pytest
from support.logs import LAYOUTS, lines

import empeval
from empeval import DataError, Message
from empeval.answers import Fields
from empeval.dialogues import read_dialogues
from empeval.testing import FakeTask

DOG = "My dog died yesterday."
SORRY = "I am so sorry. What was he like?"
TURNS = (Message("user", DOG),)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "talks.jsonl"


def read(path, *rows, **arguments):
    path.write_bytes(lines(rows))
    return read_dialogues(path, **arguments)


def said(*turns, first="role", second="content"):
    return [{first: role, second: text} for role, text in turns]


ROWS = {
    "a final assistant turn": {"messages": said(("user", DOG), ("assistant", SORRY))},
    "content parts": {
        "messages": said(("user", [{"type": "text", "text": DOG}])),
        "response": [{"type": "output_text", "text": SORRY}],
    },
    "a prompt": {"prompt": DOG, "response": SORRY},
    "a prompt of messages": {"prompt": said(("user", DOG)), "completion": SORRY},
    "ShareGPT": {
        "conversations": said(("human", DOG), ("gpt", SORRY), first="from", second="value")
    },
    "a tool between": {
        "messages": [
            *said(("user", DOG)),
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": "calendar: empty"},
            *said(("assistant", SORRY)),
        ]
    },
    "cells of a table": {"messages": json.dumps(said(("user", DOG))), "response": SORRY},
    "a context in a cell": {"context": json.dumps([DOG]), "messages": "", "response": SORRY},
}


@pytest.mark.parametrize("name", ROWS)
def test_every_way_to_write_a_dialogue_is_the_same_dialogue(name, path):
    ((item, response),) = read(path, ROWS[name])
    assert (item.id, item.messages) == ("1", TURNS)
    assert (response.response, response.status) == (SORRY, "ok")


def test_developers_are_systems_and_earlier_turns_stay(path):
    turns = [("developer", "Be kind."), ("user", "Hi."), ("assistant", "Hi!"), ("user", DOG)]
    ((item, _),) = read(path, {"messages": said(*turns), "response": SORRY})
    assert item.messages == (
        Message("system", "Be kind."), Message("user", "Hi."), Message("assistant", "Hi!"), *TURNS,
    )  # fmt: skip


def test_what_is_no_text_is_left_out_and_counted(path):
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    parts = [{"type": "text", "text": DOG}, image]
    found = read(path, {"messages": said(("user", parts)), "response": SORRY})
    assert next(iter(found))[0].messages == TURNS
    assert found.notices == [
        f"{path}: in 1 of 1 conversations turns of tools, or parts that are no text, were left out."
    ]


def test_what_a_model_thought_stays_apart(path):
    thought = {"role": "assistant", "content": SORRY, "reasoning_content": "Be kind."}
    ((_, response),) = read(path, {"messages": [*said(("user", DOG)), thought]})
    assert (response.response, response.reasoning) == (SORRY, "Be kind.")


def test_an_answer_that_is_null_is_that_items_status(path, tmp_path):
    rows = [{"context": [DOG], "response": None}, {"context": [DOG], "response": SORRY}]
    read(path, *rows)
    run = empeval.score(path, ["surface"], out=tmp_path / "out")
    statuses = [(line.id, line.status, line.note) for line in run.responses("dialogues")]
    assert statuses == [("1", "error", "null in talks.jsonl"), ("2", "ok", None)]
    words = next(m for m in run.metrics() if m.metric == "words")
    assert (words.n, words.n_failed) == (1, 1)


def test_the_case_of_an_emotion_says_nothing(path):
    rows = [{"context": [DOG], "response": SORRY, "emotion": e} for e in ("Sad", " sad", "", None)]
    items = [item for item, _ in read(path, *rows)]
    assert [item.target for item in items] == [{"emotion": "sad"}] * 2 + [{}] * 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "1", "response": SORRY}, "not what was said before it.*'empeval run --model repl"),
        ({"messages": said(("user", DOG), ("robot", "x"))}, "a message must have a 'role'"),
        ({"messages": said(("user", DOG))}, "needs a 'response'"),
        (
            {"messages": said(("user", DOG), ("assistant", "x")), "response": "y"},
            "which of the two is the answer",
        ),
        ({"messages": said(("user", None)), "response": "y"}, "message 1 has no text"),
        ({"messages": said(("user", 3)), "response": "y"}, "must be text or a list of parts"),
        ({"messages": said(("user", [{"a": 1}])), "response": "y"}, "must have a 'type'"),
        ({"prompt": 3, "response": "y"}, "'prompt' must be text"),
        ({"conversations": said(("human", DOG), first="from", second="value")}, "needs a 'resp"),
    ],
)
def test_a_conversation_that_makes_no_sense_is_refused_with_its_line(row, reason, path):
    with pytest.raises(DataError, match=reason) as caught:
        read(path, row)
    assert f"{path}, line 1: " in str(caught.value)


def test_a_map_makes_dialogues_of_any_rows(path, cli):
    rows = [{"key": 7, "said": {"text": DOG}, "model_says": SORRY, "mood": "sad"}]
    text = "id=key,prompt=said.text,response=model_says,emotion=mood"
    ((item, response),) = read(path, *rows, fields=Fields.parsed(text))
    assert (item.id, item.messages, item.target) == ("7", TURNS, {"emotion": "sad"})
    assert response.response == SORRY
    outcome = cli("score", str(path), "--map", text, "--scorers", "surface", "--out", "out")
    assert outcome.code == 0
    assert empeval.Run("out").manifest.model.arguments == {"map": text}


@pytest.mark.parametrize("name", ["inspect.eval", "llm.json", "promptfoo.json", "sharegpt.json"])
def test_logs_that_repeat_the_questions_are_dialogues(name, tmp_path):
    pairs = [(item, f"Answer {item.id}.") for item in FakeTask(count=4).items()]
    (tmp_path / name).write_bytes(LAYOUTS[name](pairs))
    got = list(read_dialogues(tmp_path / name))
    assert [response.response for _, response in got] == [text for _, text in pairs]
    assert [item.messages[-1] for item, _ in got] == [item.messages[-1] for item, _ in pairs]


def test_a_log_of_answers_alone_says_what_to_do(tmp_path, cli):
    pairs = [(item, "x") for item in FakeTask(count=2).items()]
    (tmp_path / "b.jsonl").write_bytes(LAYOUTS["batch_output.jsonl"](pairs))
    outcome = cli("score", "b.jsonl")
    assert outcome.code == 2
    assert "b.jsonl, line 1: there is an answer, but not what was said before it" in outcome.err
    assert "--model replay:FILE --tasks NAME" in outcome.err


def test_earlier_turns_of_a_talk_with_llm_stand_before_the_prompt(tmp_path):
    common = {"model": "m", "conversation_id": "c", "system": "Be kind."}
    rows = [
        {**common, "id": "2", "prompt": "He was old.", "response": "Oh.", "datetime_utc": "2026-2"},
        {**common, "id": "1", "prompt": DOG, "response": SORRY, "datetime_utc": "2026-1"},
    ]
    (tmp_path / "l.json").write_text(json.dumps(rows))
    first, second = read_dialogues(tmp_path / "l.json")
    system = Message("system", "Be kind.")
    assert first[0].messages == (system, *TURNS)
    assert second[0].messages == (
        system, *TURNS, Message("assistant", SORRY), Message("user", "He was old."),
    )  # fmt: skip
    assert first[0].cluster == second[0].cluster == "c"


def test_map_and_pick_are_for_files_alone(tmp_path, cli):
    first = empeval.run("human:", ["ed-mini"], ["surface"], limit=2, out=tmp_path / "run")
    with pytest.raises(empeval.UsageError, match="--map and --pick go with a file"):
        empeval.score(first.path, ["surface"], pick="m")
    outcome = cli("run", "--model", "human:", "--tasks", "ed-mini", "--map", "id=a")
    assert (outcome.code, "--map goes with --model replay:FILE" in outcome.err) == (2, True)
