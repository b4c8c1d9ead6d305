"""A finished run is what it was finished with, and what it has no answer to has no score."""

from __future__ import annotations

import json

import msgspec
import pytest
from support.made_runs import make_run, normal

import empeval
from empeval import Run, RunFolderError, UsageError
from empeval.comparing.two import compare
from empeval.records import LARGEST_VALUE

SAID = {"mini-01#2": "I am so sorry.", "mini-01#4": "That is hard. What now?"}


@pytest.fixture
def finished(tmp_path):
    """A run that empeval itself finished, and another one to hold it against."""
    runs = []
    for name, more in (("base", ""), ("candidate", " Tell me more.")):
        path = tmp_path / f"{name}.jsonl"
        rows = [json.dumps({"id": i, "response": text + more}) for i, text in SAID.items()]
        path.write_text("\n".join(rows))
        runs.append(empeval.run(f"replay:{path}", ["ed-mini"], ["surface"], out=tmp_path / name))
    return runs


def lines_changed(path, change):
    """Change each line of a file as an object."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(row)) + "\n" for row in rows))


def better(row):
    return {**row, "values": {name: 2 * value for name, value in row["values"].items()}}


CHANGES = {
    "scores/ed-mini/surface.jsonl": better,
    "metrics.json": lambda row: {**row, "metrics": row["metrics"][:1]},
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("side", [0, 1])
def test_scores_and_metrics_that_were_changed_are_refused(cli, finished, tmp_path, name, side):
    path = finished[side].path / name
    (tmp_path / "gate.toml").write_text('[[headline]]\nmetric = "words"\nmargin = 1.0\n')
    base, candidate = (run.path for run in finished)
    gate = ("gate", candidate, "--baseline", base, "--policy", "gate.toml")
    assert "was changed" not in cli(*gate).err
    if name == "metrics.json":
        path.write_text(json.dumps(CHANGES[name](json.loads(path.read_text()))))
    else:
        lines_changed(path, CHANGES[name])
    for words in (gate, ("compare", base, candidate), ("report", base, candidate, "-o", "r.html")):
        for more in ((), ("--partial",)):
            found = cli(*words, *more)
            assert found.code == 2, words
            assert f"{path} was changed after the run was finished" in found.err


def test_a_run_that_was_scored_anew_is_as_good_as_before(cli, finished):
    base, candidate = finished
    lines_changed(candidate.scores_path("ed-mini", "surface"), better)
    candidate.scores_path("ed-mini", "surface").unlink()
    assert cli("score", candidate.path, "--scorers", "surface").code == 0
    assert compare(base, Run(candidate.path), resamples=200).differences


def test_a_score_of_an_item_without_an_answer_does_not_count(tmp_path):
    values = normal(40, 1, 5)
    base = make_run(tmp_path / "base", values)
    candidate = make_run(tmp_path / "candidate", values)
    path = candidate.responses_path("talks")
    lines_changed(path, lambda row: row | ({"status": "missing"} if int(row["id"]) < 4 else {}))
    result = compare(base, Run(candidate.path), margins=0.5, resamples=200)
    (d,) = result.differences
    assert (d.sides.candidate.unscored, d.change.n, d.verdict) == (4, 36, "inconclusive")
    assert d.too_unscored
    (rate,) = [r for r in result.rates if r.kind == "unparsed"]
    assert rate.candidate == pytest.approx(10)


def test_a_metric_by_a_scorer_that_the_manifest_does_not_name_is_none(tmp_path):
    base, candidate = (make_run(tmp_path / name, normal(40, 1, 5)) for name in ("base", "new"))
    candidate.write_manifest(msgspec.structs.replace(candidate.manifest, scorers={}))
    with pytest.raises(UsageError, match="No metric 'warmth' can be compared here"):
        compare(base, Run(candidate.path), metrics=["warmth"], resamples=200)


@pytest.mark.parametrize("value", [1e150, -1e150, 2 * LARGEST_VALUE])
def test_a_value_that_no_sum_can_hold_counts_as_none(tmp_path, value):
    values = normal(40, 1, 5)
    base = make_run(tmp_path / "base", values)
    candidate = make_run(tmp_path / "candidate", [value, *values[1:]])
    (d,) = compare(base, candidate, margins=0.5, resamples=200).differences
    assert (d.sides.candidate.unscored, d.change.n) == (1, 39)
    assert d.change.value == pytest.approx(0)


def test_what_is_sealed_is_named_by_its_path(finished):
    run = finished[0]
    assert set(run.manifest.sealed) == {"metrics.json", "scores/ed-mini/surface.jsonl"}
    (run.path / "metrics.json").write_text('{"schema": 1, "metrics": []}')
    with pytest.raises(RunFolderError, match=r"metrics\.json was changed"):
        compare(run, finished[1])


NEVER = {
    "scores/ed-mini/surface.jsonl": better,
    "responses/ed-mini.jsonl": lambda row: {**row, "response": "Edited."},
    "metrics.json": lambda row: {**row, "metrics": row["metrics"][:1]},
}


@pytest.mark.parametrize("name", NEVER)
def test_what_was_changed_is_never_sealed_anew(cli, finished, tmp_path, name):
    """Scoring such a folder again, by the same scorers or by more, makes nothing of it good."""
    _, candidate = (run.path for run in finished)
    path = candidate / name
    if name == "metrics.json":
        path.write_text(json.dumps(NEVER[name](json.loads(path.read_text()))))
    else:
        lines_changed(path, NEVER[name])
    sealed = (candidate / "run.json").read_text()
    (tmp_path / "more.py").write_text(
        "import empeval\n\n\n@empeval.scorer\ndef more(sample):\n    return 1\n"
    )
    again = ("run", "--model", f"replay:{tmp_path / 'candidate.jsonl'}", "--tasks", "ed-mini",
             "--out", candidate)  # fmt: skip
    for words in (
        ("score", candidate, "--scorers", "surface"),
        ("score", candidate, "--scorers", "more.py:more"),
        (*again, "--scorers", "surface"),
        (*again, "--scorers", "surface,more.py:more"),
    ):
        found = cli(*words)
        assert (found.code, f"{name} was changed" in found.err) == (2, True), words
    assert (candidate / "run.json").read_text() == sealed
    found = cli("show", candidate)
    assert (found.code, f"{name} was changed" in found.err) == (2, True)
    if name != "metrics.json":  # also where the metrics are gone
        (candidate / "metrics.json").unlink()
        found = cli("score", candidate, "--scorers", "surface")
        assert (found.code, f"{name} was changed" in found.err) == (2, True)


def test_a_run_of_which_scores_and_metrics_were_deleted_is_made_anew(cli, finished):
    base, candidate = finished
    path = candidate.scores_path("ed-mini", "surface")
    scores = path.read_text()
    lines_changed(path, better)
    path.unlink()
    (candidate.path / "metrics.json").unlink()
    assert cli("score", candidate.path, "--scorers", "surface").code == 0
    assert path.read_text() == scores
    assert compare(base, Run(candidate.path), resamples=200).differences
