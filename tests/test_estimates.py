"""Item values, means and shares with their intervals, against statsmodels and plain formulas."""

from __future__ import annotations

import json
import math
from importlib import resources

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.answers import write_answers
from support.made_runs import make_run

import empeval
from empeval import Metric, Run, Score, Scored, Source, ValueCard, cluster_mean, mean_metric
from empeval.estimates import estimate_of, item_values, mean_of, share_of, t_p, times
from empeval.exporting.metrics import metrics_of
from empeval.records import Estimate, Interval
from empeval.runs import RunFiles
from empeval.testing import fake_item, fake_sample


def metric(unit="points", **source):
    made = Source("kind", **source)
    return Metric("talks", "s", "kind", None, None, None, 0, 0, unit, True, source=made)


@pytest.fixture(params=range(4))
def grouped(request):
    """Values in clusters of one to six, of which each has a part of its own."""
    dice = np.random.default_rng(request.param)
    clusters = np.repeat(np.arange(20), dice.integers(1, 7, 20))
    values = dice.normal(0, 1, 20)[clusters] + dice.exponential(1, len(clusters))
    return values, clusters


def test_a_mean_over_clusters_is_that_of_statsmodels(grouped):
    import statsmodels.api as sm

    values, clusters = grouped
    fitted = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    found = mean_of(values, clusters)
    assert found.value == pytest.approx(fitted.params[0])
    assert found.standard_error == pytest.approx(fitted.bse[0])
    assert (found.interval.low, found.interval.high) == pytest.approx(fitted.conf_int()[0])
    assert (found.interval.level, found.interval.method) == (0.95, "t")
    assert t_p(found) == pytest.approx(fitted.pvalues[0])
    assert (found.n, found.clusters, found.n_failed) == (len(values), 20, 0)


def test_items_without_a_value_are_left_out_and_counted(grouped):
    values, clusters = grouped
    holes = values.copy()
    holes[clusters == 3] = np.nan
    there = clusters != 3
    found = mean_of(holes, clusters)
    assert found.n_failed == (~there).sum()
    alone = mean_of(values[there], np.unique(clusters[there], return_inverse=True)[1])
    assert (found.value, found.standard_error) == pytest.approx((alone.value, alone.standard_error))
    assert (found.n, found.clusters) == (there.sum(), 19)


def test_what_cannot_be_had_is_none():
    none = mean_of(np.array([np.nan, np.nan]), np.arange(2))
    assert none == Estimate(n_failed=2)
    one = mean_of(np.array([1.0, 2.0]), np.zeros(2, dtype=int))
    assert (one.value, one.standard_error, one.interval) == (1.5, None, None)
    assert t_p(one) is None
    constant = mean_of(np.full(5, 0.3), np.arange(5))
    assert (constant.interval.low, constant.interval.high, t_p(constant)) == (0.3, 0.3, 0.0)
    assert t_p(mean_of(np.zeros(5), np.arange(5))) == 1.0


def test_large_values_lose_no_digits():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    small, large = (mean_of(values + shift, np.arange(4)) for shift in (0, 2.0**40))
    assert large.standard_error == small.standard_error


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_a_share_of_single_items_is_wilsons_of_statsmodels(hits):
    from statsmodels.stats.proportion import proportion_confint

    found = share_of(np.array(hits, dtype=float), np.arange(len(hits)))
    low, high = proportion_confint(sum(hits), len(hits), method="wilson")
    assert found.value == pytest.approx(100 * sum(hits) / len(hits))
    ends = 100 * low, 100 * high
    assert (found.interval.low, found.interval.high) == pytest.approx(ends, abs=1e-9)


