"""Runs side by side: joined by item, paired, and only where all of them were scored."""

from __future__ import annotations

import json

import pytest

import empeval
from empeval import UsageError, cluster_mean
from empeval_training.eq.claim import claim_tables


@pytest.fixture
def runs(at_mirror, tmp_path):
    base = empeval.run("human:", ["ed-empathy"], ["surface"], out=tmp_path / "base")
    lines = base.responses("ed-empathy")
    path = tmp_path / "answers.jsonl"
    longer = [{"id": x.id, "response": x.response + " And so on." * (n % 3)}
              for n, x in enumerate(lines)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(longer)))
    tuned = empeval.run(f"replay:{path}", ["ed-empathy"], ["surface"], out=tmp_path / "tuned")
    return {"base": base, "tuned": tuned}


def test_differences_are_paired_by_item_and_not_by_order(runs):
    means, differences = claim_tables(runs)
    words = {
        name: {s.id: s.values["words"] for s in run.scores("ed-empathy", "surface")}
        for name, run in runs.items()
    }
    clusters = {x.id: x.item.cluster for x in runs["base"].responses("ed-empathy")}
    ids = sorted(clusters)
    paired = [words["tuned"][i] - words["base"][i] for i in ids]
    mean, low, high = cluster_mean(paired, [clusters[i] for i in ids])
    assert f"{mean:.3f} [{low:.3f}, {high:.3f}] (n {len(ids)})" in differences
    assert "tuned - base" in differences
    assert "ED words" in means
    assert "EQ-Bench" not in means, "not every run has it"


def test_a_figure_that_a_run_lacks_is_a_dash(runs, tmp_path):
    runs["other"] = empeval.run("human:", ["ed-mini"], ["surface"], limit=1, out=tmp_path / "o")
    means, differences = claim_tables(runs)
    rows = {line.split("|")[1].strip(): line for line in means.splitlines()}
    assert rows["other"].split("|")[2].strip() == "-"
    assert "(n " in next(line for line in differences.splitlines() if "tuned - base" in line)
    assert "(n " not in next(line for line in differences.splitlines() if "other - base" in line)


def test_runs_that_share_nothing_are_refused(tmp_path):
    run = empeval.run("human:", ["ed-mini"], ["surface"], limit=1, out=tmp_path / "run")
    with pytest.raises(UsageError, match="share no scored items"):
        claim_tables({"one": run, "other": run})
