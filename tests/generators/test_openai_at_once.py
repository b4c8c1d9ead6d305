"""As many requests as ``concurrency`` says are under way at a server, whatever is asked."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from support.command import finish, start
from support.judging import EMPATHY, replies, target, write_rubric
from support.likely_server import top_logprobs
from support.model_server import MODEL, ModelServer
from support.scripted import Talks

import empeval
from empeval import Continuations, EmpevalError, Item, Message, Run, Sampling, loglikelihood
from empeval.generators.openai import OpenAI
from empeval_judge.scorer import Judge

TALKS = f"{Path(__file__).resolve().parents[1] / 'support' / 'scripted.py'}:Talks"
MANY = 200

FILE = """
name: many
version: "1"
summary: Short questions.
license: none
data: {file: many.jsonl}
prompt: "{{ text }}"
scorers: [surface]
"""


@pytest.fixture
def many(tmp_path):
    """A task of many items in a file."""
    lines = (f'{{"id": "{n}", "text": "What of thing {n}?"}}\n' for n in range(MANY))
    (tmp_path / "many.jsonl").write_text("".join(lines))
    path = tmp_path / "many.yaml"
    path.write_text(FILE)
    return path


def arguments(server, **more):
    given = {"base_url": server.url, "backoff": "0.01", **more}
    return {name: str(value) for name, value in given.items()}


def model(server, **more):
    """The generator itself."""
    return OpenAI(MODEL, base_url=server.url, backoff=0.01, **more)


def items(*names):
    return [Item(name, (Message("user", f"What of {name}?"),), name) for name in names]


def said(run, task="Talks"):
    return {line.id: line.response for line in (*run.responses(task), *run.steps(task))}


def with_history(question, request):
    """A reply that tells how the conversation went so far."""
    before = [m["content"] for m in request["messages"] if m["role"] == "assistant"]
    return {"text": f"{len(before)}: {question.split()[-1]} after {before[-1:]}",
            "prompt_tokens": 10, "completion_tokens": 5}  # fmt: skip


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_a_command_has_as_many_under_way_as_it_says(cli, model_server, many, concurrency):
    model_server.crowd = concurrency
    options = f"base_url={model_server.url},concurrency={concurrency}"
    done = cli(
        *("run", "--model", f"openai:{MODEL}", "--model-args", options),
        *("--tasks", many, "--out", "run"),
    )
    assert done.code == 0, done.err
    assert model_server.most_at_once == concurrency
    assert len(Run("run").responses("many")) == len(model_server.requests) == MANY
    assert Run("run").manifest.environment["generator"]["most_at_once"] == concurrency


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_so_has_a_run_from_python(model_server, many, tmp_path, concurrency):
    model_server.crowd = concurrency
    given = arguments(model_server, concurrency=concurrency)
    run = empeval.run(f"openai:{MODEL}", [str(many)], model_args=given, out=tmp_path / "run")
    assert run.complete
    assert model_server.most_at_once == concurrency


def test_so_has_a_judge(model_server, tmp_path):
    model_server.crowd = 64
    model_server.answer = lambda question, request: {"text": "reason: so.\nempathy: 3"}
    judge = Judge(target(model_server, write_rubric(tmp_path, EMPATHY), concurrency=64))
    scores = judge.score(replies(*(f"I hear you {n} times." for n in range(100))))
    assert {score.values["empathy"] for score in scores} == {3.0}
    assert model_server.most_at_once == 64


def test_so_have_likelihoods(model_server):
    model_server.crowd = 64
    choice = {"logprobs": top_logprobs({"yes": 0.5, "no": 0.25, "so": 0.25})}
    model_server.answer = lambda question, request: {"text": "yes", "choice": choice}
    asked = [
        Continuations(str(n), (Message("user", f"Is it {n}?"),), ("yes", "no")) for n in range(100)
    ]
    found = loglikelihood(model(model_server, concurrency=64, likelihood="words"), asked)
    assert all(len(one.values) == 2 for one in found.values())
    assert model_server.most_at_once == 64


def test_so_have_dialogues_each_with_its_turns_in_order(model_server, tmp_path):
    model_server.crowd = 64
    model_server.answer = with_history
    given = arguments(model_server, concurrency=64)
    run = empeval.run(f"openai:{MODEL}", [Talks(count=70)], model_args=given, out=tmp_path / "run")
    assert model_server.most_at_once == 64
    found = said(run)
    assert len(found) == len(model_server.requests) == 70 * 3 - 1
    assert found["9#1"] == "0: 9. after []"
    assert found["9#2"] == f"1: 9. after {[found['9#1']]}"
    assert found["9#3"] == f"2: 9. after {[found['9#2']]}"


def test_a_slow_reply_holds_no_other_dialogue_up(model_server, tmp_path):
    ended = threading.Event()

    def answer(question, request):
        if question == "This is thing 1 that happened to person 3.":
            assert ended.wait(20), "the other dialogues wait for this one"
        made = with_history(question, request)
        if len(model_server.requests) == 4 * 3 - 1 - 2:  # all but what follows the slow one
            ended.set()
        return made

    model_server.answer = answer
    given = arguments(model_server, concurrency=8)
    run = empeval.run(f"openai:{MODEL}", [Talks()], model_args=given, out=tmp_path / "run")
    assert run.complete
    assert ended.is_set()


def test_one_goes_alone_once_and_not_with_every_call(model_server):
    served = model(model_server, concurrency=4)
    list(served.generate(items("a", "b"), Sampling()))
    model_server.crowd = 4
    model_server.most_at_once = 0
    list(served.generate(items("c", "d", "e", "f"), Sampling()))
    assert model_server.most_at_once == 4


def test_what_a_server_bears_is_known_to_the_next_call(model_server):
    served = model(model_server, concurrency=16)
    model_server.room, model_server.delay = 2, 0.02
    list(served.generate(items(*"abcdefghijklmnopqrstuvwxyz"), Sampling()))
    model_server.most_at_once = 0
    list(served.generate(items(*"ABCDEFGHIJKLMNOP"), Sampling()))
    assert model_server.most_at_once <= 8


def test_a_key_that_was_refused_may_be_mended(model_server, monkeypatch):
    model_server.key = "sk-0123456789"
    served = model(model_server)
    with pytest.raises(EmpevalError, match="refuses"):
        list(served.generate(items("a", "b"), Sampling()))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    assert len(list(served.generate(items("a", "b"), Sampling()))) == 2


def test_a_failed_turn_ends_its_dialogue_and_is_asked_again(model_server, tmp_path):
    def talk():
        given = arguments(model_server, retries=0)
        out = tmp_path / "run"
        return empeval.run(f"openai:{MODEL}", [Talks(last=True)], model_args=given, out=out)

    model_server.answer = with_history
    broken = "This is thing 1 that happened to person 3."
    model_server.plan = lambda question, before: "500" if question == broken else None
    found = {line.id: line for line in talk().responses("Talks")}
    assert {line.status for line in found.values()} == {"ok", "error"}
    assert "turn 1 of this dialogue failed" in found["3#3"].note
    model_server.plan = lambda question, before: None
    run = talk()
    assert run.complete
    assert {line.status for line in run.responses("Talks")} == {"ok"}
    asked = [body["messages"][-1]["content"] for body in model_server.requests]
    assert len(asked) == 4 * 3 - 1 + 1
    assert asked.count(broken) == 2


def test_a_limit_stops_within_dialogues_and_a_higher_one_goes_on(model_server, tmp_path):
    model_server.answer = with_history
    given = arguments(model_server, concurrency=8, price_in=1, price_out=1)

    def talk(name, **more):
        out = tmp_path / name
        return empeval.run(f"openai:{MODEL}", [Talks()], model_args=given, out=out, **more)

    whole = said(talk("whole"))
    before = len(model_server.requests)
    with pytest.raises(EmpevalError, match="6 of 11 turns of Talks are not answered yet"):
        talk("cut", max_cost=4.1 * 15e-6)
    assert len(said(Run(tmp_path / "cut"))) == 5
    assert said(talk("cut", max_cost=1)) == whole
    assert len(model_server.requests) == before + 11


def test_a_run_that_is_killed_within_dialogues_ends_with_the_same_answers(tmp_path):
    server = ModelServer(with_history)
    try:
        command = (
            *("run", "--model", f"openai:{MODEL}", "--tasks", TALKS),
            *("--task-args", "Talks.count=20", "--scorers", "surface"),
            *("--model-args", f"base_url={server.url},concurrency=6"),
        )
        assert finish(start(*command, "--out", "whole", folder=tmp_path)).code == 0
        server.requests.clear()
        server.delay = 0.05
        process = start(*command, "--out", "killed", folder=tmp_path)
        until = time.monotonic() + 60
        while len(server.requests) < 30 and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert 0 < len(said(Run(tmp_path / "killed"))) < 59
        assert finish(start(*command, "--out", "killed", folder=tmp_path)).code == 0
        whole, killed = Run(tmp_path / "whole"), Run(tmp_path / "killed")
        assert said(killed) == said(whole)
        assert killed.metrics() == whole.metrics()
        assert len(server.requests) <= 59 + 6  # those under way when it was killed
    finally:
        server.close()