def test_a_share_in_clusters_has_the_trials_that_its_standard_error_is_worth(grouped):
    from statsmodels.stats.proportion import proportion_confint

    values, clusters = grouped
    hits = (values > 1).astype(float)
    plain = mean_of(hits, clusters)
    share, n = plain.value, len(hits)
    effect = max(1.0, plain.standard_error**2 / (share * (1 - share) / (n - 1)))
    low, high = proportion_confint(share * n / effect, n / effect, method="wilson")
    found = share_of(hits, clusters)
    ends = 100 * low, 100 * high
    assert (found.interval.low, found.interval.high) == pytest.approx(ends)
    assert found.standard_error == pytest.approx(100 * plain.standard_error)


def test_item_values_are_in_the_unit_of_the_metric():
    scores = {
        "a": Score("a", values={"kind": 1.0}),
        "b": Score("b", "truncated", values={"kind": 0.25}),
        "c": Score("c", "unparsed"),
    }
    ids = ["c", "a", "b", "gone"]
    nan = math.nan

    def values(metric, **options):
        return item_values(scores, ids, metric, **options).tolist()

    assert values(metric()) == pytest.approx([nan, 1, nan, nan], nan_ok=True)
    assert values(metric(scale=10.0)) == pytest.approx([nan, 10, nan, nan], nan_ok=True)
    assert values(metric(any_status=True)) == pytest.approx([nan, 1, 0.25, nan], nan_ok=True)
    assert values(metric("percent")) == pytest.approx([nan, 100, nan, nan], nan_ok=True)
    lenient = metric("percent", any_status=True, failed_as=0.0)
    assert values(lenient) == pytest.approx([0, 100, 0, 0])
    assert values(lenient, own=True) == pytest.approx([nan, 100, nan, nan], nan_ok=True)
    assert values(metric(scale=10.0, failed_as=0.5)) == pytest.approx([5, 10, 5, 5])


@settings(max_examples=50)
@given(st.floats(-5, 5).filter(lambda x: abs(x) > 1e-3))
def test_another_unit_scales_everything_and_keeps_order(factor):
    one = Estimate(
        value=2.0, standard_error=0.5, interval=Interval(1.0, 3.5, 0.9, "t"), n=7, clusters=3
    )
    other = times(one, factor)
    assert other.interval.low <= other.value <= other.interval.high
    assert other.standard_error == pytest.approx(0.5 * abs(factor))
    assert {other.interval.low, other.interval.high} == {factor * 1.0, factor * 3.5}
    assert (other.n, other.clusters, other.interval.level) == (7, 3, 0.9)


