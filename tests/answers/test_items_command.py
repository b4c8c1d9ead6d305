"""``empeval items``: the questions leave as a file, and the answers come back."""

from __future__ import annotations

import json

import pytest
from support.logs import batch_row, chat_body, lines

import empeval


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def metrics(run):
    return [(m.metric, m.value, m.n, m.n_failed) for m in run.metrics()]


def test_questions_that_were_answered_elsewhere_come_back_with_the_same_metrics(cli, tmp_path):
    human = empeval.run("human:", ["ed-mini"], ["surface"], limit=3, out=tmp_path / "human")
    replies = {line.id: line.response for line in human.responses("ed-mini")}
    assert cli("items", "ed-mini", "--limit", "3", "-o", "q.jsonl").code == 0
    questions = rows_of(tmp_path / "q.jsonl")
    assert [row.keys() for row in questions] == [{"id", "task", "messages"}] * len(replies)
    answers = [{**row, "response": replies[row["id"]]} for row in questions]
    (tmp_path / "a.jsonl").write_bytes(lines(answers[::-1]))
    common = ("--tasks", "ed-mini", "--scorers", "surface", "--limit", "3")
    outcome = cli("run", "--model", "replay:a.jsonl", *common, "--out", "back")
    assert (outcome.code, "warning" in outcome.err) == (0, False)
    assert metrics(empeval.Run("back")) == metrics(human)


def test_batch_input_says_who_answers_and_how_and_its_output_comes_back(cli, tmp_path):
    outcome = cli(
        *("items", "eqbench-mini", "--format", "openai-batch", "--model", "m", "-o", "b.jsonl"),
        *("--temperature", "0.5", "--stop", r"\n\n", "--seed", "7", "--max-tokens", "33"),
    )
    assert outcome.code == 0
    first, *others = rows_of(tmp_path / "b.jsonl")
    assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
    body = first["body"]
    assert [m["role"] for m in body.pop("messages")] == ["user"]
    how = {"max_tokens": 33, "temperature": 0.5, "top_p": 1.0, "seed": 7, "stop": ["\n\n"]}
    assert body == {"model": "m"} | how
    output = [batch_row(r["custom_id"], chat_body("Joy: 3")) for r in (first, *others)]
    (tmp_path / "out.jsonl").write_bytes(lines(output))
    outcome = cli("run", "--model", "replay:out.jsonl", "--tasks", "eqbench-mini", "--dry-run")
    assert (outcome.code, outcome.err) == (0, "")


def test_greedy_requests_name_no_draw(cli, tmp_path):
    cli("items", "ed-mini", "--format", "openai-batch", "--model", "m", "-o", "b.jsonl")
    body = rows_of(tmp_path / "b.jsonl")[0]["body"]
    assert body.keys() == {"model", "messages", "max_tokens", "temperature"}
    assert body["temperature"] == 0


def test_without_a_file_the_lines_are_standard_output_and_nothing_else(cli):
    outcome = cli("items", "eqbench-mini", "--limit", "2")
    assert outcome.code == 0
    assert [json.loads(line)["id"] for line in outcome.out.splitlines()] == ["1", "2"]


def test_who_answers_does_not_see_what_is_compared(cli):
    said = cli("items", "ed-mini", "--limit", "2").out
    run = empeval.run("human:", ["ed-mini"], ["surface"], limit=2, out="run")
    last = [line for line in run.responses("ed-mini") if f'"{line.id}"' in said]
    assert last
    assert not any(line.response in said for line in last if line.item.metadata["turn"] ==
                   line.item.metadata["turns"])  # fmt: skip


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--format", "openai-batch"], "needs --model NAME"),
        (["--temperature", "1"], "go with --format openai-batch"),
        (["--model", "m"], "go with --format openai-batch"),
        (["--task-args", "turns=first"], "all, last"),
    ],
)
def test_what_makes_no_sense_is_refused(more, reason, cli):
    outcome = cli("items", "ed-mini", *more)
    assert outcome.code == 2
    assert reason in outcome.err


def test_an_unknown_task_is_named(cli):
    outcome = cli("items", "ed-min")
    assert (outcome.code, "Did you mean 'ed-mini'" in outcome.err) == (2, True)
