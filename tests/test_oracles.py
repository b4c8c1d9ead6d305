"""The statistics of comparisons against scipy, statsmodels and loops that are easy to believe."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.made_runs import make_run, normal

from empeval.auditing.ranking import Levels, kendall, quadratic_kappa, spearman
from empeval.auditing.ranking import Pairs as RankedPairs
from empeval.comparing.estimating import mcnemar
from empeval.comparing.planning import plan
from empeval.comparing.resampling import bootstrap_t, sign_flips
from empeval.comparing.two import compare
from empeval.comparing.verdicts import clusters_needed, detectable
from empeval.estimates import Sums


def skewed(seed, clusters=25):
    """Differences of items in clusters of one to five, and the clusters' numbers."""
    dice = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(clusters), dice.integers(1, 6, clusters))
    own = dice.exponential(1, clusters)[numbers] + dice.normal(0.2, 1, len(numbers))
    return own - 0.8, numbers


def mean_and_error(rows):
    """Of items in groups, as a loop: rows is a list of the clusters' items."""
    items = [x for row in rows for x in row]
    mean = sum(items) / len(items)
    residuals = [sum(x - mean for x in row) for row in rows]
    groups = len(rows)
    return mean, math.sqrt(groups / (groups - 1) * sum(r * r for r in residuals)) / len(items)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_bootstrap_is_that_of_a_loop_over_drawn_clusters(seed):
    change, numbers = skewed(seed)
    rows = [change[numbers == n].tolist() for n in range(25)]
    mean, error = mean_and_error(rows)
    dice = np.random.default_rng(100 + seed)
    scores = []
    for _ in range(4000):
        drawn = [rows[n] for n in dice.integers(0, 25, 25)]
        own, spread = mean_and_error(drawn)
        scores.append((own - mean) / spread)
    for index, level in enumerate((0.95, 0.9)):
        high, low = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
        expected = mean - low * error, mean - high * error
        bounds, p = bootstrap_t(Sums.of(change[:, None], numbers), resamples=8000)
        found = bounds[0, index]
        assert found == pytest.approx(expected, abs=0.15 * error)
    tail = np.mean(np.array(scores) >= mean / error), np.mean(np.array(scores) <= mean / error)
    assert p[0] == pytest.approx(2 * min(tail), abs=0.03)
    plain = stats.t.interval(0.95, 24, mean, error)
    assert found[1] - mean > mean - found[0], "a long tail above moves the interval up"
    assert plain[0] < found[0]


