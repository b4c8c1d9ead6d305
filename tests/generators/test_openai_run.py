"""Runs over a served model: faults, keys, limits, interruptions, and what the folder keeps."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from support.command import finish, start
from support.model_server import KEY, MODEL, ModelServer

from empeval.runs import Run

TASK = ("--tasks", "ed-mini", "--task-args", "turns=last", "--scorers", "surface")
ITEMS = 36
COST = ("price_in=1", "price_out=10")


def asking(server, *options, model=MODEL):
    """The command line of a run over a server."""
    given = ",".join([f"base_url={server.url}", "backoff=0.01", *options])
    return ["run", "--model", f"openai:{model}", "--model-args", given, *TASK]


def kept(folder, *fields):
    """Some fields of every answer, by id."""
    lines = Run(folder).responses("ed-mini")
    return {line.id: tuple(getattr(line, f) for f in fields) for line in lines}


def bytes_of(folder):
    """Every file below a folder, read whole."""
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


@pytest.mark.parametrize("concurrency", [1, 7, 64])
def test_a_third_of_the_requests_failing_changes_no_answer_and_no_metric(
    cli, model_server, concurrency
):
    assert cli(*asking(model_server), "--out", "whole").code == 0
    faulty = ModelServer(share=0.3, seed=concurrency)
    try:
        command = asking(faulty, f"concurrency={concurrency}", "retries=12")
        assert cli(*command, "--out", "faulty").code == 0
        assert faulty.faulted.total() > 5
        assert faulty.most_at_once <= concurrency
    finally:
        faulty.close()
    assert len(kept("whole", "response")) == ITEMS
    fields = ("response", "status", "stop", "prompt_tokens", "completion_tokens", "model")
    assert kept("faulty", *fields) == kept("whole", *fields)
    assert Run("faulty").metrics() == Run("whole").metrics()


def test_the_key_is_in_no_file_and_on_no_screen(cli, model_server, monkeypatch, tmp_path):
    model_server.key = KEY
    model_server.answer = lambda question, request: {"text": f"Key: {KEY}"}
    model_server.plan = lambda question, before: f"500 I have seen {KEY}" if before < 9 else None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    command = [*asking(model_server, "retries=1"), "--limit", "3"]
    failed = cli(*command, "--out", "run")
    assert failed.code == 1
    assert "I have seen ***" in failed.err
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-and-long-enough")
    wrong = cli(*command, "--out", "run")
    assert wrong.code == 2
    assert "refuses the key in OPENAI_API_KEY" in wrong.err
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model_server.plan = lambda question, before: None
    done = cli(*command, "--out", "run")
    assert done.code == 0  # by another key, it is the same run spec
    cli("report", "run", "-o", "report.html")
    assert set(kept("run", "response").values()) == {("Key: ***",)}
    everything = bytes_of(tmp_path)
    assert len(everything) > 5
    for secret in (KEY, "sk-wrong-and-long-enough"):
        assert not [path for path, held in everything.items() if secret.encode() in held]
        for shown in (failed, wrong, done):
            assert secret not in shown.out + shown.err


def test_a_run_stops_at_its_cost_and_goes_on_with_a_higher_one(cli, model_server):
    model_server.answer = lambda question, request: {
        "text": f"You said {question.split()[-1]}", "prompt_tokens": 1000, "completion_tokens": 100,
        "cached": 0,
    }  # fmt: skip
    each = 0.002
    command = asking(model_server, *COST, "concurrency=32")
    stopped = cli(*command, "--out", "run", "--max-cost", "0.0201")
    assert stopped.code == 1
    assert "Stopped at --max-cost 0.0201 USD: 12,100 tokens, 0.0220 USD are spent" in stopped.err
    assert "25 of 36 items of ed-mini are not answered yet" in stopped.err
    assert len(kept("run", "response")) == 11  # not one for each that might have been under way
    again = cli(*command, "--out", "run", "--max-cost", "0.0201")
    assert again.code == 1
    assert len(model_server.requests) == 11
    done = cli(*command, "--out", "run", "--max-cost", "1")
    assert done.code == 0
    assert len(model_server.requests) == ITEMS
    assert {round(cost, 9) for (cost,) in kept("run", "cost").values()} == {each}
    assert f"spent: 39,600 tokens, {36 * each:.4f} USD" in done.out


def test_a_run_stops_at_its_tokens_whatever_answers(cli, model_server):
    command = asking(model_server, "concurrency=2")
    model_server.answer = lambda question, request: {
        "text": "x", "prompt_tokens": 10, "completion_tokens": 5
    }  # fmt: skip
    assert cli(*command, "--out", "run", "--max-tokens-total", "100").code == 1
    assert len(kept("run", "response")) == 7
    assert cli(*command, "--out", "run").code == 0


def test_what_failed_answers_have_cost_is_not_forgotten_when_they_are_asked_again(
    cli, model_server
):
    model_server.plan = lambda question, before: "no choice"
    command = [*asking(model_server, *COST, "retries=0"), "--limit", "4"]
    assert cli(*command, "--out", "run").code == 1
    model_server.plan = lambda question, before: None
    stopped = cli(*command, "--out", "run", "--max-cost", "0.0000001")
    assert stopped.code == 1
    assert "4 of 4 items of ed-mini are not answered yet" in stopped.err
    assert len(model_server.requests) == 4
    assert Run("run").manifest.discarded.completion_tokens == 20


def test_a_limit_of_the_cost_wants_a_price(cli, model_server):
    outcome = cli(*asking(model_server), "--out", "run", "--max-cost", "1")
    assert outcome.code == 1
    assert "price_in=...,price_out=..." in outcome.err
    assert len(kept("run", "response")) == 1  # the first goes alone
    other = cli("run", "--model", "human:", *TASK, "--max-cost", "1")
    assert other.code == 2
    assert "have no price; leave it out" in other.err


def test_how_a_server_is_asked_is_no_part_of_the_run_spec(cli, model_server, tmp_path):
    limited = ["--max-tokens-total", "60"]
    assert cli(*asking(model_server, "concurrency=1"), *limited).code == 1
    assert cli(*asking(model_server, "concurrency=9", "timeout=30", *COST)).code == 0
    (folder,) = (tmp_path / "empeval-runs").iterdir()
    assert len(model_server.requests) == ITEMS
    assert Run(folder).manifest.model.operation["concurrency"] == "1"


def test_another_address_or_field_is_another_run_spec(cli, model_server):
    other = ModelServer()
    try:
        assert cli(*asking(model_server), "--out", "run", "--max-tokens-total", "9").code == 1
        elsewhere = cli(*asking(other), "--out", "run")
        assert "another run spec" in elsewhere.err
        assert "base_url" in elsewhere.err
        hotter = cli(*asking(model_server, 'extra={"top_k": 1}'), "--out", "run")
        assert "argument extra" in hotter.err
    finally:
        other.close()


def test_a_run_that_is_killed_goes_on_without_asking_twice(model_server, tmp_path):
    model_server.delay = 0.1
    command = [*asking(model_server, "concurrency=3"), "--out", "run"]
    process = start(*command, folder=tmp_path)
    wait_for(lambda: len(model_server.requests) > 12)
    process.kill()
    process.wait()
    before = kept(tmp_path / "run", "response")
    assert 0 < len(before) < ITEMS
    assert finish(start(*command, folder=tmp_path)).code == 0
    after = kept(tmp_path / "run", "response")
    assert len(after) == ITEMS
    assert {i: after[i] for i in before} == before
    assert len(model_server.requests) <= ITEMS + 3 + 1  # those under way when it was killed


def test_ctrl_c_ends_it_at_once_and_keeps_what_came(model_server, tmp_path):
    model_server.delay = 0.1
    command = [*asking(model_server, "concurrency=4"), "--out", "run"]
    process = start(*command, folder=tmp_path)
    wait_for(lambda: len(model_server.requests) > 8)
    process.send_signal(signal.SIGINT)
    started = time.perf_counter()
    outcome = finish(process)
    assert outcome.code == 130
    assert time.perf_counter() - started < 5
    assert outcome.err.strip().endswith("the same command goes on from there")
    assert "Traceback" not in outcome.err
    assert 0 < len(kept(tmp_path / "run", "response")) < ITEMS


def wait_for(happened):
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 30 seconds")


def test_a_system_message_goes_before_every_conversation_and_is_part_of_the_run_spec(
    cli, model_server, tmp_path
):
    (tmp_path / "coach.txt").write_text("You are a coach.\nBe brief.\n")
    command = [*asking(model_server), "--limit", "2", "--out", "run"]
    assert cli(*command, "--system", "@coach.txt").code == 0
    (line, *_) = Run("run").responses("ed-mini")
    own = line.item.messages[0]  # what is asked stays the same, to be compared
    assert own.role == "system"
    assert "coach" not in own.content
    together = {"role": "system", "content": f"You are a coach.\nBe brief.\n\n{own.content}"}
    assert [body["messages"][0] for body in model_server.requests] == [together] * 2
    assert Run("run").manifest.model.system == "You are a coach.\nBe brief."
    assert "system message" in cli(*command).err
    assert cli(*asking(model_server), "--limit", "2", "--out", "bare").code == 0
    compared = cli("compare", "bare", "run")
    assert "different system messages" in compared.out + compared.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [("@nowhere.txt", "--system: nowhere.txt cannot be read"), (" ", "--system is empty")],
)
def test_a_system_message_that_is_not_there_is_said_so(cli, model_server, text, reason):
    outcome = cli(*asking(model_server), "--system", text)
    assert outcome.code == 2
    assert reason in outcome.err


def test_saved_answers_take_no_system_message(cli):
    outcome = cli("run", "--model", "human:", *TASK, "--system", "Be kind.")
    assert outcome.code == 2
    assert "has no effect on 'human:'" in outcome.err


def test_answers_of_two_models_in_one_run_are_said_above_the_metrics(cli, model_server):
    model_server.served_as = f"{MODEL}-2024-05-13"
    stopped = cli(*asking(model_server), "--out", "run", "--max-tokens-total", "100")
    assert stopped.code == 1
    model_server.served_as = f"{MODEL}-2024-08-06"
    done = cli(*asking(model_server), "--out", "run")
    assert "the answers are not of one model" in done.out
    assert "05-13" in done.out
    assert "08-06" in done.out


def test_the_folder_says_what_answered_and_what_it_took(cli, model_server):
    model_server.answer = lambda question, request: {"text": "x", "prompt_tokens": 9, "cached": 4}
    done = cli(*asking(model_server), "--out", "run", "--limit", "5")
    facts = Run("run").manifest.environment["generator"]
    assert facts["served_models"] == {MODEL: 5}
    assert facts["requests"] == 5
    assert Run("run").manifest.model.details["base_url"] == model_server.url
    assert f"answered by: {MODEL}; spent: 70 tokens (20 from the server's cache)" in done.out


def test_a_dry_run_asks_nobody(cli, model_server):
    outcome = cli(*asking(model_server), "--dry-run", "--system", "Be kind.")
    assert outcome.code == 0
    assert "[system] Be kind." in outcome.out
    assert model_server.requests == []
