"""One number out of the teacher's heads: its scale against statsmodels, its range and order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from statsmodels.miscmodels.ordinal_model import OrderedModel

from empeval.auditing.rated import Dimension, RatedReply, RatedSet, Rating
from empeval_training.teacher.overall import (
    CANDIDATES,
    COLUMNS,
    RELEVANCES,
    STEPS,
    Fitted,
    fit_overall,
    proportional_odds,
    said_of,
    worth,
)
from empeval_training.teacher.targets import HEADS, NAMES

OVERALL = Fitted(
    chosen="exchanges", weights={"exchanges": 1.0}, means={"exchanges": 2.0},
    deviations={"exchanges": 0.5}, relevance=0.0, unsure=0.0, slope=1.3,
    thresholds=(-2.0, -0.5, 0.4, 3.0), columns=COLUMNS, agreement={}, tied_to="exchanges-1-5", n=1,
)  # fmt: skip


def latents(column, values):
    made = np.zeros((len(values), len(COLUMNS)))
    made[:, COLUMNS.index(column)] = values
    return made


def drawn(seed, count=800, slope=1.2, thresholds=(-1.5, -0.4, 0.6, 2.0)):
    """Ratings by a rater whose rule is known: McCullagh's model as a latent with logistic noise."""
    dice = np.random.default_rng(seed)
    latent = dice.normal(size=count)
    noisy = slope * latent + dice.logistic(size=count)
    return latent, 1.0 + (noisy[:, None] > np.array(thresholds)).sum(1)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("slope", [0.3, 1.2])
def test_slope_and_thresholds_are_those_of_statsmodels(seed, slope):
    latent, ratings = drawn(seed, slope=slope)
    model = OrderedModel(ratings, latent[:, None], distr="logit")
    peer = model.fit(method="bfgs", disp=False, gtol=1e-6)
    # P(y > k) = sigmoid(x b - t_k); statsmodels keeps the first threshold and logs of the steps.
    theirs = model.transform_threshold_params(peer.params)[1:-1]
    found, thresholds = proportional_odds(latent, ratings, STEPS)
    assert found == pytest.approx(peer.params[0], abs=2e-3)
    assert thresholds == pytest.approx(theirs, abs=5e-3)


def test_what_the_raters_did_is_found_again():
    latent, ratings = drawn(3, count=20_000)
    slope, thresholds = proportional_odds(latent, ratings, STEPS)
    assert slope == pytest.approx(1.2, abs=0.06)
    assert thresholds == pytest.approx((-1.5, -0.4, 0.6, 2.0), abs=0.08)


def test_the_slope_is_never_below_nothing_and_thresholds_rise():
    latent, ratings = drawn(4)
    slope, thresholds = proportional_odds(-latent, ratings, STEPS)
    assert 0 <= slope < 0.05
    assert list(thresholds) == sorted(thresholds)
    latent, ratings = drawn(5, thresholds=(-9, -8, 0, 9))  # levels that nobody used
    slope, thresholds = proportional_odds(latent, ratings, STEPS)
    assert np.isfinite([slope, *thresholds]).all()
    assert list(thresholds) == sorted(thresholds)


def test_the_label_is_the_mean_of_the_five_levels_by_their_chances():
    values = np.array([-3.0, 1.0, 2.0, 2.7, 9.0])
    expected = []
    for value in values:
        g = 1.3 * (value - 2.0) / 0.5
        above = [1.0, *(1 / (1 + np.exp(-(g - t))) for t in OVERALL.thresholds), 0.0]
        chances = [above[k] - above[k + 1] for k in range(5)]
        assert sum(chances) == pytest.approx(1)
        expected.append(sum((k + 1) * c for k, c in enumerate(chances)))
    assert OVERALL.empathy(latents("exchanges", values)) == pytest.approx(expected)


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=20))
@settings(deadline=None)
def test_labels_keep_the_order_and_stay_within_the_scale(values):
    labels = OVERALL.empathy(latents("exchanges", np.sort(values)))
    assert ((labels > 1) & (labels < 5)).all()
    assert (np.diff(labels) >= -1e-12).all()


def test_a_sum_is_of_standardised_latents_and_weighs_as_it_says():
    both = Fitted(
        chosen="two", weights={"exchanges": 1.0, "ratings": 3.0},
        means={"exchanges": 1.0, "ratings": -1.0}, deviations={"exchanges": 2.0, "ratings": 0.5},
        relevance=0.0, unsure=0.0, slope=1.0, thresholds=(0.0,) * 4,
        columns=COLUMNS, agreement={}, tied_to="", n=0,
    )  # fmt: skip
    row = latents("exchanges", [5.0]) + latents("ratings", [0.0])
    assert both.latent(row) == pytest.approx([(1 * (5 - 1) / 2 + 3 * (0 + 1) / 0.5) / 4])


def test_a_reply_to_somebody_else_loses_by_the_log_of_its_chance_to_belong():
    careful = replace(OVERALL, relevance=0.5, unsure=-1.0)
    rows = latents("exchanges", [2.0, 2.0, 2.0]) + latents("relevance", [30.0, -1.0, -5.0])
    lost = careful.latent(rows) - OVERALL.latent(rows)
    assert lost == pytest.approx([0.0, 0.5 * np.log(0.5), -0.5 * np.log(1 + np.exp(4))], abs=1e-9)


DIMENSION = (Dimension(name="empathy", low=1, high=5),)


