"""Every kind of metric, compared: numbers by the formulas, verdicts by the rules, as printed."""

from __future__ import annotations

import numpy as np
import pytest
from support import reading, textbook
from support.made_runs import FAILURES, MadeScorer, MadeTask, Value, normal, write_run
from support.matrix import COUNT, GROUPS, JUDGING, NAMES, SCORERS, TASKS, made_pair

HEADLINES = [f"{TASKS[n // 4]}.listener.{name}" for n, name in enumerate(JUDGING)]
"""Half of them of each task: with more than eight, nothing could be shown by nine clusters."""
NONE, FEW, MANY = (0, 0), (1, 2), (2, 9)
"""Items without a score: inside and beyond 5 % of 54."""
MARGIN = 0.6


def near(value):
    """Equal but for rounding; None is None."""
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def compared(cli, pair, *options):
    done = cli("compare", pair.base.path, pair.candidate.path, "--format", "json", *options)
    assert done.code == 0, done.err
    return done.out


def margins(names=HEADLINES, factor=1.0):
    """A margin for each metric, wider for those on wider scales."""
    wide = {"kind": 20, "rude": 20, "total": 10}
    return ",".join(f"{n}={factor * MARGIN * wide.get(n.split('.')[2], 1)}" for n in names)


def margin_of(name, factor=1.0):
    return float(margins([name], factor).partition("=")[2])


@pytest.mark.parametrize(
    ("way", "lost"), [("refused", NONE), *((w, n) for w in FAILURES for n in (FEW, MANY))]
)
def test_each_metric_has_the_numbers_of_the_formulas(cli, tmp_path, way, lost):
    pair = made_pair(tmp_path, way=way, lost=lost, gain=0.3, seed=sum(lost) + len(way))
    found = reading.differences(compared(cli, pair))
    assert set(found) == set(pair.metrics)
    for name, known in pair.metrics.items():
        wanted, got = textbook.expected(known), found[name]
        assert reading.change(got) == near(wanted.difference), name
        assert reading.interval(got) == near(wanted.interval), name
        assert reading.means(got) == near((wanted.base, wanted.candidate)), name
        assert reading.p_of(got) == near(wanted.p), name
        assert reading.p_t(got) == near(wanted.p_t), name
        assert reading.counted(got) == (wanted.n, wanted.groups), name
        assert reading.unscored(got) == known.lost, name
        assert got["worst_case"] == near(wanted.worst_case), name
        assert got["too_unscored"] == textbook.lacks(known), name


@pytest.mark.parametrize("lost", [NONE, FEW, MANY, (9, 0)])
@pytest.mark.parametrize(("gain", "factor"), [(-1.2, 1), (-0.5, 1), (0, 1), (0, 3), (0.9, 1)])
def test_verdicts_are_those_of_the_rules_whatever_direction_and_unit(
    cli, tmp_path, lost, gain, factor
):
    pair = made_pair(tmp_path, lost=lost, gain=gain, way="unparsed", seed=3 + sum(lost))
    options = ("--metrics", ",".join(HEADLINES), "--margin", margins(factor=factor))
    found = reading.differences(compared(cli, pair, *options))
    wanted = {name: textbook.expected(pair.metrics[name]) for name in HEADLINES}
    adjusted = textbook.holm({name: wanted[name].p for name in HEADLINES})
    words = set()
    for name in HEADLINES:
        known, got, margin = pair.metrics[name], found[name], margin_of(name, factor)
        assert reading.p_holm(got) == near(adjusted[name]), name
        word = textbook.verdict(known, wanted[name], margin, adjusted[name])
        words.add(word)
        assert got["verdict"] == word, name
        assert got["not_worse_by_margin"] == textbook.safe(known, wanted[name], margin), name
        assert got["margin"] == pytest.approx(margin)
    assert list(found)[: len(HEADLINES)] == HEADLINES, "the headlines come first"
    assert {name for name, d in found.items() if d["headline"]} == set(HEADLINES)
    if lost == NONE:
        strong = {-1.2: "worse", 0.9: "better"}.get(gain)
        assert strong is None or strong in words


def test_a_fall_that_is_shown_alone_is_not_shown_among_many(cli, tmp_path):
    """p is under 0.05 by itself and not among eight: only then is the adjustment seen."""
    pair = made_pair(tmp_path, gains={"warmth": -0.45}, seed=12)
    name = HEADLINES[0]
    alone = reading.differences(compared(cli, pair, "--metrics", name))[name]
    among = reading.differences(compared(cli, pair, "--metrics", ",".join(HEADLINES)))[name]
    assert reading.p_of(alone) == reading.p_of(among) < 0.05
    assert (alone["verdict"], among["verdict"]) == ("worse", "inconclusive")
    assert reading.p_holm(among) > 0.05 > reading.p_holm(alone)


