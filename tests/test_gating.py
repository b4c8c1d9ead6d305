"""The gate: what passes, what stops a release, what cannot be told; its documents and notes."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
from support.made_runs import MadeScorer, MadeTask, Value, make_run, normal, write_run

from empeval import Run, UsageError
from empeval.gating.documents import junit, markdown
from empeval.gating.passed import read_note
from empeval.gating.policy import Guardrail, Headline, Policy, read_policy
from empeval.gating.verdict import gate
from empeval.schemas import schema

EMOTIONS = [{"emotion": ("sad", "proud", "angry")[n % 3]} for n in range(120)]
POLICY = """
[[headline]]
metric = "warmth"
margin = 0.5
"""
PASSED = json.dumps(
    {
        "schema": 1,
        "outcome": "pass",
        "when": "2026-01-01T00:00:00+00:00",
        "base": "b",
        "policy": "p",
    }
)
SHIFTS = {"worse": -1.0, "equal": 0.0, "better": 1.0, "slightly": -0.15}


@pytest.fixture
def run(tmp_path):
    def make(name, shift=0.0, seed=2, spread=0.3, **options):
        base = normal(120, 1, 5)
        values = [b + shift + e for b, e in zip(base, normal(120, seed, 0, spread), strict=True)]
        values = options.pop("values", values)
        return make_run(tmp_path / "empeval-runs" / name, values, targets=EMOTIONS, **options)

    return make


@pytest.fixture
def policy(tmp_path):
    def write(text=POLICY):
        path = tmp_path / "gate.toml"
        path.write_text("resamples = 500\n" + text)
        return path

    return write


@pytest.mark.parametrize(
    ("shift", "code", "outcome"),
    [
        (-1.0, 3, "regression"),
        (0.0, 0, "pass"),
        (1.0, 0, "pass"),
        (-0.15, 0, "pass"),  # worse, but shown to be less than the margin
        (-0.5, 3, "regression"),  # worse, and not shown to be less than the margin
    ],
)
def test_the_exit_code_says_what_the_policy_says(cli, run, policy, shift, code, outcome):
    base, candidate = run("base"), run("candidate", shift, seed=3)
    found = cli(
        "gate", str(candidate.path), "--baseline", str(base.path), "--policy", str(policy())
    )
    assert found.code == code, found.out
    assert found.out.strip().endswith(outcome)


def test_what_cannot_be_told_blocks_as_the_policy_decides(cli, run, policy):
    base, candidate = run("base"), run("candidate", -0.3, seed=3, spread=3.0)
    words = ("gate", str(candidate.path), "--baseline", str(base.path), "--policy")
    found = cli(*words, str(policy()))
    assert found.code == 4
    assert "inconclusive" in found.out
    assert cli(*words, str(policy('inconclusive = "pass"\n' + POLICY))).code == 0


def test_an_improvement_that_is_asked_for_must_be_shown(run, policy):
    path = policy(POLICY + 'must = "improve"\n')
    base = run("base")
    for name, shift, outcome in (
        ("better", 1.0, "pass"),
        ("equal", 0.0, "inconclusive"),
        ("worse", -1.0, "regression"),
    ):
        verdict = gate(run(name, shift, seed=3), base, read_policy(path))
        assert verdict.outcome == outcome


def test_a_part_that_falls_stops_a_release_that_is_better_on_the_whole(run, policy):
    base = run("base")
    values = [s.values["warmth"] for s in base.scores("talks", "warmth")]
    moved = [v + (-2 if t["emotion"] == "sad" else 2) + e
             for v, t, e in zip(values, EMOTIONS, normal(120, 9, 0, 0.2), strict=True)]  # fmt: skip
    text = POLICY + '[[slices]]\nby = "emotion"\nmargin = 0.5\n'
    verdict = gate(run("candidate", values=moved), base, read_policy(policy(text)))
    checks = {(c.kind, c.name): c.outcome for c in verdict.checks}
    assert checks[("headline", "warmth")] == "pass"
    assert checks[("slice", "warmth, emotion = sad")] == "regression"
    assert verdict.exit_code == 3
    fine = gate(run("fine", 0.1, seed=5), base, read_policy(policy(text)))
    assert [c.outcome for c in fine.checks] == ["pass", "pass"]


def test_failing_answers_have_limits_of_their_own(run, policy):
    base = run("base")
    values = [None if n < 12 else v for n, v in enumerate(normal(120, 1, 5))]
    candidate = run("candidate", values=values)
    for limits, outcome in (
        ('kind = "warmth: unparsed"\nmost = 5.0\n', "regression"),
        ('kind = "warmth: unparsed"\nrise = 2.0\n', "regression"),
        ('kind = "warmth: unparsed"\nmost = 15.0\n', "pass"),
        ('kind = "truncated"\nmost = 0.0\n', "pass"),
    ):
        verdict = gate(candidate, base, read_policy(policy(POLICY + "[[failures]]\n" + limits)))
        (check,) = [c for c in verdict.checks if c.kind == "failures"]
        assert check.outcome == outcome, limits


def test_documents_are_written_and_are_what_they_say(cli, run, policy, tmp_path):
    base, candidate = run("base"), run("candidate", -1.0, seed=3, model="made:<script>|x")
    files = ("--junit", "out/gate.xml", "--markdown", "out/gate.md", "--json", "out/gate.json")
    found = cli("gate", str(candidate.path), "--baseline", str(base.path), "--policy",
                str(policy()), *files)  # fmt: skip
    assert found.code == 3
    suite = ElementTree.parse(tmp_path / "out" / "gate.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite.find("testcase/failure").get("message").startswith("talks warmth: worse by")
    text = (tmp_path / "out" / "gate.md").read_text()
    assert "❌ regression" in text
    verdict = json.loads((tmp_path / "out" / "gate.json").read_text())
    jsonschema.validate(verdict, schema("gate"))
    jsonschema.validate(verdict["comparison"], schema("comparison"))
    assert verdict["exit_code"] == 3


@pytest.mark.parametrize(
    ("option", "kept_file"),
    [("--junit", "run.json"), ("--markdown", "responses/talks.jsonl"), ("--json", "GATE.json")],
)
def test_no_document_overwrites_what_a_run_keeps(cli, run, policy, option, kept_file):
    base, candidate = run("base"), run("candidate", -1.0, seed=3)
    kept = {p: p.read_bytes() for p in candidate.path.rglob("*") if p.is_file()}
    found = cli("gate", str(candidate.path), "--baseline", str(base.path), "--policy",
                str(policy()), option, str(candidate.path / kept_file))  # fmt: skip
    assert found.code == 2
    assert f"{option} {candidate.path / kept_file} would overwrite" in found.err
    assert kept == {p: p.read_bytes() for p in candidate.path.rglob("*") if p.is_file()}
    page = cli("report", str(base.path), "--out", str(candidate.path / kept_file))
    assert (page.code, "would overwrite" in page.err) == (2, True)


def test_text_of_others_cannot_break_out_of_the_documents(run):
    policy = msgspec.convert({"headline": [{"metric": "warmth", "margin": 1}]}, Policy)
    verdict = gate(run("candidate", 1.0, seed=3), run("base"), policy)
    evil = "a | b <img src=x onerror=alert(1)> [x](http://y) \x00 & `c`"
    checks = [msgspec.structs.replace(verdict.checks[0], name=evil, said=evil)]
    evil_verdict = msgspec.structs.replace(verdict, checks=checks)
    (row,) = [x for x in markdown(evil_verdict).splitlines() if "img" in x]
    assert "<img" not in row
    assert row.replace("\\|", "").count("|") == 4
    case = ElementTree.fromstring(junit(evil_verdict)).find("testcase")
    assert "onerror" in case.get("name")


def test_inconclusive_checks_are_errors_when_they_block_and_skipped_when_not(run):
    base, candidate = run("base"), run("candidate", -0.3, seed=3, spread=3.0)
    fields = {"headline": [{"metric": "warmth", "margin": 0.5}], "resamples": 500}
    for decision, kind in (("block", "error"), ("pass", "skipped")):
        policy = msgspec.convert({**fields, "inconclusive": decision}, Policy)
        suite = ElementTree.fromstring(junit(gate(candidate, base, policy)))
        assert suite.find(f"testcase/{kind}") is not None


def test_the_latest_run_that_passed_is_found(cli, run, policy, tmp_path):
    base, first, second = run("base"), run("first", 0.3, seed=3), run("second", 0.6, seed=4)
    candidate = run("candidate", 0.7, seed=5)
    rule = ("--policy", str(policy()))
    unknown = cli("gate", str(candidate.path), "--baseline", "latest-passed", *rule)
    assert unknown.code == 2
    assert "has passed a gate" in unknown.err
    assert cli("gate", str(first.path), "--baseline", str(base.path), *rule).code == 0
    time.sleep(1.1)  # notes are dated to the second
    assert cli("gate", str(second.path), "--baseline", str(base.path), *rule).code == 0
    assert read_note(second.path).outcome == "pass"
    found = cli("gate", str(candidate.path), "--baseline", "latest-passed", *rule)
    assert found.code == 0
    assert f"base {second.path.relative_to(tmp_path)}" in found.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing required field `headline`"),
        ("headline = []\n", "needs one [[headline]]"),
        ('[[headline]]\nmetric = "warmth"\n', "missing required field `margin`"),
        ('[[headline]]\nmetric = "warmth"\nmargin = -3.0\n', "the margin is -3"),
        ('[[headline]]\nmetric = "warmth"\nmargin = 0\n', "it must be above 0"),
        (POLICY + POLICY, "'warmth' is named twice"),
        (POLICY + "mragin = 3\n", "unknown field `mragin`"),
        (POLICY + '[[slices]]\nby = "emotion"\nmargin = -1\n', "slices by emotion: the margin"),
        (POLICY + '[[failures]]\nkind = "truncated"\nmost = 120\n', "percents from 0 to 100"),
        (POLICY + '[[failures]]\nkind = "truncated"\nrise = nan\n', "percents from 0 to 100"),
        (POLICY + '[[failures]]\nkind = "truncated"\nmost = nan\n', "percents from 0 to 100"),
        (POLICY + '[[slices]]\nby = "emotion"\nmargin = nan\n', "slices by emotion: the margin"),
        (POLICY + '[[slices]]\nby = "emotion"\nmargin = inf\n', "the margin is inf; it must"),
        ("resamples = 10000000\n" + POLICY, "from 100 to 1,000,000"),
        ("seed = -1\n" + POLICY, "seed is -1"),
        ("max_unscored = nan\n" + POLICY, "max_unscored is nan"),
        ('inconclusive = "maybe"\n' + POLICY, "Invalid enum value 'maybe'"),
        ("[[headline", "is no TOML file"),
    ],
)
def test_policies_that_make_no_sense_are_refused(cli, run, tmp_path, text, message):
    base = run("base")
    (tmp_path / "gate.toml").write_text(text)
    found = cli("gate", str(base.path), "--baseline", str(base.path), "--policy", "gate.toml")
    assert found.code == 2
    assert message in found.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (POLICY.replace("warmth", "warmht"), "No metric 'warmht'"),
        (POLICY + '[[slices]]\nby = "colour"\nmargin = 1\n', "no property 'colour'"),
        (POLICY + '[[failures]]\nkind = "tired"\nmost = 5\n', "unknown kind 'tired'"),
        (POLICY + '[[guardrails]]\nmetric = "x"\nrises = "warmth"\nmargin = 1\n', "no metric 'x'"),
    ],
)
def test_policies_that_ask_for_what_the_runs_do_not_have_are_refused(run, policy, text, message):
    with pytest.raises(UsageError, match=message.replace("'", ".")):
        gate(run("candidate", seed=3), run("base"), read_policy(policy(text)))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (POLICY.replace("0.5", "4"), "talks.warmth.warmth"),
        (POLICY + '[[slices]]\nby = "emotion"\nmargin = 4\n', "parts by emotion"),
    ],
)
def test_a_margin_as_wide_as_the_scale_would_let_anything_pass(run, policy, text, named):
    scale = {"low": 1.0, "high": 5.0}
    pair = run("candidate", seed=3, **scale), run("base", **scale)
    with pytest.raises(UsageError, match=r"is 4.*4 wide: nothing could fail") as found:
        gate(*pair, read_policy(policy(text)))
    assert named in str(found.value)
    narrower = text.replace("4", "3.9")
    assert gate(*pair, read_policy(policy(narrower))).exit_code in (0, 3, 4)
    without_ends = run("open", seed=3), run("open-base")
    assert gate(*without_ends, read_policy(policy(text))).exit_code in (0, 3, 4)


def test_the_schema_of_a_policy_accepts_what_is_read(policy):
    import tomllib

    text = POLICY + '[[failures]]\nkind = "truncated"\nmost = 5.0\n'
    jsonschema.validate(tomllib.loads(text), schema("policy"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"headline": [{"metric": 3}]}, schema("policy"))


def test_runs_are_listed_shown_and_pruned(cli, run, policy, tmp_path):
    base, passed = run("base"), run("passed", 0.3, seed=3)
    run("unfinished", status="running")
    run(".hidden")
    (tmp_path / "empeval-runs" / "other").mkdir()
    assert (
        cli("gate", str(passed.path), "--baseline", str(base.path), "--policy", str(policy())).code
        == 0
    )
    listed = {row["run"]: row for row in json.loads(cli("runs", "list", "--format", "json").out)}
    assert set(listed) == {"base", "passed", "unfinished"}
    assert listed["passed"]["gate"] == "pass"
    assert "warmth" in cli("runs", "show", "base").out
    assert "Did you mean 'base'" in cli("runs", "show", "bas").err
    would = cli("runs", "prune", "--keep", "0")
    assert "would be removed" in would.out
    assert base.path.is_dir()
    assert "unfinished" in cli("runs", "prune", "--unfinished", "--yes").out
    assert cli("runs", "prune", "--keep", "0", "--yes").code == 0
    left = [p.name for p in sorted((tmp_path / "empeval-runs").iterdir())]
    assert left == [".hidden", "other", "passed"]
    assert cli("runs", "prune").code == 2
    assert cli("runs", "list", "--runs", "nowhere").code == 2


def test_a_policy_in_a_fifo_is_refused_and_one_with_a_byte_order_mark_is_read(tmp_path):
    os.mkfifo(tmp_path / "fifo.toml")
    with pytest.raises(UsageError, match=r"fifo\.toml cannot be read: it is a FIFO"):
        read_policy(tmp_path / "fifo.toml")
    (tmp_path / "marked.toml").write_text(POLICY, encoding="utf-8-sig")
    assert read_policy(tmp_path / "marked.toml").headline[0].margin == 0.5


def test_the_policy_of_the_example_is_one():
    path = Path(__file__).parents[1] / "examples" / "github-action" / "gate.toml"
    assert len(read_policy(path).headline) == 2


def test_a_run_is_no_baseline_of_itself(cli, run, policy, tmp_path):
    """It would always pass, as when a pipeline hands on yesterday's folder."""
    candidate = run("candidate")
    copy = tmp_path / "copy"
    shutil.copytree(candidate.path, copy)
    link = tmp_path / "link"
    link.symlink_to(candidate.path)
    rescored = tmp_path / "rescored"
    shutil.copytree(candidate.path, rescored)
    manifest = Run(rescored).manifest
    later = msgspec.structs.replace(manifest, finished="2027-01-01", timing={"x": 1.0}, scored={})
    Run(rescored).write_manifest(later)
    for baseline in (candidate.path, copy, link, rescored):
        found = cli(
            "gate", str(candidate.path), "--baseline", str(baseline), "--policy", str(policy())
        )
        assert found.code == 2
        assert "are one run: a run held against itself always passes" in found.err
    assert not (candidate.path / "gate.json").exists()
    (copy / "gate.json").write_text(PASSED)
    found = cli(
        *("gate", str(candidate.path), "--baseline", "latest-passed", "--policy", str(policy())),
        *("--runs", str(tmp_path)),
    )
    assert found.code == 2
    assert "has passed a gate" in found.err


