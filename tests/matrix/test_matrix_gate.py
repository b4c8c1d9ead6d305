"""Every kind of metric at the gate: exit codes and checks, by the rules written out."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from support import reading, textbook
from support.made_runs import FAILURES, MadeScorer, MadeTask, Value, write_run
from support.matrix import COUNT, GROUPS, JUDGING, NAMES, TARGETS, TASKS, Pair, made_pair

PARTS = ("first", "second", "third")
CODES = {"pass": 0, "regression": 3, "inconclusive": 4}
WIDTH = {"kind": 20.0, "rude": 20.0, "total": 10.0}
NEARLY_ALL = {
    "warmth": 9.9,
    "coldness": 9.9,
    "counted": 9.9,
    "kind": 99.0,
    "rude": 99.0,
    "total": 99.0,
}
"""Nearly the whole scale of a metric; the others' are open."""
"""How much wider than a point a metric's scale is."""


def toml(**fields):
    """A policy: plain fields first, then the tables."""
    plain = [f"{k} = {json.dumps(v)}" for k, v in fields.items() if not isinstance(v, list)]
    tables = [
        f"[[{key}]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in row.items())
        for key, rows in fields.items()
        if isinstance(rows, list)
        for row in rows
    ]
    return "\n".join(["resamples = 600", *plain, *tables])


def asked(cli, tmp_path, pair, **fields):
    """The exit code, and what the gate says as JSON."""
    (tmp_path / "gate.toml").write_text(toml(**fields))
    done = cli("gate", pair.candidate.path, "--baseline", pair.base.path, "--policy", "gate.toml",
               "--json", "gate.json", "--junit", "gate.xml")  # fmt: skip
    verdict = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert done.code == verdict["exit_code"] == CODES[verdict["outcome"]], done.err
    return done.code, verdict


def headline(known, margin=0.6, **more):
    return {"metric": known.name, "margin": margin * WIDTH.get(known.metric, 1.0), **more}


def lenient(known):
    """A headline that hardly anything can fail."""
    return {"metric": known.name, "margin": NEARLY_ALL.get(known.metric, 50.0)}


@pytest.mark.parametrize("metric", JUDGING)
@pytest.mark.parametrize("gain", [-1.3, -0.4, 0.0, 1.0])
def test_a_headline_holds_or_not_whatever_direction_and_unit(cli, tmp_path, metric, gain):
    pair = made_pair(tmp_path, gain=gain, noise=0.6, seed=5)
    known = pair.of(metric)
    wanted = headline(known)
    found = textbook.expected(known)
    outcome = textbook.outcome(known, found, wanted["margin"], found.p)
    code, verdict = asked(cli, tmp_path, pair, headline=[wanted])
    assert reading.checks(verdict, "headline") == {known.name: outcome}
    assert code == CODES[outcome]
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    counts = {"pass": "000", "regression": "100", "inconclusive": "010"}[outcome]
    assert "".join(suite.get(k) for k in ("failures", "errors", "skipped")) == counts
    (case,) = suite.iter("testcase")
    assert (case.get("classname"), case.get("name")) == ("empeval.headline", known.name)
    if gain in (-1.3, 1.0):
        assert outcome == ("regression" if gain < 0 else "pass")


@pytest.mark.parametrize("metric", ["warmth", "rude"])
def test_what_cannot_be_told_blocks_unless_the_policy_lets_it_pass(cli, tmp_path, metric):
    pair = made_pair(tmp_path, noise=2.0, seed=5)
    wanted = headline(pair.of(metric), margin=0.1)
    for word, code in (("block", 4), ("pass", 0)):
        done, verdict = asked(cli, tmp_path, pair, headline=[wanted], inconclusive=word)
        assert list(reading.checks(verdict, "headline").values()) == ["inconclusive"]
        assert done == code


@pytest.mark.parametrize("gain", [-1.5, 0.0, 1.5])
@pytest.mark.parametrize("metric", ["coldness", "kind"])
def test_an_improvement_must_be_shown_where_it_is_asked_for(cli, tmp_path, gain, metric):
    pair = made_pair(tmp_path, gain=gain, noise=0.6, seed=2)
    wanted = headline(pair.of(metric), must="improve")
    code, _ = asked(cli, tmp_path, pair, headline=[wanted])
    assert code == {-1.5: 3, 0.0: 4, 1.5: 0}[gain]


