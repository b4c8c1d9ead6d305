"""Three or more runs: matrix, ranks, groups; and the verb."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_runs import make_run, normal

from empeval import UsageError
from empeval.comparing.adjusting import told_apart
from empeval.comparing.many import compare_many, groups
from empeval.comparing.records import Difference, PValues, Side, Sides
from empeval.records import Estimate, Interval

QUICK = {"resamples": 500}


@pytest.fixture
def runs(tmp_path):
    base = normal(80, 1)
    shifts = {"low": -2.0, "mid": 0.0, "same": 0.02, "high": 2.0}
    return [
        make_run(
            tmp_path / name, [b + s + e for b, e in zip(base, normal(80, n, 0, 0.5), strict=True)]
        )
        for n, (name, s) in enumerate(shifts.items(), 10)
    ]


def test_runs_are_ranked_with_intervals_and_grouped(runs):
    (matrix,) = compare_many(runs, **QUICK).matrices
    names = [r.run.rpartition("/")[2] for r in matrix.ranking]
    assert names[0] == "high"
    assert names[3] == "low"
    by_name = dict(zip(names, matrix.ranking, strict=True))
    assert (by_name["high"].rank_low, by_name["high"].rank_high) == (1, 1)
    assert (by_name["mid"].rank_low, by_name["mid"].rank_high) == (2, 3)
    assert by_name["mid"].groups == by_name["same"].groups
    assert len({by_name[n].groups for n in ("low", "mid", "high")}) == 3
    assert matrix.shared == 80


def test_every_pair_is_there_with_the_better_run_as_candidate(runs):
    (matrix,) = compare_many(runs, **QUICK).matrices
    assert len(matrix.pairs) == 6
    means = {r.run: r.estimate.value for r in matrix.ranking}
    for pair in matrix.pairs:
        assert means[pair.candidate] >= means[pair.base]
        d = pair.difference
        assert d.change.value == pytest.approx(means[pair.candidate] - means[pair.base])
        assert d.change.interval.low <= d.change.value <= d.change.interval.high
        assert d.p_values.holm >= d.p_values.deciding
        assert d.verdict == ("better" if d.p_values.holm < 0.05 else "inconclusive")


@pytest.mark.parametrize(
    ("apart", "letters"),
    [
        (set(), {0: "a", 1: "a", 2: "a"}),
        ({(0, 1), (0, 2), (1, 2)}, {0: "a", 1: "b", 2: "c"}),
        ({(0, 2)}, {0: "a", 1: "ab", 2: "b"}),
        ({(2, 0)}, {0: "a", 1: "ab", 2: "b"}),
        ({(0, 1)}, {0: "a", 1: "b", 2: "ab"}),
    ],
)
def test_runs_that_share_a_letter_were_not_found_different(apart, letters):
    assert groups([0, 1, 2], apart) == letters


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(
    st.permutations(range(n)), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
))  # fmt: skip
def test_two_runs_share_a_letter_exactly_when_they_are_not_apart(case):
    order, pairs = case
    apart = {(a, b) for a, b in pairs if a != b}
    letters = groups(order, apart)
    assert set(letters) == set(order)
    assert "a" in letters[order[0]]
    for a in order:
        for b in order:
            different = (a, b) in apart or (b, a) in apart
            assert bool(set(letters[a]) & set(letters[b])) != different


def test_the_verb_prints_verdicts_in_words(cli, runs):
    low, mid, same, high = (str(r.path) for r in runs)
    better = cli("compare", low, high, "--margin", "1", "--resamples", "500")
    assert better.code == 0
    assert "talks warmth: better by" in better.out
    assert "by more than the margin of 1.000" in better.out
    equal = cli("compare", mid, same, "--margin", "0.5", "--resamples", "500")
    assert "equivalent: the difference is inside the margin" in equal.out
    unsure = cli("compare", mid, same, "--resamples", "500")
    assert "inconclusive" in unsure.out
    assert "would be found 4 times in 5" in unsure.out
    for outcome in (better, equal, unsure):
        (said,) = [x for x in outcome.out.splitlines() if x.startswith("talks warmth:")]
        assert "same" not in said
    many = cli("compare", low, mid, same, high, "--resamples", "500")
    assert many.code == 0
    assert "that does not make them the same" in many.out


@pytest.mark.parametrize("form", ["json", "md"])
def test_the_verb_speaks_json_and_markdown(cli, runs, form):
    two = cli(
        "compare", str(runs[0].path), str(runs[1].path), "--format", form, "--resamples", "500"
    )
    many = cli("compare", *(str(r.path) for r in runs), "--format", form, "--resamples", "500")
    if form == "json":
        assert json.loads(two.out)["differences"][0]["metric"] == "warmth"
        assert len(json.loads(many.out)["matrices"][0]["pairs"]) == 6
    else:
        assert "|" in two.out
        assert "|" in many.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere does not exist"),
        ((".",), "is no run folder"),
        (("{1}", "--margin", "much"), "'much' is no number"),
        (("{1}", "--margin", "warmth=much"), "is no number"),
        (("{1}", "{2}", "--repeat-of", "{3}"), "--repeat-of goes with one BASE"),
        (("{1}", "--metrics", "warmht"), "Did you mean 'warmth'"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(cli, runs, arguments, message):
    paths = [str(run.path) for run in runs]
    outcome = cli("compare", paths[0], *(a.format(*paths) for a in arguments))
    assert outcome.code == 2
    assert message in outcome.err


def test_runs_without_a_common_headline_are_refused(tmp_path):
    runs = [make_run(tmp_path / str(n), normal(9, n), higher_is_better=None) for n in range(3)]
    with pytest.raises(UsageError, match="no headline metric in common"):
        compare_many(runs, **QUICK)


def test_an_interval_that_ends_at_zero_does_not_tell_two_runs_apart():
    def between(low, high):
        return Difference(
            task="talks", scorer="warmth", metric="warmth", unit="points", higher_is_better=True,
            change=Estimate(value=(low + high) / 2, interval=Interval(low, high)),
            sides=Sides(base=Side(), candidate=Side()), p_values=PValues(holm=0.01),
        )  # fmt: skip

    assert told_apart(between(0.1, 2.0))
    assert told_apart(between(-2.0, -0.1))
    assert not told_apart(between(0.0, 2.0))
    assert not told_apart(between(-2.0, 0.0))
