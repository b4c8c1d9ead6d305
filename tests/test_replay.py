"""Saved answers and human replies as models."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import write_answers

import empeval
from empeval import DataError, Sampling, UsageError
from empeval.generators.human import Human
from empeval.generators.replay import Replay
from empeval.testing import fake_item

LIMIT = Sampling()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("replay") / "answers.jsonl"


def whole_text(text):
    return text.encode("utf-8", "replace").decode("utf-8")


def answers_of(file, *items):
    return [(r.id, r.response, r.status) for r in Replay(str(file)).generate(items, LIMIT)]


PIECES = [
    *(b"\n", b"\r\n", b"{", b"}", b'"', b"\xff", b"\xef\xbb\xbf", b"null", b"[1]", b" ", b"\x00"),
    *(b"\\ud800", b"1e999", b'{"id": 1, "response": "a"}', b'{"id": null, "response": ""}'),
]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(file, content):
    file.write_bytes(content)
    refusal = ""
    try:
        Replay(str(file))
    except DataError as error:
        refusal = str(error)
    assert refusal == "" or str(file) in refusal


ANSWERS = st.dictionaries(st.text(max_size=5), st.text(max_size=30), min_size=1, max_size=8)


@given(ANSWERS, st.data())
@settings(deadline=None, max_examples=200)
def test_a_file_cut_anywhere_is_refused_with_its_last_line_or_read_up_to_it(file, answers, data):
    whole = write_answers(file, answers).read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    lines = whole[:cut].count(b"\n")
    torn = not whole[:cut].endswith(b"\n") and whole[cut : cut + 1] != b"\n"
    if torn or cut == 0:
        reason = f"line {lines + 1}: not valid JSON, and the last line" if cut else "no answer"
        with pytest.raises(DataError, match=reason):
            Replay(str(file))
        return
    kept = list(answers.items())[: lines + (whole[cut - 1 : cut] != b"\n")]
    expected = {whole_text(i): whole_text(r) for i, r in kept}
    got = answers_of(file, *(fake_item(i) for i in expected))
    assert got == [(i, r, "ok") for i, r in expected.items()]


@given(ANSWERS)
@settings(deadline=None, max_examples=100)
def test_any_answers_that_are_written_come_back(file, answers):
    write_answers(file, answers)
    expected = {whole_text(i): whole_text(r) for i, r in answers.items()}
    got = answers_of(file, *(fake_item(i) for i in expected))
    assert got == [(i, r, "ok") for i, r in expected.items()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no answer"),
        (b"\n \n\r\n", "holds no answer"),
        (b"\xef\xbb\xbf", "holds no answer"),
        (b'{"id": 1, "response": "a"}\n{"id": 2, "resp', "line 2: not valid JSON, and the last"),
        (b'{"id": 1, "response": "a"}\n{"id": 2,\n{}\n', "line 2: not valid JSON"),
        (b'\n\n{"id": 1, "response": "caf\xe9"}\n', r"line 3: not UTF-8 \(byte 27 of the line"),
        ('{"id": 1, "response": "a"}\n'.encode("utf-16"), "line 1: not UTF-8"),
        (b"[1, 2]\n", "element 1: not a JSON object"),
        (b'"text"\n', "line 1: not a JSON object"),
        (b"null\n", "line 1: not a JSON object"),
        (b'{"id": 1}\n', "line 1: needs a 'response'"),
        (b'{"id": 1, "response": ["a"]}\n', "line 1: needs a 'response'"),
        (b'{"response": "a"}\n', "line 1: needs an 'id'"),
        (b'{"id": true, "response": "a"}\n', "line 1: needs an 'id'"),
        (b'{"id": 1.5, "response": "a"}\n', "line 1: needs an 'id'"),
        (b'{"id": 1, "response": "a", "task": 3}\n', "line 1: 'task' must be a task's name"),
        (b"[" * 100_000, "line 1: nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b', "response": ""}\n', "line 1: not valid JSON"),
        (b"\x00\x01\x02", "line 1: not valid JSON"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(file, content, reason):
    file.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        Replay(str(file))
    assert str(file) in str(caught.value)


def test_what_other_programs_write_is_read(file):
    file.write_bytes(
        b'\xef\xbb\xbf{"id": 7, "response": "with a mark"}\r\n'
        b"\r\n"
        b'{"id": "8", "response": "no line end", "model": "x", "task": null}'
    )
    assert answers_of(file, fake_item("7"), fake_item("8")) == [
        ("7", "with a mark", "ok"),
        ("8", "no line end", "ok"),
    ]


def test_an_answer_for_a_task_goes_before_one_for_all(file):
    file.write_text(
        '{"id": 1, "response": "all"}\n{"id": 1, "response": "mine", "task": "fake"}\n'
        '{"id": 2, "response": "theirs", "task": "other"}\n'
    )
    here = [fake_item("1"), fake_item("2")]
    there = [fake_item("1", task="other"), fake_item("2", task="other")]
    assert answers_of(file, *here) == [("1", "mine", "ok"), ("2", "", "missing")]
    assert answers_of(file, *there) == [("1", "all", "ok"), ("2", "theirs", "ok")]


def test_missing_doubled_and_unknown_ids_are_each_reported_with_names(file):
    file.write_text(
        "".join(f'{{"id": {i}, "response": "{n}"}}\n' for n, i in enumerate([1, 2, 2, 8, 9]))
        + '{"id": 1, "response": "x", "task": "other"}\n'
    )
    warnings = Replay(str(file)).prepare({"fake": [fake_item(i) for i in "1234"]})
    assert warnings == [
        "fake: 2 ids have no answer: 3, 4.",
        f"{file}: 1 id comes more than once, the last answer counts: 2.",
        f"{file}: 3 ids belong to no item that was asked: 8, 9, other/1.",
    ]
    assert answers_of(file, fake_item("2")) == [("2", "2", "ok")]


def test_a_file_that_fits_is_not_warned_of(file):
    write_answers(file, {"1": "a", "2": ""})
    assert Replay(str(file)).prepare({"fake": [fake_item("1"), fake_item("2")]}) == []


def test_a_file_of_another_task_is_refused_with_ids_of_both(file):
    write_answers(file, {"hit:1": "a"})
    with pytest.raises(DataError, match=r"answers none of the questions of fake.*hit:1.*are 1"):
        Replay(str(file)).prepare({"fake": [fake_item("1")]})


def test_the_card_tells_files_apart_by_their_content(file, tmp_path):
    write_answers(file, {"1": "a"})
    same = write_answers(tmp_path / "other.jsonl", {"1": "a"})
    other = write_answers(tmp_path / "third.jsonl", {"1": "b"})
    cards = [Replay(str(path)).card for path in (file, same, other)]
    assert [card.name for card in cards] == ["answers", "other", "third"]
    assert cards[0].fingerprint == cards[1].fingerprint != cards[2].fingerprint


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "needs a file"),
        ("none.jsonl", "There is no file none.jsonl"),
        (".", "is a folder"),
        (os.devnull, "is a pipe or device; 'replay:' takes a file on disk"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, target, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=reason):
        Replay(target)


def test_a_path_may_start_at_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_answers(tmp_path / "answers.jsonl", {"1": "a"})
    items = [fake_item("1")]
    assert [r.response for r in Replay("~/answers.jsonl").generate(items, LIMIT)] == ["a"]


ODD = {
    "mini-01#2": "sorry to hear that, " * 5000,
    "mini-01#4": "😢👩‍👩‍👧‍👦🏳️‍🌈",
    "mini-02#2": "أنا آسف لسماع ذلك. אני מצטער",
    "mini-02#4": "half \ud83d of a face",
    "mini-03#2": "",
    "mini-03#4": "a\x00b\x1b[31m\u2028c",
    "mini-04#2": "a" * 100_000,
}


def test_answers_of_every_kind_go_through_run_and_score(tmp_path):
    model = f"replay:{write_answers(tmp_path / 'answers.jsonl', ODD)}"
    run = empeval.run(model, ["ed-mini"], ["surface"], out=tmp_path / "run")
    lines = {line.id: line for line in run.responses("ed-mini")}
    for identifier, text in ODD.items():
        assert lines[identifier].response == text.replace("\ud83d", "?")
    assert lines["mini-03#2"].status == "empty"
    scores = {score.id: score for score in run.scores("ed-mini", "surface")}
    assert scores["mini-01#2"].values["words"] == 20_000
    assert scores["mini-03#2"].status == "unparsed"
    assert {scores[i].status for i in ODD if i != "mini-03#2"} == {"ok"}
    before = (run.path / "metrics.json").read_bytes()
    empeval.score(run.path, ["surface"])
    assert (run.path / "metrics.json").read_bytes() == before


def test_a_run_that_is_answered_from_its_own_responses_has_the_same_metrics(tmp_path):
    first = empeval.run("human:", ["ed-mini"], ["surface"], out=tmp_path / "first")
    file = first.responses_path("ed-mini")
    second = empeval.run(f"replay:{file}", ["ed-mini"], ["surface"], out=tmp_path / "second")
    assert second.manifest.warnings == []
    assert (second.path / "metrics.json").read_bytes() == (first.path / "metrics.json").read_bytes()


def test_a_human_answers_with_the_reference():
    items = [fake_item("1", reference="Oh no."), fake_item("2", reference="I see.")]
    human = Human("")
    assert human.prepare({"fake": items}) == []
    assert [(r.id, r.response) for r in human.generate(items, LIMIT)] == [
        ("1", "Oh no."),
        ("2", "I see."),
    ]
    assert json.dumps(human.card.details) == "{}"


def test_a_human_has_no_answer_where_there_is_no_reference():
    with pytest.raises(UsageError, match="needs human replies, and bare has none"):
        Human("").prepare({"fake": [fake_item()], "bare": [fake_item(reference=None)]})
    with pytest.raises(UsageError, match="takes nothing after the colon, but 'me' was given"):
        Human("me")
