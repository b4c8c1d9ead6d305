"""The small inputs that once went wrong; they lie beside the repository where there is one."""

from __future__ import annotations

import pytest
from support.hub_server import ROOT

import empeval
from empeval import DataError, Sampling
from empeval.asked import AskedTask
from empeval.data import use_data_directory
from empeval.generators.replay import Replay

CASES = ROOT.parent / "shared" / "cases"

SAME = ("samples_eq_bench.jsonl", "inspect.json", "openai_batch.jsonl", "raw_results.json",
        "answers.csv", "answers.parquet")  # fmt: skip


@pytest.fixture(scope="module")
def questions(real_data):
    if not CASES.is_dir():
        pytest.skip("the folder of shared cases is not there")
    with use_data_directory(real_data):
        return AskedTask("eqbench", {}).items


def answers(name, questions):
    replay = Replay(str(CASES / name))
    warnings = replay.prepare({"eqbench": questions})
    return {r.id: r.response for r in replay.generate(questions, Sampling())}, warnings


def test_six_formats_give_one_and_the_same_answers(questions):
    read = {name: answers(name, questions) for name in SAME}
    assert {len(got) for got, _ in read.values()} == {171}
    assert all(got == read["answers.csv"][0] and not warnings for got, warnings in read.values())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lmeval_renamed.jsonl", "counts its ids from 0"),
        ("taskname.jsonl", "its answers are to 'eq_bench', and what is asked is eqbench"),
        ("llm_logs.json", "answers none of the questions of eqbench, or they are worded otherwise"),
    ],
)
def test_what_cannot_be_joined_stops_with_the_reason(name, reason, questions):
    with pytest.raises(DataError, match=reason):
        answers(name, questions)


@pytest.mark.usefixtures("questions")
@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("sharegpt.json", True),
        ("openai_messages_id.jsonl", True),
        ("content_parts.jsonl", False),
        ("developer_role.jsonl", True),
        ("llm_logs.json", False),
    ],
)
def test_conversations_are_dialogues(name, system, tmp_path):
    run = empeval.score(CASES / name, ["surface"], out=tmp_path / "out")
    (line,) = run.responses("dialogues")
    assert line.status == "ok"
    assert (line.item.messages[0].role == "system") is system
    assert line.item.messages[-1].role == "user"
