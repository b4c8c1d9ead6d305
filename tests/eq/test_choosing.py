"""The empathy classes: added while they agree better with people, source by source."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from empeval import UsageError
from empeval_heads.labels import EMOTIONS
from empeval_training.eq.choosing import LEAST_PAIRS, Agreeing, choose_classes, first_of_pairs
from empeval_training.ratings import Rated


def with_levels(levels):
    return lambda scores: float(spearmanr(scores, levels)[0])


def test_classes_are_added_while_they_agree_better_with_people():
    dice = np.random.default_rng(5)
    shares = dice.uniform(0.1, 0.2, size=(300, 28))
    levels = dice.integers(0, 3, 300)
    for name in ("caring", "remorse"):
        shares[:, EMOTIONS.index(name)] += 0.5 * (levels + dice.normal(0, 0.5, 300)).clip(0)
    classes, agreement = choose_classes(shares, with_levels(levels))
    assert set(classes) >= {"caring", "remorse"}
    assert agreement > 0.7
    assert "neutral" not in classes


def test_a_class_that_people_find_cold_is_never_added():
    dice = np.random.default_rng(6)
    levels = dice.integers(0, 3, 300)
    shares = dice.uniform(0.1, 0.2, size=(300, 28))
    shares[:, EMOTIONS.index("caring")] += 0.2 * levels
    # A cold class that is there when caring is overestimated would mend the sum.
    shares[:, EMOTIONS.index("anger")] += 0.4 * (2 - levels)
    assert "anger" not in choose_classes(shares, with_levels(levels))[0]
    upside_down = np.full((300, 28), 0.1) + 0.2 * (2 - levels)[:, None]
    upside_down[:, EMOTIONS.index("neutral")] += levels
    with pytest.raises(UsageError, match="rises with people's levels"):
        choose_classes(upside_down, with_levels(levels))


def posts(count, dice):
    return [
        Rated(f"e{n}", "epitome", f"d{n}", ("Oh.",), f"Reply {n}.", "train",
              {"er": float(er), "ip": 0.0, "ex": float(ex), "sum": float(er + ex)})
        for n, (er, ex) in enumerate(dice.integers(0, 3, (count, 2)))
    ]  # fmt: skip


def replies(dialogues, dice):
    """Three replies to each dialogue, rated 1-3."""
    return [
        Rated(f"r{n}:{k}", "ratings", f"t{n}", ("Oh.",), f"Reply {n}, {k}.", "train",
              {"rating": float(dice.integers(1, 4))})
        for n in range(dialogues)
        for k in range(3)
    ]  # fmt: skip


def test_agreement_is_the_mean_over_sources_each_by_its_own_measure():
    dice = np.random.default_rng(9)
    first, second = posts(80, dice), replies(200, dice)
    rated = [*second[:300], *first, *second[300:]]  # the order of records says nothing
    scores = dice.normal(size=len(rated))
    said = dict(zip([r.id for r in rated], scores, strict=True))
    er, total = (
        spearmanr([said[r.id] for r in first], [r.values[name] for r in first])[0]
        for name in ("er", "sum")
    )
    points, pairs = 0.0, 0
    for one, other in combinations(second, 2):
        if one.dialogue != other.dialogue or one.values == other.values:
            continue
        right = (said[one.id] > said[other.id]) == (one.values["rating"] > other.values["rating"])
        points, pairs = points + right, pairs + 1
    assert pairs >= LEAST_PAIRS
    expected = ((er + total) / 2 + 2 * points / pairs - 1) / 2
    agreeing = Agreeing(rated)
    assert agreeing(scores) == pytest.approx(expected)
    assert agreeing.sources == {
        "epitome": "er and sum of 80 replies",
        "ratings": "rating of 600 replies within dialogues",
    }


def test_a_source_with_one_reply_to_a_dialogue_is_ranked_over_all():
    dice = np.random.default_rng(10)
    rated = replies(20, dice)  # too few pairs to ask which of two is rated higher
    scores = dice.normal(size=len(rated))
    expected = spearmanr(scores, [r.values["rating"] for r in rated])[0]
    assert Agreeing(rated)(scores) == pytest.approx(expected)


def test_peoples_replies_come_first_as_often_as_a_count_says():
    people, model = np.array([0.4, 0.1, 0.5, 0.2]), np.array([0.1, 0.3, 0.2, 0.2])
    assert first_of_pairs(people, model) == pytest.approx((2 - 1) / 4)
    assert first_of_pairs(model, people) == pytest.approx((1 - 2) / 4)
    assert first_of_pairs(people, people) == 0
