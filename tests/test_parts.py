"""Parts of the items, and what a table of many metrics or many runs decides."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from scipy import stats
from support.made_runs import make_run, normal

from empeval import Score, Source, UsageError
from empeval.comparing.many import compare_many
from empeval.comparing.two import compare
from empeval.gating.policy import Policy
from empeval.gating.verdict import gate

COUNT = 120
TARGETS = [
    {
        "emotion": ("sad", "proud")[n % 2],
        "urgent": n % 3 == 0,
        "level": n // 30,
        "key": {"form": ("plain", "long")[n % 4 == 0], "weight": 0.5 * (n % 2)},
        "speaker": f"speaker {n // 2}",
        "rare": "seldom" if n < 3 else "often",
    }
    for n in range(COUNT)
]


def policy(by, **limit):
    slices = [{"by": by, "margin": 0.5, **limit}]
    headline = [{"metric": "warmth", "margin": 0.5}]
    return msgspec.convert({"headline": headline, "slices": slices, "resamples": 200}, Policy)


@pytest.fixture
def moved(tmp_path):
    """Base and a candidate that falls by 2 where a condition holds, and rises elsewhere."""

    def make(holds, lose=()):
        noise = normal(COUNT, 9, 0, 0.1)
        base = normal(COUNT, 1, 5)
        values = [
            None if n in lose else v + e + (-2 if holds(t) else 2)
            for n, (v, e, t) in enumerate(zip(base, noise, TARGETS, strict=True))
        ]
        name = f"run-{len(list(tmp_path.iterdir()))}"
        return (
            make_run(tmp_path / f"{name}-base", base, targets=TARGETS),
            make_run(tmp_path / name, values, targets=TARGETS),
        )

    return make


@pytest.mark.parametrize(
    ("by", "value", "holds"),
    [
        ("urgent", "yes", lambda t: t["urgent"]),
        ("level", "2", lambda t: t["level"] == 2),
        ("key.form", "long", lambda t: t["key"]["form"] == "long"),
        ("key.weight", "0.5", lambda t: t["key"]["weight"] == 0.5),
    ],
)
def test_any_property_makes_parts(moved, by, value, holds):
    base, candidate = moved(holds)
    verdict = gate(candidate, base, policy(by))
    found = {c.name: c.outcome for c in verdict.checks if c.kind == "slice"}
    assert found == {f"warmth, {by} = {value}": "regression"}
    one, two = (
        {s.id: s.values["warmth"] for s in run.scores("talks", "warmth")}
        for run in (base, candidate)
    )
    change = np.array([two[str(n)] - one[str(n)] for n, t in enumerate(TARGETS) if holds(t)])
    (part,) = [s for s in verdict.comparison.slices if (s.name, s.value) == (by, value)]
    interval = stats.ttest_1samp(change, 0).confidence_interval()
    assert (part.change.n, part.items) == (len(change), len(change))
    assert part.change.value == pytest.approx(change.mean())
    assert (part.change.interval.low, part.change.interval.high) == (
        pytest.approx(interval.low),
        pytest.approx(interval.high),
    )


def test_a_part_that_is_too_small_is_named(cli, moved):
    base, candidate = moved(lambda t: False)
    verdict = gate(candidate, base, policy("rare"))
    (check,) = [c for c in verdict.checks if c.kind == "slice"]
    assert check.outcome == "pass"
    assert "Too small to be looked at, with fewer than 10 items or 5 clusters: seldom (3)." in (
        check.said
    )
    shown = cli("compare", base.path, candidate.path)
    assert "rare = seldom (3)" in shown.out
    assert "too small" in shown.out


def test_where_every_part_is_too_small_it_cannot_be_told(moved):
    base, candidate = moved(lambda t: False)
    verdict = gate(candidate, base, policy("speaker"))
    (check,) = [c for c in verdict.checks if c.kind == "slice"]
    assert (check.outcome, verdict.exit_code) == ("inconclusive", 4)
    assert "no part can be judged" in check.said
    assert "speaker 59 (2)" in check.said or "and 20 more" in check.said


def test_a_part_whose_answers_were_refused_does_not_drop_out(moved):
    """Five of 120 items have no score, few enough for the whole; all are of one part."""
    lose = (0, 1, 2, 3, 4)
    base, candidate = moved(lambda t: False, lose=lose)
    assert gate(candidate, base, policy("emotion")).checks[0].outcome == "pass"
    verdict = gate(candidate, base, policy("level"))
    found = {c.name: (c.outcome, c.said) for c in verdict.checks if c.kind == "slice"}
    outcome, said = found["warmth, level = 0"]
    assert outcome == "inconclusive"
    assert "5 of its 30 items have no score" in said
    assert verdict.exit_code == 4


def test_a_property_that_no_item_has_is_refused(moved):
    base, candidate = moved(lambda t: False)
    with pytest.raises(UsageError, match=r"no property 'colour'.*emotion"):
        gate(candidate, base, policy("colour"))


@pytest.fixture
def two_metrics(tmp_path):
    """Two runs with a second metric, that falls as much as the first rises."""
    runs = []
    for name, shift in (("base", 0.0), ("candidate", 1.0)):
        values = [v + shift for v in normal(COUNT, 1, 5)]
        run = make_run(tmp_path / name, values)
        path = run.scores_path("talks", "warmth")
        path.unlink()
        with run.journal_scores("talks", "warmth") as journal:
            for n, v in enumerate(values):
                journal.append(Score(str(n), values={"warmth": v, "tact": v - 2 * shift}))
        (first,) = run.metrics()
        second = msgspec.structs.replace(
            first, metric="tact", value=first.value - 2 * shift, source=Source("tact")
        )
        run.write_metrics([first, second])
        runs.append(run)
    return runs


def test_only_headline_metrics_get_a_verdict_wherever_it_is_shown(cli, two_metrics, tmp_path):
    base, candidate = (str(run.path) for run in two_metrics)
    text = cli("compare", base, candidate, "--all").out
    rows = {x.split()[0]: x.split()[-1] for x in text.splitlines() if x.startswith("warmth.")}
    assert rows["warmth.warmth"] == "better"
    assert rows["warmth.tact"] == "-"
    found = json.loads(cli("compare", base, candidate, "--format", "json").out)["differences"]
    assert {d["metric"]: d["verdict"] for d in found} == {"warmth": "better", "tact": None}
    assert all(d["p_values"]["sign_flips"] < 0.05 for d in found)
    assert cli("report", base, candidate, "-o", "r.html").code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count('class="better"') == page.count('class="band better"') == 1
    assert 'class="worse"' not in page
    (named,) = [
        d for d in compare(*two_metrics, metrics=["tact"]).differences if d.metric == "tact"
    ]
    assert named.verdict == "worse"


def test_a_table_of_many_runs_rests_on_one_set_of_items(tmp_path):
    values = normal(60, 1, 5)
    columns = {
        "a": values,
        "b": [None if n < 3 else v - 0.5 for n, v in enumerate(values)],
        "c": [None if n > 57 else v - 1 + 0.01 * n for n, v in enumerate(values)],
    }
    runs = [make_run(tmp_path / name, column) for name, column in columns.items()]
    (matrix,) = compare_many(runs, resamples=200).matrices
    common = range(3, 58)
    assert matrix.shared == len(common)
    means = {n: np.mean([c[i] for i in common]) for n, c in columns.items()}
    for ranked in matrix.ranking:
        assert ranked.estimate.value == pytest.approx(means[ranked.run.rsplit("/", 1)[-1]])
    assert len(matrix.pairs) == 3
    for pair in matrix.pairs:
        one, two = (means[path.rsplit("/", 1)[-1]] for path in (pair.base, pair.candidate))
        assert pair.difference.change.n == len(common)
        assert pair.difference.change.value == pytest.approx(two - one)


def test_a_run_without_a_single_value_is_named(tmp_path):
    values = normal(30, 1, 5)
    runs = [make_run(tmp_path / name, values) for name in "ab"]
    runs.append(make_run(tmp_path / "empty", [None] * 30))
    with pytest.raises(UsageError, match=r"No item of talks has a value of warmth in .*empty"):
        compare_many(runs, resamples=200)
