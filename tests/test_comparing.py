"""Two runs compared: joins, refusals, statistics against other programs', verdicts."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest
from support.made_runs import make_run, normal

import empeval
from empeval import RunFolderError, UsageError
from empeval.comparing.adjusting import benjamini_hochberg
from empeval.comparing.records import Comparison
from empeval.comparing.words import amount, sentence

QUICK = {"resamples": 500}


def compare(base, candidate, **options):
    return empeval.compare(base, candidate, **(QUICK | options))


def only(result):
    (difference,) = result.differences
    return difference


def test_items_are_joined_by_id_and_content_and_never_by_order(tmp_path):
    values = normal(40, 1)
    base = make_run(tmp_path / "base", values)
    ids = [str(n) for n in range(40)][::-1]
    candidate = make_run(tmp_path / "candidate", [v + 1 for v in values[::-1]], ids=ids)
    found = only(compare(base, candidate))
    assert found.change.value == pytest.approx(1)
    assert found.effect.correlation == pytest.approx(1)
    assert (found.change.interval.low, found.change.interval.high) == (
        pytest.approx(1),
        pytest.approx(1),
    )
    assert found.verdict == "better"


def test_items_that_one_run_has_alone_or_that_changed_are_counted_and_left_out(tmp_path):
    base = make_run(tmp_path / "base", normal(30, 1))
    questions = [f"Question {n}?" for n in range(5, 40)]
    questions[0] = "Another question?"
    candidate = make_run(
        tmp_path / "candidate",
        normal(35, 2),
        ids=[str(n) for n in range(5, 40)],
        questions=questions,
    )
    (facts,) = compare(base, candidate, partial=True).tasks
    assert (facts.shared, facts.only_base, facts.only_candidate, facts.changed) == (24, 5, 10, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "2"}, "talks: version 1 and 2"),
        ({"data": "sha256:other"}, "talks: data fingerprint sha256:data and sha256:other"),
        ({"scorer_version": "2"}, "talks, scorer warmth: version 1 and 2"),
    ],
)
def test_runs_that_differ_in_what_matters_are_refused_unless_forced(tmp_path, changes, message):
    base = make_run(tmp_path / "base", normal(20, 1))
    candidate = make_run(tmp_path / "candidate", normal(20, 2), **changes)
    with pytest.raises(UsageError, match="cannot be compared") as caught:
        compare(base, candidate)
    assert message in str(caught.value)
    result = compare(base, candidate, force=True)
    assert result.forced == [message]


def test_unfinished_runs_are_compared_only_when_asked_and_marked(tmp_path):
    base = make_run(tmp_path / "base", normal(20, 1))
    candidate = make_run(tmp_path / "candidate", normal(20, 2), status="running")
    with pytest.raises(RunFolderError, match="is unfinished"):
        compare(base, candidate)
    result = compare(base, candidate, partial=True)
    assert "candidate is unfinished: what is there is compared" in result.remarks


def test_runs_without_a_shared_task_or_item_are_refused(tmp_path):
    base = make_run(tmp_path / "base", normal(5, 1))
    other = make_run(tmp_path / "other", normal(5, 1), task="letters")
    with pytest.raises(UsageError, match="there is none to compare"):
        compare(base, other)
    apart = make_run(tmp_path / "apart", normal(5, 1), ids=[f"x{n}" for n in range(5)])
    with pytest.raises(UsageError, match="share no item of talks"):
        compare(base, apart, partial=True)
    changed = make_run(tmp_path / "changed", normal(5, 1), questions=["Other?"] * 5)
    with pytest.raises(UsageError, match="their contents differ"):
        compare(base, changed, partial=True)


def test_metrics_agree_with_scipy_where_clusters_are_single_items(tmp_path):
    from scipy import stats

    before, after = normal(60, 1), normal(60, 2, 0.3)
    found = only(
        compare(
            make_run(tmp_path / "base", before),
            make_run(tmp_path / "candidate", after),
            resamples=10_000,
        )
    )
    paired = stats.ttest_rel(after, before)
    assert found.p_values.t == pytest.approx(paired.pvalue)
    low, high = paired.confidence_interval()
    assert (found.change.interval.low, found.change.interval.high) == (
        pytest.approx(low, abs=0.05),
        pytest.approx(high, abs=0.05),
    )
    change = np.array(after) - np.array(before)
    permuted = stats.permutation_test(
        (change,), np.mean, permutation_type="samples", n_resamples=9999, rng=1
    )
    assert found.p_values.deciding == pytest.approx(permuted.pvalue, abs=0.02)
    assert found.effect.size == pytest.approx(change.mean() / change.std(ddof=1))
    assert found.effect.improved == pytest.approx((change > 0).mean())
    assert found.effect.correlation == pytest.approx(np.corrcoef(before, after)[0, 1])
    saved = 1 - change.var() / (np.var(before) + np.var(after))
    assert found.effect.variance_saved == pytest.approx(saved)


def test_yes_no_metrics_have_an_exact_mcnemar_test(tmp_path):
    before = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1] * 3
    after = [1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1] * 3
    found = only(
        compare(
            make_run(tmp_path / "base", before, unit="percent"),
            make_run(tmp_path / "candidate", after, unit="percent"),
        )
    )
    from scipy.stats import binomtest

    assert found.change.value == pytest.approx(100 * (sum(after) - sum(before)) / 36)
    assert found.p_values.mcnemar == pytest.approx(binomtest(15, 18).pvalue)
    clusters = [str(n // 2) for n in range(36)]
    together = only(
        compare(
            make_run(tmp_path / "b2", before, unit="percent", clusters=clusters),
            make_run(tmp_path / "c2", after, unit="percent", clusters=clusters),
        )
    )
    assert together.p_values.mcnemar is None, "items of a cluster are not independent"


@pytest.mark.parametrize(
    ("options", "ends", "widest"), [({"unit": "percent"}, (0, 1), 100), ({}, (1, 5), 4)]
)
def test_no_interval_holds_a_difference_that_the_scale_has_no_room_for(
    tmp_path, options, ends, widest
):
    low, high = ends
    before, after = [low] * 9, [high] * 7 + [low] * 2
    clusters = [str(n // 3) for n in range(9)]
    given = {"clusters": clusters, "low": low, "high": high} | options
    found = compare(
        make_run(tmp_path / "base", before, **given),
        make_run(tmp_path / "up", after, statuses=["truncated"] * 7 + ["ok"] * 2, **given),
    )
    assert only(found).change.interval.high == widest
    assert only(found).change.interval.low < 0.7 * widest
    (rate,) = (r for r in found.rates if r.kind == "truncated")
    assert rate.change.interval.high == 100
    down = compare(
        make_run(tmp_path / "again", after, **given), make_run(tmp_path / "down", before, **given)
    )
    assert only(down).change.interval.low == -widest


def test_clusters_are_resampled_and_not_items(tmp_path):
    values = normal(30, 4, 0.4)
    clusters = [str(n) for n in range(30) for _ in range(10)]
    zero = [0.0] * 300
    many = [v for v in values for _ in range(10)]
    few = only(compare(make_run(tmp_path / "b1", [0.0] * 30), make_run(tmp_path / "c1", values)))
    same = only(
        compare(
            make_run(tmp_path / "b2", zero, clusters=clusters),
            make_run(tmp_path / "c2", many, clusters=clusters),
        )
    )
    assert same.change.clusters == 30
    assert same.change.value == pytest.approx(few.change.value)
    assert same.p_values.t == pytest.approx(few.p_values.t)
    assert (same.change.interval.low, same.change.interval.high) == (
        pytest.approx(few.change.interval.low),
        pytest.approx(few.change.interval.high),
    )


def test_failed_items_count_as_the_convention_says(tmp_path):
    before, after = normal(30, 1, 5), normal(30, 1, 5)
    broken = [None if n < 6 else v for n, v in enumerate(after)]
    base = make_run(tmp_path / "base", before)
    left_out = only(compare(base, make_run(tmp_path / "c1", broken)))
    assert (left_out.change.n, left_out.sides.base.failed, left_out.sides.candidate.failed) == (
        24,
        0,
        6,
    )
    assert left_out.change.value == pytest.approx(0)
    lowest = min(before)
    assert left_out.worst_case == pytest.approx(sum(lowest - v for v in before[:6]) / 30)
    zero = make_run(tmp_path / "b2", before, failed_as=0.0)
    counted = only(compare(zero, make_run(tmp_path / "c2", broken, failed_as=0.0)))
    assert counted.change.n == 30
    assert counted.change.value == pytest.approx(-sum(before[:6]) / 30)
    rates = compare(base, make_run(tmp_path / "c3", broken)).rates
    assert [(rate.kind, rate.base, rate.candidate) for rate in rates] == [
        ("unparsed", 0, 20),
        ("warmth: unparsed", 0, 20),
    ]


def test_longer_answers_are_told_apart_from_better_ones(tmp_path):
    import statsmodels.api as sm

    dice = np.random.default_rng(3)
    words = dice.integers(0, 30, 80)
    before = normal(80, 5)
    after = [v + 0.1 * w + e for v, w, e in zip(before, words, normal(80, 6, 0, 0.1), strict=True)]
    clusters = [str(n // 2) for n in range(80)]
    base = make_run(tmp_path / "base", before, answers=["word"] * 80, clusters=clusters)
    longer = ["word " * (w + 1) for w in words]
    candidate = make_run(tmp_path / "candidate", after, answers=longer, clusters=clusters)
    found = only(compare(base, candidate))
    assert found.change.value == pytest.approx(0.1 * words.mean(), abs=0.1)
    assert found.verdict == "better"
    assert abs(found.at_equal_length.change.value) < 0.1
    assert (
        found.at_equal_length.change.interval.low < 0 < found.at_equal_length.change.interval.high
    )
    change = np.array(after) - np.array(before)
    fitted = sm.OLS(change, sm.add_constant(words.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(80) // 2}, use_t=True
    )
    assert found.at_equal_length.change.value == pytest.approx(fitted.params[0])
    assert found.at_equal_length.per_word == pytest.approx(fitted.params[1])
    assert (
        found.at_equal_length.change.interval.low,
        found.at_equal_length.change.interval.high,
    ) == pytest.approx(fitted.conf_int()[0])


def test_slices_are_of_what_items_say_and_adjusted_together(tmp_path):
    emotions = [("sad", "proud", "angry")[n % 3] for n in range(90)]
    targets = [{"emotion": e} for e in emotions]
    before = normal(90, 1)
    after = [v + (2.0 if e == "sad" else 0.0) + x for v, e, x in
             zip(before, emotions, normal(90, 2, 0, 0.3), strict=True)]  # fmt: skip
    result = compare(
        make_run(tmp_path / "base", before, targets=targets),
        make_run(tmp_path / "candidate", after, targets=targets),
    )
    found = {s.value: s for s in result.slices}
    assert set(found) == {"sad", "proud", "angry"}
    assert found["sad"].change.value == pytest.approx(2, abs=0.3)
    assert found["sad"].p_adjusted < 0.001
    assert [found[v].p_adjusted for v in ("sad", "proud", "angry")] == pytest.approx(
        benjamini_hochberg([found[v].p for v in ("sad", "proud", "angry")])
    )


def test_the_noise_floor_is_the_spread_of_repeats(tmp_path):
    base = normal(50, 1)
    runs = [make_run(tmp_path / f"r{n}", [v + 0.1 * n for v in base]) for n in range(4)]
    candidate = make_run(tmp_path / "candidate", normal(50, 2))
    (noise,) = compare(runs[0], candidate, repeats=runs[1:]).noise
    assert noise.runs == 4
    assert noise.sd == pytest.approx(np.std([0, 0.1, 0.2, 0.3], ddof=1))
    assert noise.reach > 2 * noise.sd


def test_one_cluster_and_constant_scores_do_not_raise(tmp_path):
    one = {"clusters": ["same"] * 12}
    found = only(
        compare(
            make_run(tmp_path / "b1", normal(12, 1), **one),
            make_run(tmp_path / "c1", normal(12, 2), **one),
        )
    )
    assert (found.change.interval, found.p_values.deciding, found.p_values.t, found.verdict) == (
        None,
        None,
        None,
        "inconclusive",
    )
    assert "one cluster" in sentence(found)
    same = only(
        compare(
            make_run(tmp_path / "b2", [1.0] * 12),
            make_run(tmp_path / "c2", [1.0] * 12),
            margins=0.5,
        )
    )
    assert (same.change.value, same.p_values.deciding, same.verdict) == (0, 1, "equivalent")
    assert same.effect.correlation is None
    free = only(
        compare(make_run(tmp_path / "b3", [1.0] * 12), make_run(tmp_path / "c3", [1.0] * 12))
    )
    said = sentence(free)
    assert said == "talks warmth: inconclusive: no item differs, so nothing is shown."


def test_an_amount_that_rounds_to_zero_has_no_sign():
    assert [amount(x) for x in (-0.0001, 0.0, -0.001, -12.3)] == [
        "0.000",
        "0.000",
        "-0.001",
        "-12.30",
    ]


def test_a_comparison_is_json_and_comes_back(tmp_path):
    result = compare(
        make_run(tmp_path / "base", normal(20, 1)),
        make_run(tmp_path / "candidate", normal(20, 2)),
        margins=1.0,
    )
    assert msgspec.json.decode(msgspec.json.encode(result), type=Comparison) == result


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margins": 0.0}, "margin is 0; it must be above 0"),
        ({"margins": -1.0}, "margin is -1"),
        ({"margins": {"warmth": 0.0}}, "margin of warmth is 0"),
        ({"margins": {"warmht": 1.0}}, "No metric 'warmht'.*Did you mean 'warmth'"),
        ({"metrics": ["kindness"]}, "No metric 'kindness'"),
        ({"resamples": 10}, "resamples is 10"),
        ({"resamples": 10**7}, "from 100 to 1,000,000"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_names_and_margins_that_make_no_sense_are_refused(tmp_path, options, message):
    base = make_run(tmp_path / "base", normal(10, 1))
    with pytest.raises(UsageError, match=message):
        compare(base, make_run(tmp_path / "candidate", normal(10, 2)), **options)


def test_runs_written_before_metrics_named_their_source_are_understood(tmp_path):
    base = make_run(tmp_path / "base", normal(20, 1), source=False)
    candidate = make_run(tmp_path / "candidate", normal(20, 2), source=False)
    assert only(compare(base, candidate)).metric == "warmth"


def test_a_metric_that_only_describes_is_neither_better_nor_worse(tmp_path):
    base = make_run(tmp_path / "base", normal(40, 1), higher_is_better=None)
    candidate = make_run(tmp_path / "c", normal(40, 2, 3), higher_is_better=None)
    found = only(compare(base, candidate, metrics=["warmth"]))
    assert found.verdict == "inconclusive"
    assert "it describes, it does not judge" in sentence(found)


def test_where_lower_is_better_a_rise_is_worse(tmp_path):
    base = make_run(tmp_path / "base", normal(40, 1), higher_is_better=False)
    candidate = make_run(tmp_path / "c", normal(40, 2, 3), higher_is_better=False)
    assert only(compare(base, candidate)).verdict == "worse"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"higher_is_better": False}, "higher is better True and False"),
        ({"unit": "percent"}, "unit points and percent"),
        ({"failed_as": 5.0}, "failed as None and 5.0"),
    ],
)
def test_metrics_of_one_name_that_count_otherwise_are_not_compared(tmp_path, changes, message):
    base = make_run(tmp_path / "base", normal(20, 1))
    candidate = make_run(tmp_path / "candidate", normal(20, 2), **changes)
    with pytest.raises(UsageError, match=re.escape(f"talks, metric warmth.warmth: {message}")):
        compare(base, candidate)
    older = make_run(tmp_path / "older", normal(20, 2), source=False)
    assert compare(older, base).forced == []


def test_answers_that_say_what_another_says_are_counted(tmp_path):
    each = [f"Answer {n}." for n in range(20)]
    stock = ["I see.", " I see. ", "I see.", "", "", *each[5:]]  # nothing repeats nothing
    base, candidate = (
        make_run(tmp_path / name, normal(20, 1), answers=answers, model=f"made:{name}")
        for name, answers in (("base", each), ("candidate", stock))
    )
    (rate,) = (r for r in compare(base, candidate).rates if r.kind == "repeated")
    assert (rate.base, rate.candidate) == (0, pytest.approx(15))
