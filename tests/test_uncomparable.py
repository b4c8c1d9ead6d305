"""Metrics that cannot be compared: it is said why and what to do, and no gate passes over them."""

from __future__ import annotations

import msgspec
import pytest
from support.made_runs import MadeScorer, MadeTask, Value, normal, write_run

from empeval import Run, UsageError
from empeval.comparing.two import compare
from empeval.gating.policy import Policy
from empeval.gating.verdict import gate

COUNT = 60
VALUES = normal(COUNT, 1, 5)
NAMES = [str(n) for n in range(COUNT)]


def policy(metric="warmth", **more):
    headline = [{"metric": metric, "margin": 0.5}]
    fields = {"headline": headline, "resamples": 200, "inconclusive": "pass", **more}
    return msgspec.convert(fields, Policy)


@pytest.fixture
def run(tmp_path):
    """Talks and letters, whose warmth is of the first half alone, as ``where`` makes it."""

    def make(name, talks=0.0, letters=0.0, change=None):
        tasks = [
            MadeTask(
                task, NAMES, [MadeScorer("judge", [Value("warmth", values), Value("tact", VALUES)])]
            )
            for task, values in (
                ("talks", [v + talks for v in VALUES]),
                ("letters", [v + letters * (n < COUNT // 2) for n, v in enumerate(VALUES)]),
            )
        ]
        made = write_run(tmp_path / name, tasks, model=f"made:{name}")
        metrics = made.metrics()
        changed = change or {
            "value": sum(VALUES[: COUNT // 2]) / (COUNT // 2) + letters,
            "source": None,
        }
        half = ("letters", "warmth")
        made.write_metrics(
            [
                msgspec.structs.replace(m, **changed) if (m.task, m.metric) == half else m
                for m in metrics
            ]
        )
        return Run(made.path)

    return make


def test_a_name_that_also_stands_for_what_cannot_be_compared_does_not_pass(run):
    base, worse = run("base"), run("worse", letters=-3.0)
    verdict = gate(worse, base, policy())
    (check,) = verdict.checks
    assert (verdict.exit_code, check.outcome) == (4, "inconclusive")
    assert "It cannot be told of letters.judge.warmth, since in base it is " in check.said
    assert "Mean(where=...)" in check.said
    assert gate(worse, base, policy("talks.warmth")).exit_code == 0
    rail = [{"metric": "warmth", "rises": "tact", "margin": 0.5}]
    assert gate(worse, base, policy("talks.warmth", guardrails=rail)).exit_code == 4


def test_a_base_that_contradicts_itself_is_not_passed_over(run):
    base, worse = (
        run("base", change={"value": 1.0}),
        run("worse", letters=-3.0, change={"note": None}),
    )
    verdict = gate(worse, base, policy())
    assert verdict.exit_code == 4
    assert "metrics.json says 1 and the items come to" in verdict.checks[0].said


def test_it_is_said_why_and_what_to_do(run):
    pair = run("base"), run("new")
    for metric in ("letters.warmth", "letters.judge.warmth"):
        with pytest.raises(UsageError, match=r"it leaves items out .* a value of its own \(Score"):
            compare(*pair, metrics=[metric], resamples=200)
    two = [run(n, change={"metric": "share", "source": None}) for n in ("b2", "n2")]
    with pytest.raises(UsageError, match=r"'share' .* b2: no value .* Have its scorer give"):
        compare(*two, metrics=["share"], resamples=200)
    pair[1].write_manifest(msgspec.structs.replace(pair[1].manifest, status="running"))
    half = [Run(one.path) for one in pair]
    with pytest.raises(UsageError, match="new: the run is unfinished or lacks scores, so nobody"):
        compare(*half, metrics=["letters.warmth"], partial=True, resamples=200)
