"""Verdicts, adjustments, power and resampling, against what other packages say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval.comparing.adjusting import benjamini_hochberg, holm
from empeval.comparing.resampling import bootstrap_t, sign_flips
from empeval.comparing.verdicts import clusters_needed, decide, detectable
from empeval.estimates import Sums, mean_of, t_p


@pytest.mark.parametrize(
    ("interval", "inner", "margin", "verdict", "safe"),
    [
        ((0.5, 2.0), (0.6, 1.9), None, "better", None),
        ((0.5, 2.0), (0.6, 1.9), 1.0, "better", True),
        ((0.1, 0.8), (0.2, 0.7), 1.0, "equivalent", True),
        ((-2.0, -0.5), (-1.9, -0.6), 1.0, "worse", False),
        ((-0.9, -0.1), (-0.8, -0.2), 1.0, "equivalent", True),
        ((-0.9, 2.0), (-0.8, 1.9), 1.0, "inconclusive", True),
        ((-3.0, 3.0), (-2.5, 2.5), 1.0, "inconclusive", False),
        ((-0.5, 0.5), (-0.4, 0.4), None, "inconclusive", None),
        (None, None, 1.0, "inconclusive", False),
    ],
)
def test_a_verdict_is_read_off_the_intervals(interval, inner, margin, verdict, safe):
    assert decide(interval, inner, margin) == (verdict, safe)


@settings(deadline=None, max_examples=50)  # the first example imports statsmodels
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjustments_are_those_of_statsmodels(p):
    from statsmodels.stats.multitest import multipletests

    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 60), st.integers(0, 1000))
def test_power_and_size_are_inverse(clusters, seed):
    error = float(np.random.default_rng(seed).uniform(0.01, 10))
    found = detectable(error, clusters)
    assert clusters_needed(error, clusters, found) == pytest.approx(clusters, abs=1)


def test_power_agrees_with_statsmodels():
    from statsmodels.stats.power import TTestPower

    effect = 0.3
    wanted = TTestPower().solve_power(effect_size=effect, power=0.8, alpha=0.05)
    found = clusters_needed(1 / math.sqrt(50), 50, effect)
    assert found == pytest.approx(wanted, rel=0.03)


def test_few_clusters_have_every_sign_pattern_counted():
    change = np.array([[0.5], [1.0], [1.5], [2.0], [2.5]])
    sums = Sums.of(change, np.arange(5))
    assert sign_flips(sums)[0] == 2 / 32
    assert np.isnan(bootstrap_t(sums)[0]).all(), "five clusters are too few for the bootstrap"


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 60), st.integers(1, 5), st.integers(0, 10_000))
def test_intervals_and_p_do_not_depend_on_other_metrics(items, metrics, seed):
    dice = np.random.default_rng(seed)
    change = dice.normal(0.2, 1, (items, metrics))
    clusters = np.arange(items) // 2
    together = Sums.of(change, clusters)
    alone = Sums.of(change[:, :1], clusters)
    ends, p = bootstrap_t(together, resamples=300)
    own, own_p = bootstrap_t(alone, resamples=300)
    assert ends[0] == pytest.approx(own[0], nan_ok=True)
    assert p[0] == pytest.approx(own_p[0], nan_ok=True, abs=0.01)
    assert sign_flips(together, resamples=300)[0] == sign_flips(alone, resamples=300)[0]


def test_many_clusters_are_drawn_from_a_poisson_distribution_with_the_same_result():
    from empeval.comparing import resampling

    change = np.random.default_rng(1).exponential(1, (6000, 1)) - 0.98
    sums = Sums.of(change, np.arange(6000))
    found = bootstrap_t(sums, resamples=2000)[0][0, 0]
    plain = mean_of(change[:, 0], np.arange(6000))
    ends = plain.interval.low, plain.interval.high
    assert found == pytest.approx(ends, abs=0.15 * plain.standard_error)
    assert sign_flips(sums, resamples=4000)[0] == pytest.approx(t_p(plain), abs=0.03)
    weights = resampling._weights(np.random.Generator(np.random.SFC64(1)), 40, 6000)
    assert weights.mean() == pytest.approx(1, abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.02)
