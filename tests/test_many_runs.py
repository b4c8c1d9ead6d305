"""Three or more runs: one set of items, one rule, and ranks that agree with the letters."""

from __future__ import annotations

import itertools
import json
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.made_runs import make_run, normal

from empeval import Score, Source
from empeval.comparing.many import closed, compare_many, groups, ranks
from empeval.comparing.two import compare
from empeval.comparing.words import matrix_cells, sentence


@st.composite
def relations(draw):
    """Runs in the order of their means, and pairs found different: the earlier is better."""
    count = draw(st.integers(1, 7))
    every = list(itertools.combinations(range(count), 2))
    chosen = draw(st.sets(st.sampled_from(every))) if every else set()
    names = draw(st.permutations(range(count)))
    return list(names), {(names[a], names[b]) for a, b in chosen}


@given(relations())
@settings(max_examples=300)
def test_ranks_and_letters_say_the_same(case):
    order, found = case
    better = closed(found)
    letters, reach = groups(order, better), ranks(order, better)
    assert found <= better
    for rank, run in enumerate(order, 1):
        assert reach[run][0] <= rank <= reach[run][1]
    for one, other in itertools.permutations(order, 2):
        share = bool(set(letters[one]) & set(letters[other]))
        assert share == ((one, other) not in better and (other, one) not in better)
        (low, high), (low_2, high_2) = reach[one], reach[other]
        if (one, other) in better:
            assert low < low_2
            assert high < high_2
        elif share:
            assert max(low, low_2) <= min(high, high_2), "they could not be told apart"


@given(relations())
def test_what_follows_from_two_verdicts_is_added_and_nothing_else(case):
    order, found = case
    reachable = {run: {run} for run in order}
    for _ in order:  # whoever is beaten by one that is beaten, as a plain walk
        for a, b in found:
            reachable[a] |= reachable[b]
    assert closed(found) == {(a, b) for a in order for b in reachable[a] - {a}}


