"""Rank statistics against scipy, scikit-learn and plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from empeval.auditing.ranking import (
    Levels,
    Pairs,
    estimate,
    interval_estimate,
    kendall,
    quadratic_kappa,
    spearman,
    within,
)


@pytest.fixture(params=[0, 1, 2])
def case(request):
    """Scores with ties, ratings 1-5, clusters of one to four replies, systems."""
    dice = np.random.default_rng(request.param)
    n = 90
    ratings = dice.integers(1, 6, n).astype(float)
    scores = np.round(ratings + dice.normal(0, 2, n), 1)
    clusters = np.sort(np.unique(dice.integers(0, 30, n), return_inverse=True)[1])
    dice.shuffle(clusters)
    return scores, ratings, clusters, dice.integers(0, 3, n)


def drawn(clusters, seed):
    """A resample: how often each cluster counts, and the rows it comes to, repeated."""
    groups = clusters.max() + 1
    weights = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups))
    rows = np.repeat(np.arange(len(clusters)), weights[clusters])
    return weights.astype(float)[None], rows


@pytest.mark.parametrize("seed", [None, 5, 6])
def test_spearman_and_kendall_are_scipys_on_the_repeated_rows(case, seed):
    scores, ratings, clusters, _ = case
    if seed is None:
        sums, rows = np.ones((1, clusters.max() + 1)), np.arange(len(scores))
    else:
        sums, rows = drawn(clusters, seed)
    a, b, weights = Levels(scores), Levels(ratings), sums[:, clusters]
    expected = stats.spearmanr(scores[rows], ratings[rows]).statistic
    assert spearman(a, b, weights)[0] == pytest.approx(expected, abs=1e-12)
    tau = kendall(Pairs(scores, ratings, clusters), a, b, weights, sums)[0]
    assert tau == pytest.approx(stats.kendalltau(scores[rows], ratings[rows]).statistic, abs=1e-6)


@pytest.mark.parametrize("seed", [None, 5])
def test_quadratic_kappa_is_scikit_learns_after_matching_by_quantile(case, seed):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, ratings, clusters, _ = case
    sums, rows = drawn(clusters, seed) if seed else (np.ones((1, clusters.max() + 1)), None)
    rows = np.arange(len(scores)) if rows is None else rows
    x, y = scores[rows], ratings[rows]
    middles = stats.rankdata(x) - 0.5  # the middle of a score's rank among the sorted ratings
    levels = np.sort(y)[np.floor(middles).astype(int)]
    expected = metrics.cohen_kappa_score(levels, y, weights="quadratic", labels=[1, 2, 3, 4, 5])
    got = quadratic_kappa(Levels(scores), Levels(ratings), sums[:, clusters])[0]
    assert got == pytest.approx(expected, abs=1e-9)


def loop(scores, ratings, keep):
    right = decided = 0.0
    for i, j in itertools.combinations(range(len(scores)), 2):
        if keep(i, j) and ratings[i] != ratings[j]:
            decided += 1
            if scores[i] == scores[j]:
                right += 0.5
            elif (scores[i] > scores[j]) == (ratings[i] > ratings[j]):
                right += 1
    return right, decided


def test_pairs_inside_of_clusters_are_those_of_a_loop(case):
    scores, ratings, clusters, _ = case
    right, decided = within(scores, ratings, clusters)
    assert (right.sum(), decided.sum()) == loop(
        scores, ratings, lambda i, j: clusters[i] == clusters[j]
    )


def test_pairs_of_one_system_in_different_clusters_are_those_of_a_loop(case):
    scores, ratings, clusters, systems = case
    pairs = Pairs(scores, ratings, clusters, groups=systems, apart=True)
    right, decided = loop(
        scores,
        ratings,
        lambda i, j: systems[i] == systems[j] and clusters[i] != clusters[j],
    )
    assert pairs.count == decided
    share = pairs.share(np.ones((1, clusters.max() + 1)))[0]
    assert share == pytest.approx(right / decided, abs=1e-6)


def test_resampled_pairs_of_one_system_are_those_of_repeated_rows(case):
    scores, ratings, clusters, systems = case
    sums, rows = drawn(clusters, 5)
    x, y, c, s = scores[rows], ratings[rows], clusters[rows], systems[rows]
    right, decided = loop(x, y, lambda i, j: s[i] == s[j] and c[i] != c[j])
    pairs = Pairs(scores, ratings, clusters, groups=systems, apart=True)
    assert pairs.share(sums)[0] == pytest.approx(right / decided, abs=1e-6)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Clusters of four replies that share a part: an interval over replies would be too short."""
    covered, runs, truth = 0, 120, None
    for seed in range(runs):
        dice = np.random.default_rng(1000 + seed)
        clusters = np.repeat(np.arange(40), 4)
        shared_x, shared_y = dice.normal(0, 1, 40)[clusters], dice.normal(0, 1, 40)[clusters]
        x, y = shared_x + dice.normal(0, 0.5, 160), shared_y + dice.normal(0, 0.5, 160)
        a, b = Levels(x), Levels(y)
        value, draws = estimate(
            lambda w, _, a=a, b=b: spearman(a, b, w)[:, None], clusters, resamples=200
        )
        made = interval_estimate(value[0], draws[:, 0], n=160, clusters=40)
        truth = 0.0
        covered += made.interval.low <= truth <= made.interval.high
    assert 0.87 <= covered / runs <= 1.0


def test_few_clusters_give_no_interval():
    assert interval_estimate(0.5, np.full(100, 0.5), n=9, clusters=9).interval is None
    assert interval_estimate(0.5, np.full(100, 0.5), n=10, clusters=10).interval is not None
    assert interval_estimate(float("nan"), np.full(100, 0.5), n=10, clusters=10) is None


def test_the_same_seed_draws_the_same_clusters_whatever_the_statistic(case):
    _, _, clusters, _ = case
    _, one = estimate(lambda _, sums: sums[:, :1], clusters, resamples=50)
    _, other = estimate(lambda _, sums: sums[:, :2], clusters, resamples=50)
    assert (one[:, 0] == other[:, 0]).all()