@pytest.mark.parametrize("way", FAILURES)
@pytest.mark.parametrize("metric", ["warmth", "rude", "haste", "counted"])
def test_nothing_that_lacks_scores_passes(cli, tmp_path, way, metric):
    """The candidate is far better on what it answers; a third of the items it does not answer."""
    pair = made_pair(tmp_path, way=way, lost=(0, COUNT // 3), gain=2.0, noise=0.2, seed=8)
    known = pair.of(metric)
    found = textbook.expected(known)
    for wanted in (headline(known, 0.1), lenient(known)):
        outcome = textbook.outcome(known, found, wanted["margin"], found.p)
        assert outcome != "pass"
        for word in ("block", "pass"):
            code, _ = asked(cli, tmp_path, pair, headline=[wanted], inconclusive=word)
            assert code == CODES[outcome]
        code, _ = asked(cli, tmp_path, pair, headline=[wanted], max_unscored=0.34)
        assert (code == 0) == (metric != "counted" or wanted["margin"] == 9.9), (
            "unless the policy allows it"
        )


@pytest.mark.parametrize("way", FAILURES)
@pytest.mark.parametrize(
    ("lost", "code", "said"),
    [
        (
            (0, COUNT),
            3,
            "worse: 54 of 54 items of the candidate have no score: nothing it",
        ),
        ((COUNT, 0), 4, "cannot be told: 54 of 54 items of the base have no score;"),
        ((COUNT, COUNT), 4, "cannot be told: 54 of 54 items of the candidate and 54 of 54 items"),
    ],
)
def test_a_side_without_a_single_score_is_said_to_have_none(cli, tmp_path, way, lost, code, said):
    pair = made_pair(tmp_path, way=way, lost=lost)
    known = pair.of("tact")
    found, verdict = asked(cli, tmp_path, pair, headline=[headline(known, 9.0)])
    assert found == code
    assert said in reading.said(verdict, "headline")[known.name]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("count", [2, 3])
def test_five_percent_of_either_side_is_the_limit(cli, tmp_path, side, count):
    """Two of 54 items are 3.7 %, three are 5.6 %."""
    lost = (count, 0) if side == 0 else (0, count)
    pair = made_pair(tmp_path, lost=lost, gain=1.0, noise=0.2)
    code, _ = asked(cli, tmp_path, pair, headline=[headline(pair.of("tact"), 9.0)])
    assert code == (0 if count == 2 else 4)


@pytest.mark.parametrize("metric", ["warmth", "coldness", "kind", "rude", "total"])
@pytest.mark.parametrize("gain", [-3.0, 3.0])
def test_a_part_that_gets_worse_is_seen_whatever_direction_and_unit(cli, tmp_path, metric, gain):
    pair = made_pair(tmp_path, gain=gain, noise=0.2, part=range(18), seed=2)
    known = pair.of(metric)
    limit = {"by": "part", "margin": 0.4 * WIDTH.get(metric, 1.0)}
    code, verdict = asked(cli, tmp_path, pair, headline=[lenient(known)], slices=[limit])
    found = reading.checks(verdict, "slice")
    outcomes = textbook.parts(known, PARTS, limit["margin"])
    fallen = {f"{metric}, part = {value}": o for value, o in outcomes.items() if o != "pass"}
    assert found == (fallen or {"by part": "pass"})
    assert code == (3 if "regression" in fallen.values() else 4 if fallen else 0)
    assert outcomes["first"] == ("regression" if gain < 0 else "pass")
    if not fallen:
        moved = {v: textbook.expected(known, textbook.rows_of(PARTS, v)) for v in PARTS}
        worst = min(PARTS, key=lambda value: known.sign * moved[value].difference)
        assert f"the worst of 3 parts is {worst}:" in reading.said(verdict, "slice")["by part"]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("unit", ["points", "percent"])
def test_a_part_of_which_every_item_falls_alike_is_no_chance(cli, tmp_path, unit, up):
    """Nothing varies in it, so that no t can be made: it is not let through for that."""
    good, bad = (1.0, 0.0) if up else (0.0, 1.0)
    sides = {"base": [good] * COUNT, "candidate": [bad] * 18 + [good] * 36}
    runs = [
        write_run(
            tmp_path / name,
            [MadeTask("talks", NAMES, [MadeScorer("judge", [value])], GROUPS, targets=TARGETS)],
        )
        for name, of in sides.items()
        for value in [Value("mark", of, unit=unit, higher_is_better=up)]
    ]
    limit = {"by": "part", "margin": 0.5}
    first = [{"metric": "mark", "margin": 90.0}]
    code, verdict = asked(cli, tmp_path, Pair(*runs, {}), headline=first, slices=[limit],
                          inconclusive="pass")  # fmt: skip
    assert reading.checks(verdict, "slice") == {"mark, part = first": "regression"}
    assert code == 3


def test_parts_that_are_too_small_are_named_and_cannot_be_told(cli, tmp_path):
    pair = made_pair(tmp_path, gain=1.0)
    first = [headline(pair.of("tact"), 9.0)]
    limit = {"by": "part", "margin": 0.5, "least": 19}
    code, verdict = asked(cli, tmp_path, pair, headline=first, slices=[limit])
    assert reading.checks(verdict, "slice") == {"by part": "inconclusive"}
    assert reading.said(verdict, "slice")["by part"] == (
        "no part can be judged. Too small to be looked at, with fewer than 19 items or 5 "
        "clusters: first (18), second (18), third (18)."
    )
    assert code == 4
    code, _ = asked(cli, tmp_path, pair, headline=first, slices=[limit | {"least": 18}])
    assert code == 0


def test_a_fall_of_a_part_that_is_not_shown_cannot_be_told(cli, tmp_path):
    pair = made_pair(tmp_path, noise=2.0, seed=21)
    known = pair.of("warmth")
    parts = {v: textbook.expected(known, textbook.rows_of(PARTS, v)) for v in PARTS}
    low = {v: part for v, part in parts.items() if part.difference < 0 and part.p_t > 0.05}
    value, part = min(low.items(), key=lambda item: item[1].difference)
    limit = [{"by": "part", "margin": -0.99 * part.difference}]
    code, verdict = asked(cli, tmp_path, pair, headline=[lenient(known)], slices=limit)
    assert reading.checks(verdict, "slice")[f"warmth, part = {value}"] == "inconclusive"
    assert code == 4
    interval = "{:.3f} to {:.3f}".format(*part.interval)
    assert reading.said(verdict, "slice")[f"warmth, part = {value}"] == (
        f"{part.difference:.3f} (95 % interval {interval}, 18 items); the limit is "
        f"{limit[0]['margin']:.3f}. It may be chance."
    )
    wider = [{"by": "part", "margin": -1.01 * part.difference}]
    code, verdict = asked(cli, tmp_path, pair, headline=[lenient(known)], slices=wider)
    assert reading.checks(verdict, "slice") == {"by part": "pass"}


@pytest.mark.parametrize("kept", ["warmth", "coldness", "kind", "rude"])
@pytest.mark.parametrize("rises", ["tact", "haste"])
def test_a_guardrail_stops_what_is_paid_for(cli, tmp_path, kept, rises):
    """``rises`` gets better in every case but one, in whatever direction that is."""
    rail = {"metric": f"talks.listener.{kept}", "margin": 0.3 * WIDTH.get(kept, 1.0),
            "rises": f"talks.listener.{rises}"}  # fmt: skip
    for number, (of_kept, of_rises, outcome) in enumerate(
        [(-1.5, 1.0, "regression"), (1.0, 1.0, "pass"), (-1.5, -1.0, "pass")]
    ):
        gains = {kept: of_kept, rises: of_rises}
        pair = made_pair(tmp_path / str(number), gains=gains, noise=0.3, seed=6)
        first = lenient(pair.of("total"))
        code, verdict = asked(cli, tmp_path, pair, headline=[first], guardrails=[rail])
        name = f"{rail['metric']} while {rail['rises']} rises"
        assert reading.checks(verdict, "guardrail") == {name: outcome}, (of_kept, of_rises)
        assert code == CODES[outcome]


@pytest.mark.parametrize(("lost", "code"), [(18, 4), (1, 0)])
def test_a_guardrail_without_enough_scores_blocks_whatever_the_policy_says(
    cli, tmp_path, lost, code
):
    dice = np.random.default_rng(3)
    sides = {"base": (0.0, 0), "candidate": (2.0, lost)}
    runs = []
    for name, (gain, missing) in sides.items():
        mark = Value("mark", list(dice.normal(5 + gain, 0.3, COUNT)), higher_is_better=True)
        kept = Value("kept", [None] * missing + [5.0] * (COUNT - missing), higher_is_better=True)
        there = ["unparsed"] * missing + ["ok"] * (COUNT - missing)
        scorers = [MadeScorer("judge", [mark]), MadeScorer("other", [kept], there)]
        runs.append(write_run(tmp_path / name, [MadeTask("talks", NAMES, scorers, GROUPS)]))
    rail = {"metric": "kept", "rises": "mark", "margin": 0.5}
    found, verdict = asked(cli, tmp_path, Pair(*runs, {}), guardrails=[rail], inconclusive="pass",
                           headline=[{"metric": "mark", "margin": 0.5}])  # fmt: skip
    assert found == code
    assert reading.checks(verdict, "headline") == {"mark": "pass"}


def test_a_fall_that_a_guardrail_sees_and_that_may_be_chance_cannot_be_told(cli, tmp_path):
    pair = made_pair(tmp_path, gains={"tact": 1.0}, noise=2.0, seed=30)
    known = next(
        f for name in ("warmth", "coldness", "kind", "rude", "haste")
        if (f := pair.of(name)).sign * textbook.expected(f).difference < 0
        and textbook.expected(f).p > 0.05
    )  # fmt: skip
    margin = 0.99 * abs(textbook.expected(known).difference)
    rail = [{"metric": known.name, "margin": margin, "rises": "talks.listener.tact"}]
    first = [lenient(pair.of("total"))]
    code, verdict = asked(cli, tmp_path, pair, headline=first, guardrails=rail)
    assert list(reading.checks(verdict, "guardrail").values()) == ["inconclusive"]
    assert code == 4
    rail[0]["margin"] = 1.02 * margin
    code, _ = asked(cli, tmp_path, pair, headline=first, guardrails=rail)
    assert code == 0


@pytest.mark.parametrize("way", FAILURES)
def test_failing_answers_have_limits_of_every_kind(cli, tmp_path, way):
    pair = made_pair(tmp_path, way=way, lost=(1, 9), noise=0.2)
    first = [headline(pair.of("tact"), 50.0)]
    answer, score = FAILURES[way]
    kinds = {"unparsed", f"listener: {score}", f"second: {score}"} | ({answer} - {"ok"})
    share, rise = 100 * 9 / COUNT, 100 * 8 / COUNT
    limits = [{"kind": k, "most": share + by} for k in sorted(kinds) for by in (0.1, -0.1)]
    limits += [{"kind": "unparsed", "rise": rise + by} for by in (0.1, -0.1)]
    fields = {"headline": first, "max_unscored": 0.5}
    _, verdict = asked(cli, tmp_path, pair, **fields, failures=limits)
    found = [c["outcome"] for c in verdict["checks"] if c["kind"] == "failures"]
    assert found == ["pass", "pass", "regression", "regression"] * (len(limits) // 2)
    for limit, code in ((limits[-2], 0), (limits[-1], 3)):
        assert asked(cli, tmp_path, pair, **fields, failures=[limit])[0] == code


def test_a_name_stands_for_the_metrics_of_every_task_and_the_worst_counts(cli, tmp_path):
    pair = made_pair(tmp_path, seed=7, gain=-0.3, noise=0.8)
    outcomes = {}
    for margin in (0.05, 0.4, 0.8, 3.0):
        metrics = [pair.of("tact", task, "second") for task in TASKS]
        found = [textbook.expected(f) for f in metrics]
        adjusted = textbook.holm({f.name: e.p for f, e in zip(metrics, found, strict=True)})
        every = [textbook.outcome(f, e, margin, adjusted[f.name])
                 for f, e in zip(metrics, found, strict=True)]  # fmt: skip
        worst = next(o for o in ("regression", "inconclusive", "pass") if o in every)
        wanted = [{"metric": "second.tact", "margin": margin}]
        _, verdict = asked(cli, tmp_path, pair, headline=wanted)
        assert reading.checks(verdict, "headline") == {"second.tact": worst}
        outcomes[margin] = worst
    assert len(set(outcomes.values())) > 1