def test_every_metric_of_a_real_run_is_the_mean_of_its_item_values(tmp_path):
    """What ``metrics.json`` says and what a comparison joins must be one and the same."""
    labels = ["Embarrassed", "Proud", "Guilty", "Amused"]
    asked = empeval.run("human:", ["ed-mini"], ["surface"], limit=9, out=tmp_path / "talks")
    rows = resources.files("empeval_tasks.eqbench_mini") / "questions.jsonl"
    answers = {}
    for number, line in enumerate(rows.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        said = [f"{name}: {number % 11}" for name in row["emotions"]]
        answers[row["id"]] = "\n".join(said) if number % 4 else f"I cannot rate {labels}."
    saved = write_answers(tmp_path / "saved.jsonl", answers)
    rated = empeval.run(f"replay:{saved}", ["eqbench-mini"], ["eqbench"], out=tmp_path / "rated")
    checked = set()
    for run in (asked, rated):
        for metric in run.metrics():
            if metric.source is None:
                continue
            path = run.scores_path(metric.task, metric.scorer)
            lines = path.read_bytes().splitlines()
            scores = {s.id: s for s in (msgspec.json.decode(one, type=Score) for one in lines)}
            values = item_values(scores, list(scores), metric)
            if metric.value is None:
                assert np.isnan(values).all()
                continue
            assert np.nanmean(values) == pytest.approx(metric.value)
            assert np.isfinite(values).sum() == metric.n
            own = item_values(scores, list(scores), metric, own=True)
            assert np.isnan(own).sum() == metric.n_failed
            checked.add(metric.metric)
    assert {"eqbench_v2", "words"} <= checked, checked


def test_metrics_of_yes_and_no_are_shares_and_others_means(grouped):
    values, clusters = grouped
    hits = 100.0 * (values > 1)
    assert estimate_of(hits, clusters, metric("percent")) == share_of(hits / 100, clusters)
    assert estimate_of(values, clusters, metric()) == mean_of(values, clusters)
    assert estimate_of(hits, clusters, metric()).interval.method == "t"


def test_the_quantile_is_scipys():
    ends = mean_of(np.array([0.0, 1.0, 5.0]), np.arange(3)).interval
    low, high = stats.t.interval(0.95, 2, loc=2, scale=stats.sem([0.0, 1.0, 5.0]))
    assert (ends.low, ends.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("source", "low", "high"),
    [
        ({"low": 0, "high": 2}, 0, 2),
        ({"low": 0}, 0, math.inf),
        ({"high": 2, "scale": 10}, -math.inf, 20),
        ({"low": 0, "high": 2, "scale": -1}, -2, 0),
        ({}, -math.inf, math.inf),
    ],
)
def test_an_interval_of_few_clusters_ends_where_the_scale_does(source, low, high):
    values, clusters = np.array([0.1, 0.2, 1.9, 1.8]), np.array([0, 0, 1, 1])
    scale = source.get("scale", 1)
    plain = stats.t.interval(0.95, 1, scale * 1.0, abs(scale) * 0.85)  # of the clusters' means
    assert plain[0] < -2 * abs(scale)
    assert plain[1] > 2 * abs(scale)
    found = estimate_of(scale * values, clusters, metric(**source))
    assert found.interval.low == pytest.approx(max(plain[0], low))
    assert found.interval.high == pytest.approx(min(plain[1], high))
    assert found.standard_error == pytest.approx(abs(scale) * 0.85), "what it is worth stays"


def test_what_a_failed_answer_counts_may_lie_below_the_scale():
    values, clusters = np.array([-1.0, 0.1, 1.0]), np.arange(3)
    found = estimate_of(values, clusters, metric(low=0, high=1, failed_as=-1))
    assert (found.interval.low, found.interval.high) == (-1, 1)


def test_a_difference_may_be_of_either_sign():
    card = ValueCard(name="warmth", unit="points", summary="Warmth.", low=1, high=5)
    items = [fake_item(str(n), cluster=str(n)) for n in range(3)]
    scored = [
        Scored(fake_sample("I see.", item), Score(item.id, values={"warmth": 3.0, "human": human}))
        for item, human in zip(items, (2.0, 4.0, 5.0), strict=True)
    ]
    values = [1.0, -1.0, -2.0]
    made = mean_metric(
        card, scored, metric="less", of=lambda s: s.score.values["warmth"] - s.score.values["human"]
    )
    mean, low, high = cluster_mean(values, ["0", "1", "2"])
    assert (made.value, made.ci_low, made.ci_high) == (mean, low, high)
    assert low < -4, "the ends of the value's scale are not those of a difference"
    assert cluster_mean(values, ["0", "1", "2"], low=-3, high=3) == (mean, -3, 3)


def test_an_interval_of_an_older_version_that_passes_the_scale_keeps_its_standard_error(tmp_path):
    values, clusters = [0.1, 0.2, 1.9, 1.8], ["a", "a", "b", "b"]
    run = make_run(tmp_path / "run", values, clusters=clusters, low=0, high=2)
    path = run.path / "metrics.json"
    told = json.loads(path.read_text())
    (metric,) = told["metrics"]
    assert (metric["ci_low"], metric["ci_high"]) == (0, 2)
    _, metric["ci_low"], metric["ci_high"] = cluster_mean(values, clusters)
    assert metric["ci_low"] < -2
    path.write_text(json.dumps(told))
    (known,) = metrics_of(RunFiles(Run(run.path)), "talks")
    assert known.standard_error == pytest.approx(0.85)
    assert known.method == "t"
    assert known.interval == (metric["ci_low"], metric["ci_high"])
