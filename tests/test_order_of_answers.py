"""Answers come in another order each time they are asked for; no figure hangs on it."""

from __future__ import annotations

import random

import msgspec
import pytest
from support.made_runs import make_run, normal

from empeval.comparing.many import compare_many
from empeval.comparing.two import compare
from empeval.gating.policy import Policy, read_policy
from empeval.gating.verdict import gate
from empeval.runs import Run

COUNT = 24
CLUSTERS = [f"talk {n // 2}" for n in range(COUNT)]
TARGETS = [{"emotion": "sad" if n % 3 else "proud"} for n in range(COUNT)]


def shuffled(run, seed):
    """The same run, its answers and scores written down in another order."""
    dice = random.Random(seed)
    for path in (run.responses_path("talks"), run.scores_path("talks", "warmth")):
        lines = path.read_bytes().splitlines(keepends=True)
        dice.shuffle(lines)
        path.write_bytes(b"".join(lines))
    return Run(run.path)


@pytest.fixture
def runs(tmp_path):
    """Three runs of 12 clusters, whose intervals are of few resamples."""
    return [
        make_run(
            tmp_path / name, normal(COUNT, seed, shift), clusters=CLUSTERS, targets=TARGETS
        )
        for name, shift, seed in (("base", 3.0, 1), ("new", 2.4, 2), ("other", 3.2, 3))
    ]  # fmt: skip


def told(found):
    return msgspec.json.encode(found)


@pytest.mark.parametrize("seed", range(4))
def test_two_runs_are_compared_alike_in_whatever_order_their_answers_came(runs, seed):
    base, new, _ = runs
    options = {"margins": 0.5, "resamples": 300}
    before = compare(base, new, **options)
    assert before.differences[0].change.interval is not None
    assert before.slices
    changed = [shuffled(run, f"{seed} {n}") for n, run in enumerate((base, new))]
    after = compare(*changed, **options)
    assert told(after.differences) == told(before.differences)
    assert told(sorted(after.slices, key=str)) == told(sorted(before.slices, key=str))


def test_many_runs_are_compared_alike_in_whatever_order_their_answers_came(runs):
    before = compare_many(runs, resamples=300)
    after = compare_many([shuffled(run, n) for n, run in enumerate(runs)], resamples=300)
    assert told(after.matrices) == told(before.matrices)


def test_a_gate_draws_by_its_policys_seed(runs):
    base, new, _ = runs

    def interval(seed):
        wanted = {"headline": [{"metric": "warmth", "margin": 0.5}], "resamples": 300, "seed": seed}
        comparison = gate(new, base, msgspec.convert(wanted, Policy)).comparison
        return comparison.differences[0].change.interval

    assert interval(1) == interval(1) != interval(2)
    own = compare(base, new, margins={"warmth": 0.5}, metrics=["warmth"], resamples=300, seed=2)
    assert interval(2) == own.differences[0].change.interval


@pytest.mark.parametrize("share", [0, 1])
def test_the_ends_of_what_may_lack_are_shares_too(tmp_path, share):
    path = tmp_path / "gate.toml"
    path.write_text(f'max_unscored = {share}\n[[headline]]\nmetric = "warmth"\nmargin = 1\n')
    assert read_policy(path).max_unscored == share