def test_unless_some_are_named_the_first_metric_with_a_direction_is_the_headline(cli, tmp_path):
    pair = made_pair(tmp_path, gain=-1)
    found = reading.differences(compared(cli, pair, "--margin", "0.3"))
    heads = [f"{task}.listener.{JUDGING[0]}" for task in TASKS]
    assert [name for name, d in found.items() if d["headline"]] == heads
    assert {name for name, d in found.items() if d["verdict"] is not None} == set(heads)
    assert {name for name, d in found.items() if d["margin"] is not None} == set(heads)
    assert all(reading.p_holm(d) is None for name, d in found.items() if name not in heads)
    adjusted = textbook.holm({name: reading.p_of(found[name]) for name in heads})
    assert {n: reading.p_holm(found[n]) for n in heads} == pytest.approx(adjusted)


@pytest.mark.parametrize("way", FAILURES)
def test_failures_are_counted_by_their_kind(cli, tmp_path, way):
    lost = (2, 7)
    printed = compared(cli, made_pair(tmp_path, way=way, lost=lost))
    answer, score = FAILURES[way]
    seen = {kind: (r["base"], r["candidate"]) for (t, kind), r in reading.rates(printed).items()
            if t == TASKS[0]}  # fmt: skip
    kinds = {"unparsed"} | {f"{name}: {score}" for name in SCORERS}
    kinds |= {answer} - {"ok"}
    percents = tuple(100 * count / COUNT for count in lost)
    assert seen == {kind: pytest.approx(percents) for kind in kinds}


@pytest.mark.parametrize("gain", [-1.0, 1.0])
def test_parts_have_the_numbers_of_the_formulas(cli, tmp_path, gain):
    pair = made_pair(tmp_path, gain=gain, part=range(18), lost=(1, 1))
    names = [f"talks.listener.{n}" for n in ("coldness", "rude", "total")]
    printed = compared(cli, pair, "--metrics", ",".join(names))
    found = reading.slices(printed)
    assert {key[0] for key in found} == set(names)
    for name in names:
        for index, value in enumerate(("first", "second", "third")):
            rows = range(18 * index, 18 * (index + 1))
            wanted = textbook.expected(pair.metrics[name], rows)
            got = found[name, "part", value]
            assert reading.change(got) == near(wanted.difference)
            assert reading.interval(got) == near(wanted.interval)
            assert got["p"] == near(wanted.p_t)
            assert reading.counted(got) == (wanted.n, wanted.groups)
            assert got["items"] == 18


@pytest.mark.parametrize("unit", ["points", "percent"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_the_reach_of_repeats_is_that_of_the_difference_of_two(cli, tmp_path, unit, repeats):
    columns = [np.array(normal(COUNT, seed, 5)) for seed in range(repeats + 2)]
    if unit == "percent":
        columns = [(column > 5) * 1.0 for column in columns]
    columns[1][:2] = np.nan  # items that one repeat lacks count in none
    runs = [
        write_run(
            tmp_path / str(n),
            [MadeTask("talks", NAMES, [MadeScorer("judge", [value])], GROUPS)],
        )
        for n, column in enumerate(columns)
        for value in [Value("v", [None if np.isnan(x) else x for x in column], unit=unit)]
    ]
    base, *again, candidate = (run.path for run in runs)
    done = cli("compare", base, candidate, "--format", "json", "--repeat-of", *again)
    (found,) = reading.noise(done.out)
    scale = 100 if unit == "percent" else 1
    means = [scale * column[2:].mean() for column in columns[: repeats + 1]]
    assert found["runs"] == repeats + 1
    assert found["sd"] == pytest.approx(np.std(means, ddof=1))
    assert found["reach"] == pytest.approx(textbook.reach(means))


@pytest.mark.parametrize("way", ["refused", "missing"])
def test_the_text_says_the_same_as_the_json(cli, tmp_path, way):
    pair = made_pair(tmp_path, gain=-1.0, lost=MANY, way=way)
    paths = (pair.base.path, pair.candidate.path)
    options = ("--metrics", ",".join(HEADLINES), "--margin", margins())
    found = reading.differences(cli("compare", *paths, *options, "--format", "json").out)
    rows = table(cli("compare", *paths, *options, "--all", "--format", "csv").out)
    assert {f"{row['task']}.{row['metric']}" for row in rows} == set(found)
    for row in rows:
        name = f"{row['task']}.{row['metric']}"
        d, known = found[name], pair.metrics[name]
        assert float(row["difference"]) == pytest.approx(reading.change(d), abs=0.06, rel=0.01)
        means = [float(row["base"]), float(row["candidate"])]
        assert means == pytest.approx(reading.means(d), abs=0.06, rel=0.01)
        assert row["n"] == f"{reading.counted(d)[0]} of {COUNT}"
        shown = d["verdict"]
        if shown is None or known.higher_is_better is None:
            shown = "-"
        elif d["too_unscored"] and shown == "inconclusive":
            shown = "cannot be told"
        assert row["verdict"] == shown


def table(printed):
    import csv
    import io

    return list(csv.DictReader(io.StringIO(printed)))
