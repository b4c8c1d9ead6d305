"""What a gate and a comparison say of runs that lack the scores of some items."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from support.made_runs import make_run, normal

from empeval import Run, Score, Source, UsageError
from empeval.comparing.many import compare_many
from empeval.comparing.two import compare
from empeval.comparing.words import sentence
from empeval.gating.policy import Policy
from empeval.gating.verdict import gate
from empeval.runs import ScorerEntry

TACT = ScorerEntry(name="tact", version="1")
COUNT = 100
WAYS = ("refused", "unparsed", "truncated", "error")


def lacking(values, count, first=0):
    """Values without the scores of so many items."""
    return [None if first <= n < first + count else v for n, v in enumerate(values)]


def policy(**fields):
    headline = [{"metric": "warmth", "margin": 0.5}]
    return msgspec.convert({"headline": headline, "resamples": 200, **fields}, Policy)


@pytest.fixture
def run(tmp_path):
    def make(name, values, **options):
        known = {"low": 0.0, "high": 10.0, "model": f"made:{name}"}
        return make_run(tmp_path / name, values, **{**known, **options})

    return make


@pytest.mark.parametrize("way", WAYS)
def test_scores_on_the_easy_items_do_not_carry_a_release(run, way):
    """Every item that has a score has the very same one, so the paired difference is 0."""
    values = normal(COUNT, 1, 5)
    candidate = run("candidate", lacking(values, 80), failed=[way] * COUNT)
    verdict = gate(candidate, run("base", values), policy())
    assert (verdict.outcome, verdict.exit_code) == ("regression", 3)
    (d,) = verdict.comparison.differences
    assert d.change.value == pytest.approx(0)
    assert d.worst_case == pytest.approx(-sum(values[:80]) / COUNT)  # as if they were 0, the end
    assert (d.sides.candidate.unscored, d.sides.candidate.items, d.sides.base.unscored) == (
        80,
        COUNT,
        0,
    )
    assert "80 of 100 items of the candidate have no score" in verdict.checks[0].said


def test_what_the_worst_case_does_not_settle_cannot_be_told_and_blocks(run):
    values = [0.4 + 0.1 * (n % 3) for n in range(COUNT)]
    base, candidate = run("base", values), run("candidate", lacking(values, 80))
    for blocks in ("block", "pass"):  # what the policy says of the inconclusive does not help
        verdict = gate(candidate, base, policy(inconclusive=blocks))
        (d,) = verdict.comparison.differences
        assert d.worst_case == pytest.approx(-sum(values[:80]) / COUNT)
        assert d.worst_case > -0.5  # the margin
        assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 4)
        assert "cannot be told" in verdict.checks[0].said


@pytest.mark.parametrize(("missing", "code"), [(0, 0), (5, 0), (6, 3), (100, 3)])
def test_the_limit_is_five_percent_of_either_side(run, missing, code):
    values = [10.0 - 0.01 * (n % 7) for n in range(COUNT)]
    verdict = gate(run("candidate", lacking(values, missing)), run("base", values), policy())
    assert verdict.exit_code == code


def test_a_base_that_cannot_be_read_shows_nothing_about_its_successor(run):
    values = normal(COUNT, 1, 5)
    base = run("base", lacking(values, 90))
    verdict = gate(run("candidate", values), base, policy())
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 4)
    empty = gate(run("fine", values), run("nothing", [None] * COUNT), policy())
    assert (empty.outcome, empty.exit_code) == ("inconclusive", 4)
    both = gate(run("no", [None] * COUNT), run("none", [None] * COUNT), policy())
    assert (both.outcome, both.exit_code) == ("inconclusive", 4)


@pytest.mark.parametrize("way", ["left out", "asked otherwise", "another limit of the base"])
def test_items_that_only_one_run_has_count_as_those_without_a_score(run, way):
    """The shared ones are all equal, and there are enough of them to show it."""
    values = normal(COUNT, 1, 5)
    few = {"values": values[:80], "ids": [str(n) for n in range(80)]}
    asked = ["Something easier?"] * 20 + [f"Question {n}?" for n in range(20, COUNT)]
    made = {
        "left out": ({}, few),
        "asked otherwise": ({}, {"questions": asked}),
        "another limit of the base": (few, {}),
    }
    base, candidate = (
        run(name, options.pop("values", values), **options)
        for name, options in zip(("base", "candidate"), made[way], strict=True)
    )
    verdict = gate(candidate, base, policy(inconclusive="pass"), partial=True)
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 4)
    assert "20 of 100 items of the" in verdict.checks[0].said
    assert "are not in the other run" in verdict.checks[0].said
    assert gate(candidate, base, policy(max_unscored=0.2), partial=True).outcome == "pass"


def test_a_policy_states_the_share(run):
    values = [1.0 + 0.01 * (n % 7) for n in range(COUNT)]
    base, candidate = run("base", values), run("candidate", lacking(values, 20))
    assert gate(candidate, base, policy()).exit_code == 4
    assert gate(candidate, base, policy(max_unscored=0.2)).exit_code == 0
    assert gate(candidate, base, policy(max_unscored=0.19)).exit_code == 4


@pytest.mark.parametrize("share", [5, -0.1])
def test_a_share_is_no_percent(cli, run, tmp_path, share):
    base = run("base", normal(20, 1))
    text = f'max_unscored = {share}\n[[headline]]\nmetric = "warmth"\nmargin = 1\n'
    (tmp_path / "gate.toml").write_text(text)
    found = cli("gate", base.path, "--baseline", base.path, "--policy", "gate.toml")
    assert found.code == 2
    assert "a share from 0 to 1" in found.err
    with pytest.raises(UsageError, match="a share from 0 to 1"):
        compare(base, base, max_unscored=share)


@pytest.mark.parametrize("source", [True, False])
def test_nothing_readable_is_a_regression_with_all_its_documents(cli, run, tmp_path, source):
    base = run("base", [5.0] * COUNT)  # no worse value is seen, and the range is open
    options = {"low": None, "high": None, "source": source}
    candidate = run("candidate", [None] * COUNT, answers=["Warm: <3"] * COUNT, **options)
    (tmp_path / "gate.toml").write_text('[[headline]]\nmetric = "warmth"\nmargin = 1\n')
    words = ("gate", candidate.path, "--baseline", base.path, "--policy", "gate.toml")
    found = cli(*words, "--junit", "gate.xml", "--markdown", "gate.md", "--json", "gate.json")
    assert found.code == 3, found.err
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    assert suite.get("failures") == "1"
    assert "100 of 100 items of the candidate" in suite.find("testcase/failure").get("message")
    assert "regression" in (tmp_path / "gate.md").read_text()
    (d,) = json.loads((tmp_path / "gate.json").read_text())["comparison"]["differences"]
    means = [d["sides"][side]["mean"] for side in ("base", "candidate")]
    assert (*means, d["change"]["value"], d["verdict"]) == (5, None, None, "worse")
    shown = cli("compare", base.path, candidate.path)
    assert shown.code == 0, shown.err
    assert "100 of 100 items of the candidate have no score" in shown.out
    report = cli("report", base.path, candidate.path, "-o", "report.html")
    assert report.code == 0, report.err
    assert "100 of 100 items of the candidate have no score" in (
        tmp_path / "report.html"
    ).read_text(encoding="utf-8")


def test_a_convention_says_itself_what_a_failed_answer_counts(run):
    """Failed answers count 0 on both sides, so both runs are alike; neither can be read."""
    values = normal(COUNT, 1, 5)
    base = run("base", lacking(values, 50), failed_as=0.0)
    candidate = run("candidate", lacking(values, 50), failed_as=0.0)
    (d,) = compare(base, candidate, margins=0.5, resamples=200).differences
    assert (d.change.n, d.change.value, d.sides.base.unscored, d.sides.candidate.unscored) == (
        COUNT,
        0,
        50,
        50,
    )
    assert (d.verdict, d.not_worse_by_margin) == ("inconclusive", False)
    worse = run("worse", lacking(values, 90), failed_as=0.0)
    (d,) = compare(base, worse, margins=0.5, resamples=200).differences
    assert d.worst_case is None
    assert d.change.value == pytest.approx(-sum(values[50:90]) / COUNT)
    assert d.verdict == "worse"


@pytest.mark.parametrize("better", [True, False])
def test_the_worst_value_is_at_the_end_that_is_bad(run, better):
    values = [4.0 + 0.1 * (n % 5) for n in range(COUNT)]
    ends = {"low": 1.0, "high": 9.0, "higher_is_better": better}
    base = run("base", values, **ends)
    candidate = run("candidate", lacking(values, 40), **ends)
    (d,) = compare(base, candidate, margins=1.0, resamples=200).differences
    end = 1.0 if better else 9.0
    filled = np.array([end] * 40 + values[40:])
    assert d.worst_case == pytest.approx(filled.mean() - np.mean(values))
    assert d.verdict == "worse"
    assert sentence(d).startswith("talks warmth: worse: 40 of 100 items of the candidate")


def test_any_way_of_having_no_score_counts_as_unparsed(run):
    values = [9.0] * COUNT
    failed = [WAYS[n % 4] for n in range(COUNT)]
    base = run("base", values)
    candidate = run("candidate", lacking(values, 4), failed=failed)
    for most, outcome in ((3.9, "regression"), (4.0, "pass")):
        limit = [{"kind": "unparsed", "most": most}]
        verdict = gate(candidate, base, policy(failures=limit))
        (check,) = [c for c in verdict.checks if c.kind == "failures"]
        assert check.outcome == outcome
        assert "4.0 % of the answers" in check.said
    finer = [{"kind": "warmth: refused", "most": 0.9}]
    assert gate(candidate, base, policy(failures=finer)).exit_code == 3


def with_tact(run, values):
    """The run with a second scorer, which scored every item."""
    run.write_manifest(
        msgspec.structs.replace(
            run.manifest,
            scorers={"talks": {**run.manifest.scorers["talks"], "tact": TACT}},
        )
    )
    with run.journal_scores("talks", "tact") as journal:
        for n, value in enumerate(values):
            journal.append(Score(str(n), values={"tact": value}))
    (warmth,) = run.metrics()
    tact = msgspec.structs.replace(
        warmth, scorer="tact", metric="tact", value=float(np.mean(values)), source=Source("tact")
    )
    run.write_metrics([warmth, tact])
    return Run(run.path)


def test_a_guardrail_does_not_rest_on_items_that_are_not_there(run):
    values = normal(COUNT, 1, 5)
    rail = [{"metric": "warmth", "margin": 1.0, "rises": "tact"}]
    base, candidate = (
        with_tact(run(name, of), [v + shift for v in values])
        for name, of, shift in (
            ("base", values, 0),
            ("candidate", lacking([v + 1 for v in values], 30), 1),
        )
    )
    verdict = gate(candidate, base, policy(guardrails=rail))
    (check,) = [c for c in verdict.checks if c.kind == "guardrail"]
    assert check.outcome == "inconclusive"


def test_of_many_runs_those_that_lack_scores_are_not_told_apart_by_the_rest(run):
    values = normal(COUNT, 1, 5)
    runs = [
        run("a", values),
        run("b", [v - 1 for v in values]),
        run("c", lacking([v + 1 for v in values], 50)),
    ]
    (matrix,) = compare_many(runs, resamples=200).matrices
    letters = {r.run.rsplit("/", 1)[-1]: r.groups for r in matrix.ranking}
    assert not set(letters["a"]) & set(letters["b"])
    assert set(letters["c"]) & set(letters["a"])
    assert set(letters["c"]) & set(letters["b"])
    assert all(
        p.difference.verdict == "inconclusive"
        for p in matrix.pairs
        if "c" in (p.base.rsplit("/", 1)[-1], p.candidate.rsplit("/", 1)[-1])
    )
