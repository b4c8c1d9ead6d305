"""What only the base has is no reason to let a candidate pass, whichever check asks for it."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from support.made_runs import MadeScorer, MadeTask, Value, make_run, normal, write_run

from empeval import UsageError
from empeval.files import write_json
from empeval.gating.passed import Passed, find_base
from empeval.gating.policy import Policy
from empeval.gating.verdict import gate

COUNT = 60
NAMES = [str(n) for n in range(COUNT)]
EMOTIONS = [{"emotion": ("sad", "proud")[n % 2]} for n in range(COUNT)]
HEADLINE = {"metric": "talks.warmth", "margin": 0.5}
WIDE = {"metric": "warmth", "margin": 0.5}


@pytest.fixture
def made(tmp_path):
    """Makes a run of tasks: task -> scorer -> what to leave without a score."""
    numbers = itertools.count(1)

    def make(tasks, shift=0.0):
        number = next(numbers)
        built = []
        for task, scorers in tasks.items():
            own = []
            for index, (name, lost) in enumerate(scorers.items()):
                base = normal(COUNT, index, 5)
                values = [b + shift + e for b, e in zip(base, normal(COUNT, number, 0, 0.1),
                                                        strict=True)]  # fmt: skip
                of = [None if n in lost else v for n, v in enumerate(values)]
                own.append(MadeScorer(name, [Value(name, of)], _statuses(lost)))
            built.append(MadeTask(task, NAMES, own, targets=EMOTIONS))
        return write_run(tmp_path / str(number), built, model=f"made:{number}")

    return make


def _statuses(lost):
    return ["refused" if n in lost else "ok" for n in range(COUNT)]


def asked(**parts):
    whole = {"headline": [HEADLINE], "inconclusive": "pass", "resamples": 200, **parts}
    return msgspec.convert(whole, Policy)


BOTH = {"talks": {"warmth": (), "tact": ()}, "letters": {"warmth": (), "tact": ()}}
ONE_TASK = {"talks": {"warmth": (), "tact": ()}}
ONE_SCORER = {"talks": {"warmth": ()}, "letters": {"warmth": ()}}
REFUSED = range(10)


@pytest.mark.parametrize(
    ("policy", "candidate", "said"),
    [
        ({"failures": [{"kind": "unparsed", "most": 5}]}, ONE_TASK, "lacks task letters"),
        ({"failures": [{"kind": "truncated", "most": 5}]}, ONE_TASK, "lacks task letters"),
        ({"failures": [{"kind": "tact: refused", "most": 5}]}, ONE_TASK, "lacks task letters"),
        (
            {"failures": [{"kind": "unparsed", "most": 5}]},
            ONE_SCORER,
            "lacks scores of talks by tact; scores of letters by tact",
        ),
        (
            {"failures": [{"kind": "tact: refused", "most": 5}]},
            ONE_SCORER,
            "lacks scores of talks by tact",
        ),
        (
            {"guardrails": [{"metric": "warmth", "margin": 0.2, "rises": "tact"}]},
            ONE_TASK,
            "lacks letters.warmth.warmth",
        ),
        (
            {"guardrails": [{"metric": "tact", "margin": 0.2, "rises": "letters.warmth"}]},
            {"talks": {"warmth": (), "tact": ()}, "letters": {"warmth": REFUSED}},
            "lacks letters.tact.tact",
        ),
    ],
)
def test_a_check_of_what_the_candidate_lacks_cannot_be_told_and_blocks(
    made, policy, candidate, said
):
    verdict = gate(made(candidate), made(BOTH), asked(**policy))
    check = next(c for c in verdict.checks if c.kind != "headline")
    assert (check.outcome, check.blocks) == ("inconclusive", True)
    assert said in check.said
    assert verdict.exit_code == 4
    assert gate(made(BOTH), made(BOTH), asked(**policy)).exit_code == 0


def test_a_limit_that_is_exceeded_stays_a_regression_where_a_task_lacks(made):
    policy = asked(failures=[{"kind": "unparsed", "most": 5}])
    candidate = {"talks": {"warmth": (0,), "tact": REFUSED}}
    assert gate(made(candidate), made(BOTH), policy).exit_code == 3


@pytest.mark.parametrize(
    "policy",
    [
        {"guardrails": [{"metric": "talks.tact", "margin": 0.2, "rises": "talks.warmth"}]},
        {"guardrails": [{"metric": "talks.warmth", "margin": 0.2, "rises": "talks.tact"}]},
    ],
)
def test_a_guardrail_on_a_metric_that_is_refused_blocks(made, policy):
    candidate = made({**BOTH, "talks": {"warmth": (), "tact": REFUSED}}, shift=0.1)
    verdict = gate(candidate, made(BOTH), asked(**policy))
    assert verdict.exit_code == 4
    assert "10 of 60 items of the candidate have no score" in verdict.checks[1].said


def test_a_part_of_which_the_candidate_refuses_much_blocks(made):
    sad = [n for n in range(COUNT) if EMOTIONS[n]["emotion"] == "sad"][:3]  # 5 % of all, 10 % of it
    policy = asked(slices=[{"by": "emotion", "margin": 0.5}])
    verdict = gate(made({"talks": {"warmth": sad}}), made({"talks": {"warmth": ()}}), policy)
    assert [(c.outcome, c.blocks) for c in verdict.checks] == [
        ("pass", False),
        ("inconclusive", True),
    ]
    assert verdict.exit_code == 4


@pytest.mark.parametrize("kind", ["unparsd", "tacts: refused", "tact: refusd"])
def test_a_kind_that_nothing_is_called_is_refused(made, kind):
    run = made(BOTH)
    with pytest.raises(UsageError, match="unknown kind"):
        gate(made(BOTH), run, asked(failures=[{"kind": kind}]))


def test_a_metric_that_only_the_candidate_has_is_named(made):
    (check,) = gate(made(BOTH), made(ONE_TASK), asked(headline=[WIDE])).checks
    assert check.outcome == "pass"
    assert "The base has no letters.warmth.warmth: nothing is said of that." in check.said
    (check,) = gate(made(BOTH), made(BOTH), asked(headline=[WIDE])).checks
    assert "The base has no" not in check.said


def test_the_latest_that_passed_is_one_with_the_same_tasks(made):
    candidate, whole, part = made(BOTH), made(BOTH), made(ONE_TASK)
    for run, when in ((whole, "2026-01-01"), (part, "2026-01-02")):
        note = Passed(outcome="pass", when=when, base="b", policy="p")
        write_json(run.path / "gate.json", note)
    assert find_base("latest-passed", candidate.path.parent, candidate).path == whole.path


def test_answers_that_are_in_one_run_only_are_counted_where_failures_are_limited(tmp_path):
    runs = [
        make_run(tmp_path / name, normal(count, 1), ids=NAMES[:count])
        for name, count in (("candidate", 45), ("base", COUNT))
    ]
    asking = asked(failures=[{"kind": "unparsed", "most": 5}])
    checks = gate(*runs, asking, partial=True).checks
    (said,) = [check.said for check in checks if check.kind == "failures"]
    assert "15 of 60 answers to talks" in said