def a_set(name, ratings, each=1, dimensions=DIMENSION):
    replies = tuple(
        RatedReply(id=str(n), dialogue=f"{name} {n // each}", context=("a",), reply="b",
                   ratings={dimensions[-1].name: (Rating(float(r)),)})
        for n, r in enumerate(ratings)
    )  # fmt: skip
    return RatedSet(name=name, replies=replies, dimensions=dimensions)


@pytest.fixture(scope="module")
def fitted():
    """Sets whose ratings follow the head of the ratings 1-3, and no other."""
    dice = np.random.default_rng(8)
    sets, found = [], {}
    for head in HEADS:
        if head.rated_set in found or not head.rated_set:
            continue
        rows = dice.normal(size=(240, len(COLUMNS))) * 3 + 1
        noisy = rows[:, NAMES.index("ratings")] + dice.normal(size=240)
        most = 3 if head.rated_set == "ratings-1-3" else 5
        levels = np.searchsorted(np.quantile(noisy, np.arange(1, most) / most), noisy) + 1
        sets.append(a_set(head.rated_set, levels, each=3))
        found[head.rated_set] = rows
    turns, strangers = dice.normal(size=(2, 60, len(COLUMNS)))
    turns[:, COLUMNS.index("ratings")] += 9
    said = [said_of(one, LINKED) for one in sets]
    return sets, found, fit_overall(said, found, turns, strangers, 0.0)


LINKED = {1: 1.8, 2: 3.2, 3: 4.6}
"""Ratings 1-3 on the scale 1-5: levels 2, 3 and 5 of it."""


def test_the_sum_is_the_one_that_agrees_best_with_people(fitted):
    sets, found, overall = fitted
    assert overall.chosen == "ratings"
    assert len(overall.agreement) == len(CANDIDATES) * len(RELEVANCES)
    assert set(CANDIDATES) < set(overall.agreement)
    assert overall.agreement["ratings"]["above a stranger's"] == 1
    assert overall.agreement["exchanges"]["above a stranger's"] < 0.8
    for rated in sets:
        said = [r.mean("empathy") for r in rated.replies]
        own = found[rated.name][:, NAMES.index("ratings")]
        expected = spearmanr(own, said).statistic
        assert overall.agreement["ratings"][rated.name] == pytest.approx(expected, abs=1e-4)


def test_the_smallest_multiple_that_tells_strangers_apart_is_taken(fitted):
    """Relevance alone tells strangers' replies from people's, and a larger multiple agrees with
    people as well: it would be worth more."""
    sets, found, _ = fitted
    dice = np.random.default_rng(3)
    found = {name: rows.copy() for name, rows in found.items()}
    for rows in found.values():
        rows[:, COLUMNS.index("relevance")] = rows[:, COLUMNS.index("ratings")]
    turns, strangers = dice.normal(size=(2, 400, len(COLUMNS)))
    relevance = COLUMNS.index("relevance")
    turns[:, relevance] += 1.0
    strangers[:, relevance] -= 1.5
    said = [said_of(one, LINKED) for one in sets]
    overall = fit_overall(said, found, turns, strangers, 0.0, COLUMNS, {"r": {"ratings": 1.0}})
    every = np.concatenate([found[name] for name in ("exchanges-1-5", "ratings-1-3")])
    ratings = COLUMNS.index("ratings")
    apart = (turns - strangers)[:, ratings] / every[:, ratings].std()
    penalty = np.log1p(np.exp(-strangers[:, relevance])) - np.log1p(np.exp(-turns[:, relevance]))
    reached = [m for m in RELEVANCES if (apart + m * penalty > 0).mean() >= 0.9]
    assert 0 < min(reached) < max(RELEVANCES)
    best = max(overall.agreement, key=lambda name: worth(overall.agreement[name]))
    assert overall.relevance == min(reached)
    assert overall.chosen != best


def test_pairs_within_a_dialogue_are_counted_by_a_loop(fitted):
    sets, found, overall = fitted
    rated = next(s for s in sets if s.name == "ratings-1-3")
    own = found["ratings-1-3"][:, NAMES.index("ratings")]
    right = count = 0
    for i, one in enumerate(rated.replies):
        for j, other in enumerate(rated.replies):
            if one.dialogue == other.dialogue and one.mean("empathy") > other.mean("empathy"):
                count += 1
                right += own[i] > own[j]
    assert overall.agreement["ratings"]["pairs"] == pytest.approx(right / count, abs=1e-4)


def test_the_scale_is_tied_to_the_ratings_1_to_5_and_to_those_linked_to_them(fitted):
    sets, found, overall = fitted
    assert (overall.tied_to, overall.n) == ("exchanges-1-5", 480)
    both = np.concatenate([found["exchanges-1-5"], found["ratings-1-3"]])
    own = both[:, NAMES.index("ratings")]
    latent = (own - own.mean()) / own.std()
    by_name = {s.name: [r.mean("empathy") for r in s.replies] for s in sets}
    ratings = np.array(
        by_name["exchanges-1-5"] + [round(LINKED[r]) for r in by_name["ratings-1-3"]]
    )
    peer = OrderedModel(ratings, latent[:, None], distr="logit").fit(disp=False, method="bfgs")
    assert overall.slope == pytest.approx(peer.params[0], abs=0.01)
    assert overall.empathy(both).mean() == pytest.approx(ratings.mean(), abs=0.05)
