"""``empeval score FILE``: saved dialogues as a task, without any model."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import empeval
from empeval import DataError, Message, dialogues
from empeval.dialogues import Dialogues, read_dialogues

ROW = {"id": "1", "context": ["I lost my dog."], "response": "Oh no."}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "dialogues.jsonl"


def test_a_context_alternates_and_the_answer_comes_with_it(file):
    turns = ["I lost my dog.", "Oh no. When?", "Today."]
    write(file, {"id": 1, "context": turns, "response": "So sorry.", "reference": "Poor you."})
    ((item, response),) = read_dialogues(file)
    assert item.messages == (
        Message("user", turns[0]),
        Message("assistant", turns[1]),
        Message("user", turns[2]),
    )
    assert (item.id, item.cluster, item.reference, item.task) == (
        *("1", "1", "Poor you.", "dialogues"),
    )
    assert (response.id, response.response, response.status) == ("1", "So sorry.", "ok")


def test_messages_may_stand_in_the_place_of_a_context(file):
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "I lost my dog."},
    ]
    write(file, {"id": "a", "messages": messages, "response": "Oh no.", "emotion": "sad"})
    ((item, _),) = read_dialogues(file)
    assert item.messages == (Message("system", "Be kind."), Message("user", "I lost my dog."))
    assert item.target == {"emotion": "sad"}


@pytest.mark.parametrize(
    ("cluster", "expected"), [({}, "1"), ({"cluster": None}, "1"), ({"cluster": 7}, "7")]
)
def test_a_dialogue_without_a_cluster_is_one_of_its_own(file, cluster, expected):
    write(file, ROW | cluster)
    assert next(iter(read_dialogues(file)))[0].cluster == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"response": 3}, r"needs a 'response' \(text"),
        ({"response": ["a"]}, r"needs a 'response' \(text"),
        ({"id": None}, r"needs an 'id' \(text or a whole number"),
        ({"id": True}, r"needs an 'id' \(text or a whole number"),
        ({"id": [1]}, r"needs an 'id' \(text or a whole number"),
        ({"cluster": {"a": 1}}, r"needs a 'cluster' \(text or a whole number"),
        ({"context": None}, "not what was said before it.*needs 'context' or 'messages'"),
        ({"messages": []}, "needs either 'context' or 'messages'"),
        ({"context": []}, "'context' must be a list of texts, not empty"),
        ({"context": "I lost my dog."}, "'context' must be a list of texts"),
        ({"context": ["a", 3, "b"]}, "'context' must be a list of texts"),
        ({"context": ["a", "b"]}, "'context' has 2 turns; it must end with the speaker"),
        ({"context": None, "messages": []}, "'messages' must be a list, not empty"),
        ({"context": None, "messages": ["a"]}, "a message must be an object"),
        ({"context": None, "messages": [{"role": "user"}]}, "a message must have a 'role'"),
        (
            {"context": None, "messages": [{"role": "robot", "content": ""}]},
            "a message must have a 'role'",
        ),
        (
            {"context": None, "messages": [{"role": "assistant", "content": "a"}]},
            "'messages' must end with the speaker",
        ),
        ({"reference": 3}, "'reference' must be text"),
        ({"emotion": 3}, "'emotion' must be text"),
        ({"id": "0"}, "the id '0' stands in line 1 already"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_its_number(file, row, reason):
    write(file, ROW | {"id": "0"}, ROW | row)
    with pytest.raises(DataError, match=reason) as caught:
        read_dialogues(file)
    assert f"{file}, line 2: " in str(caught.value)


def test_a_file_without_dialogues_is_refused(file):
    file.write_text("\n\n")
    with pytest.raises(DataError, match="holds no answer"):
        read_dialogues(file)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_dialogues(file.with_name("none.jsonl"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
fields = st.sampled_from(
    ["id", "context", "messages", "response", "reference", "emotion", "cluster"]
)


@given(st.lists(st.dictionaries(fields, values, max_size=7), max_size=3))
@settings(deadline=None, max_examples=150)
def test_any_objects_are_dialogues_or_refused(tmp_path_factory, rows):
    file = write(tmp_path_factory.getbasetemp() / "any.jsonl", *(ROW | row for row in rows))
    try:
        pairs = list(read_dialogues(file))
    except DataError:
        return
    assert [item.id for item, _ in pairs] == [response.id for _, response in pairs]
    assert all(item.messages[-1].role == "user" for item, _ in pairs)


def test_the_task_provides_what_every_dialogue_has(file):
    both = {"reference": "Poor you.", "emotion": "sad"}

    def provided(*rows):
        pairs = list(read_dialogues(write(file, *rows)))
        return Dialogues([item for item, _ in pairs]).card.provides

    assert provided(ROW) == ("reply",)
    assert provided(ROW | both) == ("reply", "reference", "emotion")
    assert provided(ROW | both, ROW | {"id": "2"}) == ("reply",)


def test_scoring_a_file_writes_a_run_folder(file, tmp_path):
    write(file, *(ROW | {"id": n, "cluster": n % 3, "response": "word " * n} for n in range(6)))
    run = empeval.score(file, ["surface"], out=tmp_path / "out")
    assert run.complete
    assert list(run.manifest.tasks) == ["dialogues"]
    assert run.manifest.model.name == "dialogues"
    assert [line.status for line in run.responses("dialogues")] == ["empty"] + ["ok"] * 5
    words = next(m for m in run.metrics() if m.metric == "words")
    assert (words.value, words.n, words.n_failed, words.n_clusters) == (3.0, 5, 1, 3)


def test_scoring_a_file_again_changes_no_metric_and_another_file_is_refused(file, tmp_path):
    write(file, ROW)
    first = empeval.score(file, ["surface"], out=tmp_path / "out")
    before = (first.path / "metrics.json").read_bytes()
    again = empeval.score(file, ["surface"], out=tmp_path / "out")
    assert (again.path / "metrics.json").read_bytes() == before
    assert len(again.responses("dialogues")) == 1
    write(file, ROW | {"response": "Something else."})
    with pytest.raises(empeval.RunFolderError, match=r"another run spec.*model fingerprint"):
        empeval.score(file, ["surface"], out=tmp_path / "out")


@pytest.mark.usefixtures("odd_plugins")
def test_a_scored_file_can_be_scored_by_what_needs_its_references(file, tmp_path):
    write(file, ROW | {"reference": "Poor you."}, ROW | {"id": "2", "reference": "Oh."})
    run = empeval.score(file, ["surface"], out=tmp_path / "out")
    run = empeval.score(run.path, ["referring"])
    assert {m.scorer for m in run.metrics()} == {"surface", "referring"}


@pytest.mark.usefixtures("odd_plugins")
def test_a_file_without_references_is_not_scored_by_what_needs_them(file, tmp_path):
    write(file, ROW)
    with pytest.raises(empeval.UsageError, match="'referring' needs reply, reference"):
        empeval.score(file, ["referring"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reasoning_in_a_saved_answer_is_not_scored(file, tmp_path):
    write(file, ROW | {"response": "<think>one two three</think>four"})
    run = empeval.score(file, ["surface"], out=tmp_path / "out")
    assert run.scores("dialogues", "surface")[0].values["words"] == 1
    assert run.responses("dialogues")[0].reasoning == "one two three"


def test_a_file_in_our_own_layout_is_read_anew_whenever_it_is_walked(tmp_path, monkeypatch):
    rows = [{"id": f"d{n}", "context": [f"Hello {n}."], "response": "Hi."} for n in range(3)]
    file = write(tmp_path / "own.jsonl", *rows)
    streamed = read_dialogues(file)
    monkeypatch.setattr(dialogues, "own_lines", lambda path: None)
    assert list(streamed) == list(streamed) == list(read_dialogues(file))
    walk = iter(streamed)
    next(walk)
    write(file, *rows, {"id": "d3", "context": ["Hello."], "response": "Hi."})
    with pytest.raises(DataError, match=r"own\.jsonl was changed while it was read"):
        list(walk)


def test_rows_of_several_models_are_told_apart_though_they_are_read_one_by_one(tmp_path):
    row = {"id": "d", "context": ["Hello."], "response": "Hi."}
    file = write(
        tmp_path / "two.jsonl",
        {**row, "model": "a"},
        {**row, "id": "e", "context": ["Oh."], "model": "b"},
    )
    assert "answers of 2 models" in read_dialogues(file).notices[0]


def test_tags_of_a_user_s_own_are_taken_out_and_are_part_of_the_run_spec(file, tmp_path):
    write(file, ROW | {"response": "<plan>one two three</plan>four"})
    run = empeval.score(file, ["surface"], out=tmp_path / "out", reasoning_tags=["<plan>"])
    assert run.scores("dialogues", "surface")[0].values["words"] == 1
    assert run.responses("dialogues")[0].reasoning == "one two three"
    with pytest.raises(empeval.RunFolderError, match=r"another run spec.*reasoning_tags"):
        empeval.score(file, ["surface"], out=tmp_path / "out")


def test_the_answers_of_a_run_are_not_split_again(file, tmp_path):
    write(file, ROW)
    run = empeval.score(file, ["surface"], out=tmp_path / "out")
    with pytest.raises(empeval.UsageError, match="a run's answers are split already"):
        empeval.score(run.path, ["surface"], reasoning_tags=["<plan>"])


def test_tags_that_cannot_be_read_are_refused_before_anything_is_written(file, tmp_path):
    write(file, ROW)
    with pytest.raises(empeval.UsageError, match="names no tags"):
        empeval.score(file, ["surface"], out=tmp_path / "out", reasoning_tags=["plan"])
    assert not (tmp_path / "out").exists()
