"""Means, shares and their intervals against scipy, plain formulas and simulation."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from empeval import (
    Mean,
    Score,
    Scored,
    ValueCard,
    cluster_mean,
    cluster_share,
    mean_metric,
    mean_metrics,
)
from empeval.metrics import usable
from empeval.testing import fake_item, fake_sample

numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 4))
labelled = st.lists(st.tuples(numbers, st.sampled_from("abcdefg")), min_size=1, max_size=40)


def singles(n):
    return [str(i) for i in range(n)]


@given(st.lists(numbers, min_size=2, max_size=40))
@settings(deadline=None, max_examples=150)
def test_singletons_get_the_classical_t_interval(values):
    assume(np.std(values) > 1e-3)
    n = len(values)
    error = np.std(values, ddof=1) / math.sqrt(n)
    low, high = scipy.stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=error)
    scale = max(map(abs, values))
    got = cluster_mean(values, singles(n))
    assert got == pytest.approx((np.mean(values), low, high), rel=1e-9, abs=1e-9 * scale)


@given(labelled)
@settings(deadline=None, max_examples=150)
def test_the_interval_is_that_of_the_formula_written_out(pairs):
    values, clusters = [v for v, _ in pairs], [c for _, c in pairs]
    names = set(clusters)
    assume(len(names) > 1)
    n, groups = len(values), len(names)
    mean = sum(values) / n
    sums = [sum(v - mean for v, c in pairs if c == name) for name in names]
    error = math.sqrt(groups / (groups - 1) * sum(s * s for s in sums)) / n
    half = scipy.stats.t.ppf(0.975, groups - 1) * error
    scale = max(1.0, *map(abs, values))
    expected = pytest.approx((mean, mean - half, mean + half), rel=1e-9, abs=1e-8 * scale)
    assert cluster_mean(values, clusters) == expected


@given(labelled, st.randoms(use_true_random=False))
def test_neither_order_nor_the_names_of_clusters_matter(pairs, random):
    before = cluster_mean([v for v, _ in pairs], [c for _, c in pairs])
    random.shuffle(pairs)
    after = cluster_mean([v for v, _ in pairs], [f"dialogue {c}\0" for _, c in pairs])
    scale = max(1.0, *(abs(v) for v, _ in pairs))
    assert (before[1] is None) == (after[1] is None)
    if before[1] is not None:
        assert after == pytest.approx(before, rel=1e-9, abs=1e-8 * scale)


@given(st.lists(numbers, min_size=2, max_size=12), st.integers(2, 5))
def test_repeating_every_value_inside_its_cluster_adds_no_certainty(values, times):
    once = cluster_mean(values, singles(len(values)))
    often = cluster_mean(values * times, singles(len(values)) * times)
    scale = max(1.0, *map(abs, values))
    assert often == pytest.approx(once, rel=1e-9, abs=1e-8 * scale)


def test_clusters_that_differ_in_their_last_character_only_stay_apart():
    assert cluster_mean([1.0, 2.0], ["a", "a\0"])[1] is not None
    assert cluster_mean([1.0, 2.0], ["a", "a "])[1] is not None


def test_one_cluster_has_a_mean_and_no_interval():
    assert cluster_mean([1.0, 2.0], ["a", "a"]) == (1.5, None, None)
    assert cluster_mean([7.0], ["a"]) == (7.0, None, None)
    assert cluster_share([True, False], ["a", "a"]) == (50.0, None, None)


@pytest.mark.parametrize(
    ("values", "clusters", "reason"),
    [
        ([], [], "no values"),
        ([1.0, float("nan")], ["a", "b"], "not finite"),
        ([1.0, float("inf")], ["a", "b"], "not finite"),
        ([1.0, 2.0], ["a"], "2 values but 1 clusters"),
    ],
)
def test_what_cannot_be_averaged_is_refused(values, clusters, reason):
    with pytest.raises(ValueError, match=reason):
        cluster_mean(values, clusters)


@given(st.lists(st.booleans(), min_size=2, max_size=60))
@settings(deadline=None, max_examples=150)
def test_singletons_get_the_wilson_interval(hits):
    test = scipy.stats.binomtest(sum(hits), len(hits))
    expected = test.proportion_ci(confidence_level=0.95, method="wilson")
    share, low, high = cluster_share(hits, singles(len(hits)))
    assert share == pytest.approx(100 * sum(hits) / len(hits))
    assert low == pytest.approx(100 * expected.low, abs=1e-9)
    assert high == pytest.approx(100 * expected.high, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef")), min_size=1, max_size=60))
def test_a_share_stays_inside_its_interval_and_that_inside_0_to_100(pairs):
    hits, clusters = [h for h, _ in pairs], [c for _, c in pairs]
    share, low, high = cluster_share(hits, clusters)
    assert share == pytest.approx(100 * sum(hits) / len(hits))
    assert (low is None) == (high is None) == (len(set(clusters)) < 2)
    if low is not None:
        assert 0 <= low <= share + 1e-9
        assert share - 1e-9 <= high <= 100
        assert high > low


def test_answers_that_hang_together_widen_the_interval_of_a_share():
    hits = [True, True, True, False, False, False]
    _, low, high = cluster_share(hits, ["a", "a", "a", "b", "b", "b"])
    _, narrow_low, narrow_high = cluster_share(hits, singles(6))
    assert low < narrow_low
    assert high > narrow_high
    _, low, high = cluster_share([True] * 6, ["a", "a", "a", "b", "b", "b"])
    assert (low, high) == pytest.approx(cluster_share([True, True], ["a", "b"])[1:])


def test_answers_that_balance_inside_every_dialogue_do_not_narrow_the_interval():
    hits = [True, False] * 4
    assert cluster_share(hits, list("aabbccdd")) == cluster_share(hits, singles(8))


def covered(interval, truth):
    return interval[1] <= truth <= interval[2]


def test_95_of_100_intervals_of_a_mean_hold_the_truth():
    random = np.random.default_rng(20)
    draws = random.normal(3, 2, size=(2000, 12))
    share = np.mean([covered(cluster_mean(list(x), singles(12)), 3) for x in draws])
    assert 0.935 < share < 0.965  # the standard error of this share is 0.005


def test_95_of_100_intervals_hold_the_truth_when_items_share_dialogues():
    random = np.random.default_rng(21)
    clusters = [str(i // 4) for i in range(160)]
    inside, naive = [], []
    for _ in range(1000):
        values = np.repeat(random.normal(size=40), 4) + random.normal(size=160)
        inside.append(covered(cluster_mean(list(values), clusters), 0))
        naive.append(covered(cluster_mean(list(values), singles(160)), 0))
    assert 0.925 < np.mean(inside) < 0.97
    assert np.mean(naive) < 0.85, "counting every item as independent must fall short"


def test_intervals_of_a_share_hold_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(22)
    shares = []
    for truth in (0.05, 0.2, 0.5, 0.9):
        draws = random.random((500, 60)) < truth
        shares.append(np.mean([covered(cluster_share(x, singles(60)), 100 * truth) for x in draws]))
    assert 0.935 < np.mean(shares) < 0.97
    assert min(shares) > 0.9


def test_intervals_of_a_share_hold_the_truth_when_items_share_dialogues():
    random = np.random.default_rng(23)
    clusters = [str(i // 4) for i in range(160)]
    inside, naive = [], []
    for _ in range(800):
        tendency = np.repeat(random.beta(1, 2, size=40), 4)
        hits = random.random(160) < tendency
        inside.append(covered(cluster_share(hits, clusters), 100 / 3))
        naive.append(covered(cluster_share(hits, singles(160)), 100 / 3))
    assert 0.92 < np.mean(inside) < 0.98
    assert np.mean(naive) < np.mean(inside) - 0.05


WARMTH = ValueCard(name="warmth", unit="points", summary="Warmth.", higher_is_better=True)
KIND = ValueCard(name="kind", unit="percent", summary="Kind or not.")


def scored(*scores):
    return [
        Scored(fake_sample("Oh.", fake_item(score.id, cluster=f"c{n // 2}")), score)
        for n, score in enumerate(scores)
    ]


def test_only_scores_that_are_ok_and_have_the_value_enter_a_mean():
    samples = scored(
        Score("1", values={"warmth": 4.0}),
        Score("2", "unparsed", values={"warmth": 100.0}),
        Score("3", values={"warmth": 8.0}),
        Score("4", values={"cold": 1.0}),
    )
    assert [s.sample.id for s in usable(samples, "warmth")] == ["1", "3"]
    metric = mean_metric(WARMTH, samples)
    assert (metric.metric, metric.unit, metric.higher_is_better) == ("warmth", "points", True)
    assert (metric.value, metric.n, metric.n_failed, metric.n_clusters) == (6.0, 2, 2, 2)
    assert metric.ci_low < 6 < metric.ci_high


def test_nothing_to_average_is_no_metric_rather_than_a_number():
    for samples in ([], scored(Score("1", "error"), Score("2", "unparsed"))):
        metric = mean_metric(WARMTH, samples)
        assert (metric.value, metric.ci_low, metric.ci_high) == (None, None, None)
        assert (metric.n, metric.n_failed) == (0, len(samples))


def test_failures_can_count_as_a_value_and_are_still_called_failures():
    samples = scored(Score("1", values={"warmth": 4.0}), Score("2", "refused"))
    metric = mean_metric(WARMTH, samples, failed_as=0.0)
    assert (metric.value, metric.n, metric.n_failed) == (2.0, 2, 1)


def test_a_metric_can_be_scaled_renamed_and_computed_from_the_sample():
    samples = scored(*(Score(str(i), values={"warmth": float(i)}) for i in range(4)))
    plain = mean_metric(WARMTH, samples)
    big = mean_metric(WARMTH, samples, scale=10, metric="heat", note="times ten")
    assert (big.metric, big.note) == ("heat", "times ten")
    assert (big.value, big.ci_low, big.ci_high) == pytest.approx(
        (10 * plain.value, 10 * plain.ci_low, 10 * plain.ci_high)
    )
    squared = mean_metric(WARMTH, samples, of=lambda s: s.score.values["warmth"] ** 2)
    assert squared.value == pytest.approx((0 + 1 + 4 + 9) / 4)


def test_yes_or_no_values_become_a_percentage_with_a_wilson_interval():
    answers = [1.0, 0.0, 1.0, 1.0]
    samples = [
        Scored(fake_sample("Oh.", fake_item(str(i))), Score(str(i), values={"kind": v}))
        for i, v in enumerate(answers)
    ]
    metric = mean_metric(KIND, samples)
    expected = scipy.stats.binomtest(3, 4).proportion_ci(0.95, "wilson")
    assert metric.value == 75
    assert (metric.ci_low, metric.ci_high) == pytest.approx(
        (100 * expected.low, 100 * expected.high)
    )


def test_several_metrics_are_made_in_one_walk_and_each_is_that_of_its_own_samples():
    cards = [ValueCard(name=n, unit=u, summary=n) for n, u in (("a", "score"), ("b", "percent"))]
    scored = []
    for number in range(40):
        values = {"a": number / 7, "b": float(number % 3 == 0)}
        kept = Score(str(number), "ok" if number % 5 else "unparsed", values=values)
        item = fake_item(str(number), cluster=f"c{number // 3}")
        scored.append(Scored(fake_sample("Oh.", item), kept))

    def late(one):
        return int(one.sample.id) >= 20

    asked = [
        Mean(value=cards[0]),
        Mean(value=cards[1], where=late, note="late"),
        Mean(value=cards[0], metric="twice", of=lambda s: 2 * s.score.values["a"], where=late),
        Mean(value=cards[0], metric="filled", failed_as=0, scale=10),
    ]
    of_late = [one for one in scored if late(one)]
    assert mean_metrics(asked, iter(scored)) == [
        mean_metric(cards[0], scored),
        msgspec.structs.replace(
            mean_metric(cards[1], of_late, note="late"), source=None
        ),  # others have it, too
        mean_metric(cards[0], of_late, metric="twice", of=lambda s: 2 * s.score.values["a"]),
        mean_metric(cards[0], scored, metric="filled", failed_as=0, scale=10),
    ]
    assert mean_metrics(asked, [])[1].value is None
    assert mean_metrics(asked, iter(scored))[1].n_failed == 4


def test_a_value_counts_whatever_the_status_where_that_is_asked_for():
    samples = scored(
        Score("1", values={"warmth": 4.0}), Score("2", "refused", values={"warmth": 1.0})
    )
    assert mean_metric(WARMTH, samples).value == 4.0
    every = mean_metric(WARMTH, samples, any_status=True)
    assert (every.value, every.n, every.source.any_status) == (2.5, 2, True)
