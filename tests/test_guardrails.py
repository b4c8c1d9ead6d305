"""A metric that must not be paid for with another."""

from __future__ import annotations

import msgspec
import pytest
from support.made_runs import MadeScorer, MadeTask, Value, normal, write_run

from empeval import UsageError
from empeval.gating.policy import Policy, read_policy
from empeval.gating.verdict import gate

COUNT = 120
VALUES = normal(COUNT, 1, 5)
RAIL = {"metric": "warmth", "margin": 0.5, "rises": "tact"}


def policy(rail=RAIL, metric="talks.tact"):
    headline = [{"metric": metric, "margin": 5}]
    return msgspec.convert({"headline": headline, "resamples": 200, "guardrails": [rail]}, Policy)


@pytest.fixture
def run(tmp_path):
    """A run of which each task's metrics lie by so much higher than the base's."""

    def make(name, **ends):
        def make_run(**tasks):
            names = [str(n) for n in range(COUNT)]
            made = [
                MadeTask(
                    task,
                    names,
                    [
                        MadeScorer(
                            "judge",
                            [
                                Value(metric, [v + shift for v in VALUES], **ends)
                                for metric, shift in shifts.items()
                            ],
                        )
                    ],
                )
                for task, shifts in tasks.items()
            ]
            return write_run(tmp_path / name, made, model=f"made:{name}")

        return make_run

    return make


@pytest.mark.parametrize(
    ("warmth", "tact", "outcome", "said"),
    [
        (-1, -1, "pass", "does not rise"),
        (1, 1, "pass", "changes by 1.0"),
        (-1, 1, "regression", "0.5 or more the wrong way, while tact rises by 1.0"),
    ],
)
def test_it_asks_only_while_the_other_metric_rises(run, warmth, tact, outcome, said):
    base = run("base")(talks={"tact": 0, "warmth": 0})
    verdict = gate(run("new")(talks={"tact": tact, "warmth": warmth}), base, policy())
    (check,) = [c for c in verdict.checks if c.kind == "guardrail"]
    assert check.outcome == outcome
    assert said in check.said


def test_a_margin_as_wide_as_the_scale_is_refused(run):
    pair = [run(n, low=1.0, high=5.0)(talks={"tact": 0, "warmth": 0}) for n in ("new", "base")]
    with pytest.raises(UsageError, match=r"the guardrail warmth.* 4 wide: nothing could fail"):
        gate(*pair, msgspec.structs.replace(policy({**RAIL, "margin": 4.5}, "tact"), headline=[
            msgspec.structs.replace(policy().headline[0], margin=3.9)]))  # fmt: skip


def test_a_metric_against_itself_could_never_fire(run, tmp_path):
    path = tmp_path / "gate.toml"
    text = '[[headline]]\nmetric = "tact"\nmargin = 5\n[[guardrails]]\nmetric = "warmth"\n'
    path.write_text(f'{text}rises = "warmth"\nmargin = 0.5\n')
    with pytest.raises(UsageError, match=r"gate\.toml: the guardrail warmth could never fire"):
        read_policy(path)
    pair = [run(n)(talks={"tact": 0, "warmth": 0}) for n in ("base", "new")]
    for rises in ("warmth", "talks.warmth", "judge.warmth", "talks.judge.warmth"):
        with pytest.raises(UsageError, match=f"warmth and {rises}: .* could never fire"):
            gate(*pair, policy({**RAIL, "rises": rises}))


def test_it_watches_tasks_in_which_the_other_metric_is_not(run):
    """Letters have no tact; their warmth is paid for with the tact of talks all the same."""
    base = run("base")(talks={"tact": 0, "warmth": 0}, letters={"warmth": 0})
    for name, talks, letters, code in (("fine", 0, 0, 0), ("a", -1, 0, 3), ("b", 0, -1, 3)):
        shifts = {"talks": {"tact": 1, "warmth": talks}, "letters": {"warmth": letters}}
        assert gate(run(name)(**shifts), base, policy()).exit_code == code, name
