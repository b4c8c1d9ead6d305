"""Power from past runs: what is needed, what can be seen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.made_runs import MadeScorer, MadeTask, Value, make_run, normal, write_run

from empeval import UsageError
from empeval.comparing.planning import plan


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path / "runs" / str(n), normal(100, n)) for n in range(4)]


def test_the_spread_is_that_of_paired_differences(runs):
    (found,) = plan(runs, "talks", margin=0.5)
    assert found.pairs == 6
    assert found.spread == pytest.approx(np.sqrt(2), rel=0.12)
    assert found.needed == pytest.approx(((1.96 + 0.84) * found.spread / 0.5) ** 2, rel=0.1)
    assert found.needed_items == found.needed
    assert found.needed_high >= found.needed
    assert found.detectable == pytest.approx(2.83 * found.spread / 10, rel=0.02)


def test_more_clusters_see_smaller_differences(runs):
    (few,) = plan(runs, "talks", clusters=25)
    (many,) = plan(runs, "talks", clusters=400)
    assert few.detectable / many.detectable == pytest.approx(4, rel=0.06)


def test_items_that_share_a_cluster_count_as_it(tmp_path):
    values = [normal(40, n) for n in range(2)]
    clusters = [str(n) for n in range(40) for _ in range(5)]
    runs = [
        make_run(tmp_path / str(n), [v for v in own for _ in range(5)], clusters=clusters)
        for n, own in enumerate(values)
    ]
    (found,) = plan(runs, "talks", margin=0.5)
    assert (found.clusters, found.items) == (40, 200)
    assert found.needed_items == 5 * found.needed


def test_simulated_experiments_of_the_planned_size_find_the_margin_four_times_in_five(runs):
    from scipy import stats

    (found,) = plan(runs, "talks", margin=0.5)
    dice = np.random.default_rng(7)
    drawn = dice.normal(0.5, found.spread, (4000, found.needed))
    power = (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"margin": 0.0}, "--margin is 0"), ({"clusters": 1}, "--clusters is 1")],
)
def test_what_makes_no_sense_is_refused(runs, options, message):
    with pytest.raises(UsageError, match=message):
        plan(runs, "talks", **options)


def test_too_few_runs_and_constant_ones_are_refused(runs, tmp_path):
    with pytest.raises(UsageError, match="1 of the 1 runs have that task"):
        plan(runs[:1], "talks")
    with pytest.raises(UsageError, match="0 of the 4 runs"):
        plan(runs, "letters")


def test_the_verb_reads_a_folder_of_runs(cli, runs, tmp_path):
    outcome = cli("power", "--task", "talks", "--margin", "0.5", "--runs", str(tmp_path / "runs"))
    assert outcome.code == 0
    assert "takes" in outcome.out
    as_json = cli("power", "--task", "talks", "--runs", str(tmp_path / "runs"), "--format", "json")
    assert json.loads(as_json.out)[0]["pairs"] == 6
    missing = cli("power", "--task", "talks")
    assert missing.code == 2
    assert "There is no folder empeval-runs" in missing.err


def test_only_the_headline_figures_of_the_task_are_planned(tmp_path):
    def scorer(seed):
        values = [Value(name, normal(40, seed + n)) for n, name in enumerate(("first", "second"))]
        return [MadeScorer("judge", values)]

    ids = [str(n) for n in range(40)]
    runs = [
        write_run(
            tmp_path / str(seed),
            [
                MadeTask(task, ids, scorer(10 * seed + n))
                for n, task in enumerate(("talks", "logs"))
            ],
        )
        for seed in range(2)
    ]
    assert [(p.task, p.metric) for p in plan(runs, "talks")] == [("talks", "first")]