def drawn(path, seed, count=45):
    """Five runs of random values, in clusters, with random items that have no score."""
    dice = np.random.default_rng(seed)
    shared = dice.normal(0, 1, count)
    clusters = [str(n // 2) for n in range(count)]
    columns = {}
    for name in "abcde":
        values = shared + dice.normal(dice.uniform(-0.6, 0.6), 0.7, count)
        lost = dice.random(count) < 0.03
        columns[name] = [None if gone else float(v) for v, gone in zip(values, lost, strict=True)]
    runs = [make_run(path / n, column, clusters=clusters) for n, column in columns.items()]
    there = [n for n in range(count) if all(c[n] is not None for c in columns.values())]
    return runs, {name: [column[n] for n in there] for name, column in columns.items()}


@pytest.mark.parametrize("seed", range(6))
def test_a_table_rests_on_one_set_of_items_and_contradicts_itself_nowhere(tmp_path, seed):
    runs, columns = drawn(tmp_path, seed)
    (matrix,) = compare_many(runs, resamples=300, max_unscored=0.5).matrices
    count = len(columns["a"])
    by_run = {ranked.run: ranked for ranked in matrix.ranking}
    assert matrix.shared == count
    for path, ranked in by_run.items():
        mean = ranked.estimate
        assert (mean.n, mean.value) == (count, pytest.approx(np.mean(columns[path[-1]])))
        assert mean.interval.low < mean.value < mean.interval.high
    assert [r.rank for r in matrix.ranking] == [1, 2, 3, 4, 5]
    assert len(matrix.pairs) == 10
    cells = matrix_cells(matrix)
    for pair in matrix.pairs:
        base, candidate, d = by_run[pair.base], by_run[pair.candidate], pair.difference
        assert pair.base < pair.candidate, "the base is the run that was named earlier"
        assert d.change.n == count
        assert d.change.value == pytest.approx(candidate.estimate.value - base.estimate.value)
        first, second = (candidate, base) if d.change.value > 0 else (base, candidate)
        assert first.rank < second.rank
        if d.verdict in ("better", "worse"):
            assert not set(first.groups) & set(second.groups)
            assert first.rank_low < second.rank_low
            assert first.rank_high < second.rank_high
            assert cells[pair.candidate, pair.base].endswith("*")
        else:
            assert not cells[pair.candidate, pair.base].endswith("*")


def test_some_of_these_tables_have_both_kinds_of_pairs(tmp_path):
    """Else the test above would show nothing."""
    kinds = set()
    for seed in range(3):
        runs, _ = drawn(tmp_path / str(seed), seed)
        (matrix,) = compare_many(runs, resamples=300, max_unscored=0.5).matrices
        kinds |= {pair.difference.verdict for pair in matrix.pairs}
        assert len({r.groups for r in matrix.ranking}) > 1
    assert "inconclusive" in kinds
    assert kinds & {"better", "worse"}


def test_two_of_many_runs_are_estimated_as_they_are_alone(tmp_path):
    runs = [make_run(tmp_path / n, normal(40, k)) for k, n in enumerate("abc")]
    (matrix,) = compare_many(runs, margins=0.5, resamples=400).matrices
    (pair,) = [p for p in matrix.pairs if (p.base[-1], p.candidate[-1]) == ("a", "c")]
    (alone,) = compare(runs[0], runs[2], margins=0.5, resamples=400).differences
    found = pair.difference
    assert found.change.value == alone.change.value
    assert found.change.standard_error == alone.change.standard_error
    ends = [(d.change.interval.low, d.change.interval.high) for d in (found, alone)]
    assert ends[0] == pytest.approx(ends[1])
    assert (found.effect, found.power, found.sides) == (alone.effect, alone.power, alone.sides)
    assert found.p_values.sign_flips == alone.p_values.sign_flips
    assert found.p_values.bootstrap == pytest.approx(alone.p_values.bootstrap, abs=0.01)
    assert found.p_values.holm >= alone.p_values.holm


def test_a_run_that_lacks_too_many_scores_is_judged_by_its_worst_case_among_many(tmp_path):
    values = normal(60, 1, 5)
    part = [v if n < 30 else None for n, v in enumerate(values)]
    options = {"low": 0.0, "high": 10.0}
    runs = [
        make_run(tmp_path / "a", values, **options),
        make_run(tmp_path / "b", [v + 0.01 * n for n, v in enumerate(values)], **options),
        make_run(tmp_path / "c", part, **options),
    ]
    (matrix,) = compare_many(runs, margins=1.0, resamples=300).matrices
    found = {(p.base[-1], p.candidate[-1]): p.difference for p in matrix.pairs}
    assert not found["a", "b"].too_unscored
    lost = found["a", "c"]
    assert (lost.too_unscored, lost.verdict) == (True, "worse")
    assert lost.worst_case == pytest.approx(-sum(values[30:]) / 60)
    assert lost.change.n == 30
    (alone,) = compare(runs[0], runs[2], margins=1.0, resamples=300).differences
    assert (alone.worst_case, alone.verdict) == (pytest.approx(lost.worst_case), "worse")


def test_where_lower_is_better_the_lowest_is_first(tmp_path):
    base = normal(60, 1)
    runs = [
        make_run(tmp_path / str(n), [v + n + e for v, e in zip(base, normal(60, 9 + n, 0, 0.3),
                                                               strict=True)],
                 higher_is_better=False)
        for n in range(3)
    ]  # fmt: skip
    (matrix,) = compare_many(runs, resamples=300).matrices
    assert [r.run[-1] for r in matrix.ranking] == ["0", "1", "2"]
    assert [(r.rank_low, r.rank_high) for r in matrix.ranking] == [(1, 1), (2, 2), (3, 3)]
    assert {p.difference.verdict for p in matrix.pairs} == {"worse"}


def test_yes_no_metrics_are_ranked_in_percent(tmp_path):
    columns = [[n % k == 0 for n in range(60)] for k in (2, 3, 5)]
    runs = [
        make_run(tmp_path / str(n), [float(v) for v in c], unit="percent")
        for n, c in enumerate(columns)
    ]
    (matrix,) = compare_many(runs, resamples=300).matrices
    assert [r.estimate.value for r in matrix.ranking] == pytest.approx([50, 100 / 3, 20])
    assert {r.estimate.interval.method for r in matrix.ranking} == {"wilson"}


def test_a_report_of_many_says_of_each_run_what_its_leaderboard_says(tmp_path, cli):
    runs, _ = drawn(tmp_path, 2)
    paths = [str(run.path) for run in runs]
    made = cli("report", *paths, "-o", "r.html", "--resamples", "300")
    assert made.code == 0, made.err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    many = compare_many(runs, resamples=300)
    told = [sentence(many.between(runs[0], run)[0]) for run in runs[1:]]
    assert re.findall(r'<li class="[a-z]+">(talks warmth: .*?)</li>', page) == told
    text = cli("compare", *paths, "--resamples", "300", "--format", "json")
    assert json.loads(text.out)["schema"] == 2


def test_each_run_counts_by_the_value_that_its_own_metric_is_of(tmp_path, cli):
    """As of EQ-Bench, where the total is of first or of revised scores, whichever is better."""
    values = normal(30, 1, 5)
    runs = [make_run(tmp_path / name, values) for name in "abc"]
    for gain, run in enumerate(runs):
        path = run.scores_path("talks", "warmth")
        path.unlink()
        with run.journal_scores("talks", "warmth") as journal:
            for n, v in enumerate(values):
                journal.append(Score(str(n), values={"warmth": v, "revised": v + gain + n % 3}))
        (metric,) = run.metrics()
        source = Source("revised" if gain else "warmth")
        value = metric.value + (gain + 1 if gain else 0)  # n % 3 is 1 on average
        run.write_metrics([msgspec.structs.replace(metric, value=value, source=source)])
    wanted = [np.mean([gain + n % 3 for n in range(30)]) for gain in (1, 2)]
    for run, expected in zip(runs[1:], wanted, strict=True):
        (d,) = compare(runs[0], run, resamples=200).differences
        assert d.change.value == pytest.approx(expected)
    (back,) = compare(runs[2], runs[0], resamples=200).differences
    assert back.change.value == pytest.approx(-wanted[1])
    (matrix,) = compare_many(runs, resamples=200).matrices
    assert [p.difference.change.value for p in matrix.pairs[:2]] == pytest.approx(wanted)
    assert cli("report", *(str(r.path) for r in runs), "-o", "r.html").code == 0