@settings(max_examples=40)
@given(st.integers(10, 80), st.floats(-0.6, 0.6), st.integers(0, 10_000))
def test_p_is_below_five_percent_exactly_where_the_interval_leaves_out_zero(count, shift, seed):
    change = np.random.default_rng(seed).exponential(1, (count, 3)) - 1 + shift
    bounds, p = bootstrap_t(Sums.of(change, np.arange(count) // 2), resamples=1000)
    out = (bounds[:, 0, 0] > 0) | (bounds[:, 0, 1] < 0)
    edge = np.abs(p - 0.05) < 0.006  # a resample more or less, and the quantile lies between two
    assert ((p < 0.05) == out)[~edge].all()


def test_sign_patterns_are_counted_as_a_loop_counts_them():
    change, numbers = skewed(3, clusters=9)
    totals = [change[numbers == n].sum() for n in range(9)]
    patterns = itertools.product((1, -1), repeat=9)
    sums = [abs(sum(s * t for s, t in zip(signs, totals, strict=True))) for signs in patterns]
    expected = np.mean([one >= abs(sum(totals)) - 1e-9 for one in sums])
    assert sign_flips(Sums.of(change[:, None], numbers))[0] == pytest.approx(expected)
    drawn = sign_flips(Sums.of(change[:, None], numbers), resamples=500)[0]
    assert drawn == pytest.approx(expected, abs=0.07)


@pytest.mark.parametrize("counts", [(9, 2), (0, 6), (5, 5), (0, 0), (30, 14)])
def test_mcnemar_is_that_of_statsmodels(counts):
    from statsmodels.stats.contingency_tables import mcnemar as exact

    lost, gained = counts
    base = np.array([True] * (4 + lost) + [False] * (gained + 7))
    candidate = np.array([True] * 4 + [False] * lost + [True] * gained + [False] * 7)
    expected = exact([[4, lost], [gained, 7]], exact=True).pvalue
    assert mcnemar(base, candidate) == pytest.approx(expected)


@pytest.mark.parametrize("clusters", [3, 5, 12, 30, 171, 1000])
def test_power_is_exact(clusters):
    """By scipy's noncentral t; a sum of two quantiles is 5 % short at three clusters."""
    error = 0.37
    found = detectable(error, clusters)
    upper = stats.nct.sf(stats.t.ppf(0.975, clusters - 1), clusters - 1, found / error)
    assert upper == pytest.approx(0.8, abs=1e-3)
    assert clusters_needed(error, clusters, found * 1.0001) == clusters
    assert clusters_needed(error, clusters, found * 0.9999) == clusters + 1


@pytest.mark.parametrize("effect", [3.0, 1.0, 0.5, 0.2, 0.05])
def test_the_number_needed_is_the_smallest_that_suffices(effect):
    from statsmodels.stats.power import TTestPower

    needed = clusters_needed(1 / math.sqrt(40), 40, effect)
    assert TTestPower().power(effect, needed, 0.05) > 0.8 - 1e-4
    assert TTestPower().power(effect, needed - 1, 0.05) < 0.8 + 1e-4


def test_what_nobody_has_is_no_number():
    assert clusters_needed(0.5, 30, 1e-200) is None
    assert clusters_needed(math.nan, 30, 1.0) is None
    assert clusters_needed(0.0, 30, 1.0) == 2


def test_a_plan_is_of_the_spread_of_the_pairs(tmp_path):
    columns = [normal(50, n, 0, 1 + n) for n in range(3)]
    runs = [make_run(tmp_path / str(n), column) for n, column in enumerate(columns)]
    (found,) = plan(runs, "talks", margin=1.0)
    spreads = [np.std(np.subtract(a, b), ddof=1) for a, b in itertools.combinations(columns, 2)]
    assert (found.low, found.spread, found.high) == pytest.approx(sorted(spreads))
    from statsmodels.stats.power import TTestPower

    for spread, needed in ((found.spread, found.needed), (found.high, found.needed_high)):
        wanted = TTestPower().solve_power(effect_size=1 / spread, power=0.8, alpha=0.05)
        assert needed == math.ceil(wanted)


def test_the_noise_floor_is_that_of_two_more_repeats(tmp_path):
    base = normal(30, 1)
    means = [0.0, 0.4, -0.3]
    runs = [make_run(tmp_path / str(n), [v + m for v in base]) for n, m in enumerate(means)]
    candidate = make_run(tmp_path / "candidate", normal(30, 2))
    (noise,) = compare(runs[0], candidate, repeats=runs[1:], resamples=100).noise
    sd = stats.tstd(means)
    assert noise.sd == pytest.approx(sd)
    assert noise.reach == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(2 * sd**2))


def test_effect_sizes_are_those_of_the_definitions(tmp_path):
    before, after = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 5.0, 3.0, 9.0]
    (d,) = compare(
        make_run(tmp_path / "a", before), make_run(tmp_path / "b", after), resamples=100
    ).differences
    change = np.subtract(after, before)
    paired = stats.ttest_rel(after, before)
    assert d.effect.size == pytest.approx(paired.statistic / math.sqrt(5))
    assert d.effect.improved == pytest.approx((3 + 0.5) / 5)
    assert d.effect.correlation == pytest.approx(stats.pearsonr(before, after).statistic)
    saved = 1 - change.var() / (np.var(before) + np.var(after))
    assert d.effect.variance_saved == pytest.approx(saved)
    assert d.change.standard_error == pytest.approx(stats.sem(change))
    assert d.p_values.t == pytest.approx(paired.pvalue)
    assert (d.change.interval.method, d.change.clusters) == ("t", 5)


def test_rank_statistics_of_few_replies_are_those_of_loops():
    """Kappa by its definition, with ratings whose distances differ."""
    scores = np.array([0.1, 0.4, 0.4, 0.9, 0.2, 0.7, 0.8, 0.3])
    ratings = np.array([1.0, 2.0, 5.0, 5.0, 1.0, 2.0, 5.0, 2.0])
    clusters = np.arange(8)
    a, b, ones = Levels(scores), Levels(ratings), np.ones((1, 8))
    assert spearman(a, b, ones)[0] == pytest.approx(stats.spearmanr(scores, ratings).statistic)
    tau = kendall(RankedPairs(scores, ratings, clusters), a, b, ones, ones)[0]
    assert tau == pytest.approx(stats.kendalltau(scores, ratings).statistic, abs=1e-6)
    indices = stats.rankdata(scores) - 0.5
    levels = np.sort(ratings)[np.floor(indices).astype(int)]
    seen = np.mean([(x - y) ** 2 for x, y in zip(levels, ratings, strict=True)])
    expected = np.mean([(x - y) ** 2 for x in levels for y in ratings])
    assert quadratic_kappa(a, b, ones)[0] == pytest.approx(1 - seen / expected)
