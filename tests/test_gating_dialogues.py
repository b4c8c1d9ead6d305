"""A gate on runs of many turns, from the server to the verdict: what counts are dialogues."""

from __future__ import annotations

import re
from statistics import fmean, stdev

import pytest
from support.model_server import ModelServer
from support.scripted import Talks

import empeval
from empeval.gating.policy import read_policy
from empeval.gating.verdict import gate

DIALOGUES = 12
TURNS = DIALOGUES * 3 - 1
T_11 = 2.200985
"""Student's t for an interval of 95 % with 11 degrees of freedom."""


@empeval.scorer(low=0, high=100, higher_is_better=True)
def warmth(sample):
    """The number that a reply names."""
    return float(re.search(r"\d+", sample.text)[0])


class Models:
    """What answers: ``changes`` says by how much warmer a model is in a dialogue and at a turn."""

    def __init__(self):
        self.changes = {}

    def __call__(self, question, request):
        turn, person = map(int, re.findall(r"\d+", question))
        own = [m["content"] for m in request["messages"] if m["role"] == "assistant"]
        assert len(own) == turn - 1, "a turn came before its history"
        change = self.changes.get(request["model"], lambda person, turn: 0)
        return {"text": f"I hear you. {40 + 3 * (person % 7) + turn + change(person, turn)}"}


@pytest.fixture
def server():
    made = ModelServer(Models())
    made.models = ["old", "new"]
    yield made
    made.close()


@pytest.fixture
def run(server, tmp_path):
    """Asks a model of the server for its side of the dialogues."""

    def ask(name, change=None):
        if change is not None:
            server.answer.changes[name] = change
        given = {"base_url": server.url, "retries": "0", "backoff": "0.01"}
        return empeval.run(
            f"openai:{name}", [Talks(count=DIALOGUES)], [warmth()], model_args=given,
            out=tmp_path / name,
        )  # fmt: skip

    return ask


@pytest.fixture
def policy(tmp_path):
    def write(margin, more=""):
        path = tmp_path / "gate.toml"
        path.write_text(
            f'resamples = 500\n[[headline]]\nmetric = "warmth"\nmargin = {margin}\n{more}'
        )
        return path

    return write


def shifts(person, turn):
    """A model that is as much better in some dialogues as it is worse in others, and a bit more."""
    return -4 if person % 2 else 2


def test_dialogues_are_the_units_of_a_verdict_not_turns(run, policy):
    old, new = run("old"), run("new", shifts)
    (words,) = [m for m in new.metrics() if m.metric == "warmth"]
    assert (words.n, words.n_clusters) == (TURNS, DIALOGUES)
    changes = [shifts(person, 1) for person in range(1, DIALOGUES + 1)]
    by_dialogue = fmean(changes) - T_11 * stdev(changes) / DIALOGUES**0.5
    by_turn = fmean(changes) - T_11 * stdev(changes) / TURNS**0.5
    assert by_dialogue < -2.5 < by_turn  # so that only whoever counts dialogues cannot tell
    assert gate(new, old, read_policy(policy(2.5))).outcome == "inconclusive"
    assert gate(new, old, read_policy(policy(3.5))).outcome == "pass"


@pytest.mark.parametrize(
    ("change", "code", "outcome"),
    [(lambda p, t: 0, 0, "pass"), (lambda p, t: -4 - p % 2, 3, "regression")],
    ids=["as warm", "colder"],
)
def test_the_command_says_what_the_policy_says(cli, run, policy, change, code, outcome):
    old, new = run("old"), run("new", change)
    words = ("gate", str(new.path), "--baseline", str(old.path), "--policy", str(policy(3)))
    found = cli(*words)
    assert found.code == code, found.out + found.err
    assert found.out.strip().endswith(outcome)


def test_what_cools_down_late_in_a_talk_is_seen_turn_by_turn(run, policy):
    old, new = run("old"), run("new", lambda person, turn: -6 if turn == 3 else 0)
    path = policy(3.5, '[[slices]]\nby = "turn"\nmargin = 3.5\n')
    checks = {c.name: c.outcome for c in gate(new, old, read_policy(path)).checks}
    assert checks == {"warmth": "pass", "warmth, turn = 3": "regression"}  # and no other turn


def test_dialogues_that_broke_off_cannot_hold(server, run, policy):
    old = run("old")
    broken = [f"This is thing 2 that happened to person {n}." for n in (3, 4)]
    server.plan = lambda question, before: "500" if question in broken else None
    new = run("new", lambda person, turn: 1)
    lost = [line.id for line in new.responses("Talks") if line.status == "error"]
    assert sorted(lost) == ["3#2", "3#3", "4#2", "4#3"]  # 4 of 35: more than 5 %
    found = gate(new, old, read_policy(policy(3)))
    assert found.outcome != "pass"
    assert found.exit_code
    server.plan = lambda question, before: None
    mended = run("new")  # asks what broke off, and nothing else
    assert len(server.requests) == TURNS + (TURNS - 2) + 4
    assert gate(mended, old, read_policy(policy(3))).outcome == "pass"
