"""Agreement with people: against scipy, pairs counted by hand, and simulated intervals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval_training.agreement import Agreement, pairwise, spearman

small = st.integers(-3, 3).map(float)


@given(st.lists(st.tuples(small, small), min_size=2, max_size=40))
@settings(deadline=None)
def test_spearman_is_scipys(pairs):
    one, other = np.array(pairs).T
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert spearman(one, other, np.zeros(len(one))) == 0
    else:
        expected = scipy.stats.spearmanr(one, other).statistic
        assert spearman(one, other, np.zeros(len(one))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("scores", "values", "dialogues", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], [0, 0, 0], 1.0),
        ([3, 2, 1], [1, 2, 3], [0, 0, 0], 0.0),
        ([1, 1, 1], [1, 2, 3], [0, 0, 0], 0.5),  # ties of ours count half
        ([1, 2, 3], [2, 2, 2], [0, 0, 0], 0.5),  # people's ties are left out: nothing to judge
        ([1, 2, 3, 0], [1, 1, 2, 2], [0, 0, 0, 0], 0.5),  # 2 of 4 judged pairs
        ([1, 2, 9, 8], [1, 2, 1, 2], [0, 0, 1, 1], 0.5),  # one dialogue right, one wrong
        ([5, 1, 2, 6], [1, 1, 2, 2], [0, 1, 1, 0], 1.0),  # dialogues need not be together
        ([1, 2], [2, 1], [0, 1], 0.5),  # no two replies to one dialogue
    ],
)
def test_pairs_counted_by_hand(scores, values, dialogues, expected):
    arrays = (np.array(scores, float), np.array(values, float), np.array(dialogues))
    assert pairwise(*arrays) == pytest.approx(expected)


def simulated(dice, dialogues=30, each=4):
    names = np.repeat([f"d{n}" for n in range(dialogues)], each)
    values = dice.integers(1, 4, size=len(names)).astype(float)
    return names.tolist(), values, values + dice.normal(scale=1.5, size=len(names))


def test_an_estimate_lies_within_its_interval_and_comes_out_the_same_again():
    names, values, scores = simulated(np.random.default_rng(0), dialogues=12)
    for statistic in (spearman, pairwise):
        estimate = Agreement(values, names).estimate(statistic, scores)
        assert estimate.low < estimate.value < estimate.high
        assert estimate == Agreement(values, names).estimate(statistic, scores)


def test_the_names_of_dialogues_do_not_matter_to_the_value():
    names, values, scores = simulated(np.random.default_rng(1), dialogues=8)
    other = [f"x{name}" for name in reversed(names)]
    one = Agreement(values, names).estimate(pairwise, scores)
    assert one.value == Agreement(values, other).estimate(pairwise, scores).value


def test_a_judge_differs_from_itself_by_nothing():
    names, values, scores = simulated(np.random.default_rng(2))
    none = Agreement(values, names).difference(spearman, scores, scores)
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_a_better_judge_is_told_from_chance():
    dice = np.random.default_rng(3)
    names, values, scores = simulated(dice, dialogues=60)
    difference = Agreement(values, names).difference(spearman, scores, dice.normal(size=240))
    assert difference.low > 0


def test_an_estimate_prints_its_interval():
    names, values, scores = simulated(np.random.default_rng(4))
    text = str(Agreement(values, names).estimate(spearman, scores))
    value, low, high = text.replace("[", "").replace("]", "").replace(",", "").split()
    assert float(low) < float(value) < float(high)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    truth_dice = np.random.default_rng(5)
    _, values, scores = simulated(truth_dice, dialogues=20_000)
    truth = scipy.stats.spearmanr(scores, values).statistic
    dice = np.random.default_rng(6)
    hits = 0
    for _ in range(20):
        names, values, scores = simulated(dice)
        estimate = Agreement(values, names).estimate(spearman, scores)
        hits += estimate.low <= truth <= estimate.high
    assert hits >= 17  # of 20: percentile intervals of few dialogues cover a little less than 95 %
