"""Runs that a judge scores: what is kept, resumed, limited and audited."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
from support.command import finish, start
from support.judging import uri
from support.model_server import KEY, MODEL, ModelServer

from empeval import EmpevalError, Run, UsageError

RUN = ("run", "--model", "human:", "--tasks", "ed-mini", "--task-args", "turns=last")
ITEMS = 36


def judged(run="run"):
    (label,) = Run(run).manifest.scorers["ed-mini"]
    return {s.id: s for s in Run(run).scores("ed-mini", label)}


def test_a_run_keeps_who_judged_and_what_it_said(cli, judge_server, rubric, monkeypatch, tmp_path):
    judge_server.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    made = cli(*RUN, "--scorers", uri(judge_server, rubric), "--out", "run", "--format", "json")
    assert made.code == 0, made.err
    assert len(judge_server.requests) == len(judged()) == ITEMS
    ((label, entry),) = Run("run").manifest.scorers["ed-mini"].items()
    assert re.fullmatch(r"judge@small-model-two-\w{4}", label)
    assert entry.fingerprint.startswith(f"served:{MODEL} rubric:two@")
    (kept,) = (tmp_path / "run" / "judgements").iterdir()
    said = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(said) == ITEMS
    assert all(re.search("^empathy: [1-5]$", line["response"], re.MULTILINE) for line in said)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_a_judge_that_was_asked_is_not_asked_again(cli, judge_server, rubric, monkeypatch):
    scorer = uri(judge_server, rubric)
    assert cli(*RUN, "--scorers", scorer, "--out", "run").code == 0
    first = judged()
    assert cli("score", "run", "--scorers", scorer).code == 0
    assert len(judge_server.requests) == ITEMS
    # a later version of the scorer reads the same judgements anew
    from empeval_judge import scorer as module

    monkeypatch.setattr(module, "card_of", lambda *given, old=module.card_of: _later(old(*given)))
    assert cli("score", "run", "--scorers", scorer).code == 0
    (entry,) = Run("run").manifest.scorers["ed-mini"].values()
    assert entry.version == "later"
    assert judged() == first
    assert len(judge_server.requests) == ITEMS
    # a changed rubric is another question
    rubric.write_text(rubric.read_text().replace("Judge.", "Judge well."))
    assert cli("score", "run", "--scorers", scorer).code == 0
    assert len(judge_server.requests) == 2 * ITEMS


def _later(card):
    from msgspec.structs import replace

    return replace(card, version="later")


def test_a_run_that_was_killed_asks_the_judge_only_for_what_is_left(judge_server, rubric, tmp_path):
    """Although scores are written chunk by chunk, and all of these are in one."""
    judge_server.delay = 0.1
    scorer = uri(judge_server, rubric, concurrency=2)
    process = start(*RUN, "--scorers", scorer, "--out", "run", folder=tmp_path)
    limit = time.monotonic() + 60
    while len(judge_server.requests) < 8 and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    finish(process)
    (kept,) = (tmp_path / "run" / "judgements").iterdir()
    before = kept.read_bytes().count(b"\n")
    assert 4 <= before < ITEMS
    asked = len(judge_server.requests)
    judge_server.delay = 0.0
    done = finish(start(*RUN, "--scorers", scorer, "--out", "run", folder=tmp_path))
    assert done.code == 0, done.err
    assert len(judge_server.requests) - asked == ITEMS - before
    assert len(judged(tmp_path / "run")) == ITEMS


def test_a_judge_without_a_server_is_one_sentence_and_the_answers_stay(cli, rubric):
    server = ModelServer()
    server.close()
    scorer = uri(server, rubric, retries=0)
    failed = cli(*RUN, "--limit", "3", "--scorers", scorer, "--out", "run")
    assert failed.code == 1
    assert "Traceback" not in failed.err
    assert len(Run("run").responses("ed-mini")) == 3


def test_a_wrong_key_ends_it_at_once(cli, judge_server, rubric, monkeypatch):
    judge_server.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-and-long-enough")
    failed = cli(*RUN, "--scorers", uri(judge_server, rubric), "--out", "run")
    assert failed.code == 2
    assert "refuses the key in OPENAI_API_KEY" in failed.err
    assert len(judge_server.requests) <= 4


def test_a_judge_is_audited_like_any_scorer(cli, judge_server, rubric, tmp_path, monkeypatch):
    monkeypatch.delenv("EMPEVAL_RATINGS", raising=False)
    scorer = uri(judge_server, rubric, concurrency=16)
    command = ("audit", scorer, "--trials", "2", "--no-cost", "--out", "audits")
    made = cli(*command, "--format", "json")
    assert made.code == 0, made.err
    (certificate,) = json.loads(made.out)
    assert certificate["primary"] == "empathy"
    assert certificate["fingerprint"].startswith(f"served:{MODEL} rubric:two@")
    trials = {trial["name"]: trial for trial in certificate["trials"]}
    assert trials["order of the replies"]["passed"]
    (kept,) = (tmp_path / "audits" / "judgements").iterdir()
    texts = kept.read_bytes().count(b"\n")
    asked = len(judge_server.requests)
    assert asked > texts > 100  # trials of order and batch ask anew: kept answers would all agree
    (finished,) = (tmp_path / "audits").glob("*/audit.json")
    finished.unlink()
    (scores,) = (tmp_path / "audits" / "scores").iterdir()
    scores.unlink()
    assert cli(*command).code == 0
    assert len(judge_server.requests) - asked == asked - texts


def test_questions_that_a_model_leaves_open_are_an_error():
    from empeval import Item, Message, Sampling, ask
    from empeval.testing import Echo

    class Silent(Echo):
        def generate(self, items, sampling):
            yield from ()

    item = Item("1", (Message("user", "Hi"),), cluster="1")
    with pytest.raises(EmpevalError, match="left 1 of 1 unanswered"):
        ask(Silent("echo"), [item], Sampling())


PRICES = {"price_in": 1000, "price_out": 1000}  # 110 tokens: 0.11 USD a judgement


def judged_run(server, rubric, folder, *, model="human:", **limits):
    import empeval

    target = uri(server, rubric, **PRICES)
    return empeval.run(model, ["ed-mini"], [target], limit=6, out=folder / "run", **limits)


def test_a_limit_of_the_cost_stops_the_judge_and_goes_on(judge_server, rubric, tmp_path):
    with pytest.raises(EmpevalError, match=r"Stopped at --max-cost 0\.35 USD") as caught:
        judged_run(judge_server, rubric, tmp_path, max_cost=0.35)
    assert "questions to a judge are not answered yet" in str(caught.value)
    first = len(judge_server.requests)
    assert first == 4, "0.44 USD: passed by one judgement"
    run = judged_run(judge_server, rubric, tmp_path, max_cost=100)
    assert run.complete
    assert len(judge_server.requests) == len(run.responses("ed-mini")), "none is asked twice"


def test_what_a_judge_took_before_counts_when_a_run_goes_on(judge_server, rubric, tmp_path):
    for _ in range(2):
        with pytest.raises(EmpevalError, match="Stopped at --max-tokens-total 300"):
            judged_run(judge_server, rubric, tmp_path, max_tokens_total=300)
    assert len(judge_server.requests) == 3


def test_a_limit_of_tokens_needs_somebody_who_takes_some():
    import empeval

    with pytest.raises(UsageError, match="takes no tokens, and no scorer asks a model"):
        empeval.run("human:", ["ed-mini"], ["surface"], max_tokens_total=100)
    with pytest.raises(UsageError, match="have no price"):
        empeval.run("human:", ["ed-mini"], ["surface"], max_cost=1.0)
