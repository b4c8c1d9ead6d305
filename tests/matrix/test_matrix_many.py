"""Many runs by every kind of metric: who is first, in whatever direction and unit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import reading, textbook
from support.made_runs import MadeScorer, MadeTask, Value, normal, write_run
from support.matrix import COUNT, GROUPS, NAMES

GAINS = {"last": -2.0, "middle": 0.0, "near": 0.03, "first": 2.0}
GOOD_TO_BAD = ["first", "near", "middle", "last"]


@pytest.fixture
def runs(tmp_path):
    """Runs of which each is better than the next, and their values by name."""

    def make(unit, up, lost=0):
        base = np.array(normal(COUNT, 1, 5))
        columns = {}
        for number, (name, gain) in enumerate(GAINS.items()):
            noise = np.array(normal(COUNT, 10 + number, 0, 0.3))
            column = base + (gain if up else -gain) + noise - noise.mean()
            if unit == "percent":
                column = (column > 5) * 1.0
            column[number * lost : (number + 1) * lost] = np.nan
            columns[name] = column
        folders = {
            name: write_run(
                tmp_path / name,
                [MadeTask("talks", NAMES, [MadeScorer("judge", [value])], GROUPS)],
                model=f"made:{name}",
            )
            for name, column in columns.items()
            for value in [_value(column, unit, up)]
        }
        scale = 100 if unit == "percent" else 1
        return folders, {name: scale * column for name, column in columns.items()}

    return make


def _value(column, unit, up):
    of = [None if np.isnan(x) else float(x) for x in column]
    return Value("mark", of, unit=unit, higher_is_better=up)


def ranked(cli, folders, *options):
    done = cli("compare", *(run.path for run in folders.values()), "--format", "json",
               "--resamples", "600", *options)  # fmt: skip
    assert done.code == 0, done.err
    return reading.matrices(done.out)["talks.judge.mark"]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("unit", ["points", "percent"])
@pytest.mark.parametrize("lost", [0, 1])
def test_the_best_run_is_first_and_the_means_are_of_shared_items(cli, runs, unit, up, lost):
    folders, columns = runs(unit, up, lost)
    matrix = ranked(cli, folders)
    shared = np.isfinite(np.column_stack(list(columns.values()))).all(1)
    assert matrix["shared"] == shared.sum() == COUNT - 4 * lost
    means = {name: column[shared].mean() for name, column in columns.items()}
    found = {r["model"].removeprefix("made:"): r for r in matrix["ranking"]}
    assert {n: reading.mean_of(r) for n, r in found.items()} == pytest.approx(means)
    order = sorted(means, key=lambda name: -means[name] if up else means[name])
    assert list(found) == order
    assert (order[0], order[-1]) == ("first", "last")
    assert [r["rank"] for r in found.values()] == [1, 2, 3, 4]
    assert (found["first"]["rank_low"], found["first"]["rank_high"]) == (1, 1)
    assert (found["last"]["rank_low"], found["last"]["rank_high"]) == (4, 4)
    for name in ("near", "middle"):
        assert 2 <= found[name]["rank_low"] <= found[name]["rank"] <= found[name]["rank_high"] <= 3
    letters = {name: set(r["groups"]) for name, r in found.items()}
    assert letters["middle"] & letters["near"]
    assert not (letters["first"] | letters["last"]) & (letters["middle"] | letters["near"])
    assert not letters["first"] & letters["last"]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("unit", ["points", "percent"])
def test_every_pair_has_the_numbers_of_the_formulas(cli, runs, unit, up):
    folders, columns = runs(unit, up)
    names = {str(run.path): name for name, run in folders.items()}
    pairs = ranked(cli, folders)["pairs"]
    assert len({frozenset((p["base"], p["candidate"])) for p in pairs}) == len(pairs) == 6
    expected = {}
    for pair in pairs:
        base, candidate = names[pair["base"]], names[pair["candidate"]]
        known = textbook.KnownMetric(
            "talks", "judge", "mark", unit, up, columns[base], columns[candidate], None, (0, 0)
        )
        found, key = textbook.expected(known), f"{base}-{candidate}"
        expected[key] = found.p
        difference = pair["difference"]
        assert reading.change(difference) == pytest.approx(found.difference)
        room = 100 if unit == "percent" else math.inf  # shares differ by no more
        ends = tuple(min(max(end, -room), room) for end in found.interval)
        assert reading.interval(difference) == pytest.approx(ends)
        assert reading.p_of(difference) == pytest.approx(found.p)
        pair["metric"] = known, found, key
    adjusted = textbook.holm(expected)
    for pair in pairs:
        known, found, key = pair["metric"]
        assert reading.p_holm(pair["difference"]) == pytest.approx(adjusted[key])
        word = textbook.verdict(known, found, None, adjusted[key])
        assert pair["difference"]["verdict"] == word


def test_runs_that_lack_too_many_scores_are_not_told_apart_unless_that_is_allowed(cli, runs):
    """Three of 54 items are 5.6 %."""
    folders, _ = runs("points", True, lost=3)
    matrix = ranked(cli, folders)
    assert {r["groups"] for r in matrix["ranking"]} == {"a"}
    assert {p["difference"]["verdict"] for p in matrix["pairs"]} == {"inconclusive"}
    allowed = ranked(cli, folders, "--max-unscored", "0.06")
    assert len({r["groups"] for r in allowed["ranking"]}) == 3
    assert {p["difference"]["too_unscored"] for p in allowed["pairs"]} == {False}


@pytest.mark.parametrize("up", [True, False])
def test_the_text_ranks_as_the_json_does(cli, runs, up):
    folders, _ = runs("points", up)
    printed = cli("compare", *(r.path for r in folders.values()), "--resamples", "600").out
    lines = [x for x in printed.splitlines() if x.strip()[:2].strip() in set("1234")]
    first, *_ = [x for x in lines if x.split()[0] == "1"]
    assert "first" in first
    last, *_ = [x for x in lines if x.split()[0] == "4"]
    assert "last" in last


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("unit", ["points", "percent"])
def test_the_grid_has_the_row_less_the_column_and_a_star_where_that_is_shown(cli, runs, unit, up):
    folders, columns = runs(unit, up)
    matrix = ranked(cli, folders)
    order = [r["model"].removeprefix("made:") for r in matrix["ranking"]]
    names = {str(run.path): name for name, run in folders.items()}
    shown = {
        frozenset((names[p["base"]], names[p["candidate"]]))
        for p in matrix["pairs"]
        if reading.p_holm(p["difference"]) < 0.05
    }
    assert 0 < len(shown) < 6
    printed = cli("compare", *(r.path for r in folders.values()), "--resamples", "600",
                  "--format", "md").out.splitlines()  # fmt: skip
    (head,) = [n for n, line in enumerate(printed) if "row less column" in line]
    for row, line in zip(order, printed[head + 2 : head + 6], strict=True):
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        for column, cell in zip(order, cells, strict=True):
            if row == column:
                assert cell == ""
                continue
            less = columns[row].mean() - columns[column].mean()
            assert float(cell.strip("\\*")) == pytest.approx(less, abs=0.06)
            assert ("*" in cell) == (frozenset((row, column)) in shown)
