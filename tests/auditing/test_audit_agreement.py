"""Agreement with made ratings: what is compared, what it rests on, what it is held against."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from empeval.auditing.agreement import agreement
from empeval.auditing.gathering import Gathered
from empeval.auditing.rated import Dimension, RatedReply, RatedSet, Rating

EMPATHY = Dimension(name="empathy", low=1, high=5)


def rated(values, *, dialogues=None, systems=None, replies=None, raters=None):
    """A rated set: ``values`` are ratings, or lists of them for several raters."""
    made = []
    for k, value in enumerate(values):
        said = value if isinstance(value, list) else [value]
        names = raters or ([None] if len(said) == 1 else [f"r{j}" for j in range(len(said))])
        made.append(
            RatedReply(
                id=str(k),
                dialogue=str(k if dialogues is None else dialogues[k]),
                context=("hello",),
                reply=f"word {k}" if replies is None else replies[k],
                ratings={
                    "empathy": tuple(Rating(float(v), n) for v, n in zip(said, names, strict=False))
                },
                system=None if systems is None else systems[k],
            )
        )
    return Gathered(
        RatedSet(name="made", replies=tuple(made), dimensions=(EMPATHY,), license="ours"), "test"
    )


def judged(gathered, scores, **rivals):
    replies = gathered.rated.replies
    rivals.setdefault("length", np.array([float(len(r.reply.split())) for r in replies]))
    return agreement(gathered, EMPATHY, replies, np.array(scores, float), "empathy", rivals)


@pytest.fixture
def noisy():
    dice = np.random.default_rng(3)
    ratings = dice.integers(1, 6, 200)
    return ratings.tolist(), (ratings + dice.normal(0, 1.5, 200)).round(1)


def test_the_metrics_are_scipys_and_say_what_they_rest_on(noisy):
    ratings, scores = noisy
    scores = np.where(np.arange(200) % 20 == 0, np.nan, scores)
    made, problem = judged(rated(ratings, dialogues=[k // 2 for k in range(200)]), scores)
    assert problem == ""
    there = np.isfinite(scores)
    x, y = scores[there], np.array(ratings)[there]
    assert made.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-5)
    assert made.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-5)
    assert (made.spearman.n, made.spearman.clusters, made.spearman.n_failed) == (190, 100, 10)
    assert made.spearman.interval.low < made.spearman.value < made.spearman.interval.high
    assert any("10 of 200 replies got no score" in note for note in made.notes)
    assert (made.part, made.license, made.value) == ("test", "ours", "empathy")


def test_a_rival_is_compared_on_the_same_resamples(noisy):
    ratings, scores = noisy
    dice = np.random.default_rng(4)
    same, random = np.array(scores), dice.normal(0, 1, 200)
    close = np.array(scores) + dice.normal(0, 0.05, 200)
    made, _ = judged(rated(ratings), scores, same=same, random=random, close=close)
    assert made.against["same"].value == 0
    assert made.against["same"].interval.low == made.against["same"].interval.high == 0
    wide, narrow = made.against["random"].interval, made.against["close"].interval
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3  # paired, or they would be alike
    expected = stats.spearmanr(random, ratings).statistic
    assert made.rivals["random"].value == pytest.approx(expected, abs=1e-5)
    assert made.against["random"].value == pytest.approx(made.spearman.value - expected, abs=1e-5)
    assert wide.low > 0


def test_pairs_of_a_rival_inside_of_dialogues_are_compared_too():
    ratings = [1, 5] * 40
    made, _ = judged(
        rated(ratings, dialogues=[k // 2 for k in range(80)]),
        [1.0, 2.0] * 40,
        backwards=np.array([2.0, 1.0] * 40),
    )
    assert made.pairs_within_dialogue.value == 1
    assert (made.pairs_within_dialogue.n, made.pairs_within_dialogue.clusters) == (40, 40)
    assert made.against_pairs["backwards"].value == 1


def test_the_ceiling_is_the_root_of_the_reliability_of_the_mean():
    dice = np.random.default_rng(5)
    truth = dice.normal(0, 1, 4000)
    said = [list(np.round(t + dice.normal(0, 1, 2), 3)) for t in truth]
    made, _ = judged(rated(said), truth)
    # single raters correlate by .5, so the mean of two has a reliability of 2/3
    spearman = 6 / np.pi * np.arcsin(0.5 / 2)
    expected = np.sqrt(2 * spearman / (1 + spearman))
    assert made.ceiling.value == pytest.approx(expected, abs=0.02)
    assert made.one_rater.value == pytest.approx(spearman, abs=0.03)
    # the truth itself reaches the ceiling
    assert made.share_of_ceiling.value == pytest.approx(1, abs=0.03)
    assert made.share_of_ceiling.interval is not None


def test_one_rater_or_raters_not_told_apart_give_no_ceiling(noisy):
    ratings, scores = noisy
    made, _ = judged(rated(ratings), scores)
    assert made.ceiling is made.share_of_ceiling is made.one_rater is None
    assert "no ceiling" in made.ceiling_kind
    made, _ = judged(rated([[r, r] for r in ratings], raters=[None, None]), scores)
    assert made.ceiling is None


def test_systems_are_compared_by_their_means_and_within():
    systems = ["a", "b", "c"] * 40
    ratings = [1 + (k % 3) + (k // 3) % 2 for k in range(120)]  # c best, then b
    scores = [{"a": 2.0, "b": 1.0, "c": 3.0}[s] + 0.5 * ((k // 3) % 2)
              for k, s in enumerate(systems)]  # fmt: skip
    made, _ = judged(rated(ratings, systems=systems), scores)
    assert made.between_systems.value == pytest.approx(2 / 3)  # of three pairs one is wrong
    assert made.between_systems.n == 3
    assert made.pairs_within_system.value == 1
    assert any("mean rating by system: a 1.50, b 2.50, c 3.50" in note for note in made.notes)


def test_length_is_told_of_scores_and_of_ratings():
    dice = np.random.default_rng(6)
    words = dice.integers(1, 40, 300)
    replies = [" ".join(["w"] * n) for n in words]
    made, _ = judged(rated(dice.integers(1, 6, 300).tolist(), replies=replies), words)
    assert made.length.value == pytest.approx(1)
    assert abs(made.length_raters.value) < 0.15
    assert made.length_excess.value == pytest.approx(1 - made.length_raters.value, abs=1e-5)


@pytest.mark.parametrize(
    ("ratings", "scores", "reason"),
    [
        ([3] * 30, range(30), "all 30 ratings are 3; nothing to agree with"),
        ([1, 2, 3] * 10, [7] * 30, "all 30 scores are 7; they order nothing"),
        ([1, 2, 3] * 10, [np.nan] * 28 + [1, 2], "2 of 30 replies got a score; no agreement"),
    ],
)
def test_where_nothing_can_be_said_a_sentence_says_so(ratings, scores, reason):
    made, problem = judged(rated(ratings), list(scores))
    assert made is None
    assert reason in problem


def test_few_replies_are_called_few_and_get_no_interval():
    made, _ = judged(rated([1, 2, 3, 4, 5]), [1, 3, 2, 5, 4])
    assert made.spearman.value == pytest.approx(0.8)
    assert made.spearman.interval is None
    assert any("only 5 replies" in note for note in made.notes)