def two_tasks(path, shifts, kept=(0.0, 0.0), model="made:model"):
    """A run of two tasks with metrics of the same names."""
    names = [str(n) for n in range(60)]
    tasks = []
    for index, task in enumerate(("talks", "letters")):
        values = [
            Value("warmth", [v + shifts[index] for v in normal(60, index, 5)]),
            Value("honesty", [v + kept[index] for v in normal(60, 8 + index, 5)]),
        ]
        tasks.append(MadeTask(task, names, [MadeScorer("judge", values)]))
    return write_run(path, tasks, model=model)


def test_a_task_that_the_candidate_left_out_does_not_pass(tmp_path):
    base = two_tasks(tmp_path / "base", (0, 0))
    whole = two_tasks(tmp_path / "whole", (0.1, 0.1))
    rest = write_run(
        tmp_path / "rest",
        [MadeTask("talks", [str(n) for n in range(60)],
                  [MadeScorer("judge", [Value("warmth", normal(60, 0, 5.1))])])],
    )  # fmt: skip
    wanted = Policy(headline=[Headline(metric="warmth", margin=0.5)], inconclusive="pass")
    assert gate(whole, base, wanted).outcome == "pass"
    verdict = gate(rest, base, wanted)
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 4)
    assert verdict.checks[0].said.endswith("The candidate lacks letters.judge.warmth.")
    named = Policy(headline=[Headline(metric="talks.warmth", margin=0.5)])
    assert gate(rest, base, named).outcome == "pass"


def test_one_metric_has_one_margin(run):
    """A wide margin under another name would let through what the narrow one stops."""
    wanted = Policy(
        headline=[Headline(metric="warmth", margin=0.1),
                  Headline(metric="talks.warmth.warmth", margin=50)]
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"warmth and talks\.warmth\.warmth are one metric"):
        gate(run("candidate", -1.0, seed=3), run("base"), wanted)


def test_a_guardrail_asks_every_task(tmp_path):
    base = two_tasks(tmp_path / "base", (0, 0))
    candidate = two_tasks(tmp_path / "candidate", (1, 1), (0, -2))
    wanted = Policy(
        headline=[Headline(metric="warmth", margin=0.5)],
        guardrails=[Guardrail(metric="honesty", rises="warmth", margin=0.5)],
    )
    verdict = gate(candidate, base, wanted)
    assert verdict.outcome == "regression"
    assert "letters: honesty changes by -2.000" in verdict.checks[-1].said
