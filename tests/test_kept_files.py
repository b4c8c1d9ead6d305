"""No verb writes into what a run keeps in its folder."""

from __future__ import annotations

import pytest
from support.made_runs import make_run, normal

import empeval
from empeval import RunFolderError, UsageError

FORMATS = ("csv", "parquet", "inspect", "inspect-eval", "lm-eval", "hf-eval-results")
REPLIES = '{"id": "mini-01#2", "response": "Oh."}\n'


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", normal(12, 1, 5))


def kept(run):
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["scores", "Responses/new", "turns", "judgements/x"])
def test_an_export_goes_elsewhere(cli, run, form, place):
    before = kept(run)
    found = cli("export", run.path, "--out", run.path / place, "--to", form)
    assert (found.code, "would overwrite what the run" in found.err) == (2, True)
    assert kept(run) == before


@pytest.mark.parametrize(
    "words",
    [
        ("export", "{run}", "--out", "{run}/scores/talks/a.xlsx"),
        ("report", "{run}", "-o", "r.html", "--figures", "{run}/responses"),
        ("audit", "surface", "--trials", "3", "--no-cost", "--out", "{run}/scores"),
        ("plugins", "new", "thing", "--kind", "scorer", "--out", "{run}/scores/thing"),
        ("items", "ed-mini", "-o", "{run}/responses/ed-mini.jsonl"),
        ("run", "--model", "replay:a.jsonl", "--tasks", "ed-mini", "--out", "{run}/scores/new"),
        ("score", "b.jsonl", "--scorers", "surface", "--out", "{run}/responses/new"),
    ],
)
def test_what_else_is_written_goes_elsewhere(cli, run, tmp_path, words):
    before = kept(run)
    (tmp_path / "a.jsonl").write_text(REPLIES)
    (tmp_path / "b.jsonl").write_text('{"id": "1", "context": ["Hm."], "response": "Oh."}\n')
    found = cli(*(word.format(run=run.path) for word in words))
    said = (
        "would overwrite what the run" in found.err or "is among the files of the run" in found.err
    )
    assert (found.code, said) == (2, True), found.err
    assert kept(run) == before


@pytest.mark.parametrize(
    "words",
    [
        ("eq-variants", "--model", "human:", "--task", "ed-mini", "--xlsx"),
        ("train", "prepare-ed", "--out"),
        ("train", "baseline", "--data", "ed", "--out"),
        ("train", "prepare-sft", "--out"),
    ],
)
def test_commands_of_plugins_go_elsewhere_and_say_so_at_once(cli, run, tmp_path, words):
    before = kept(run)
    place = run.path / "scores" / "made.xlsx"
    found = cli(*words, place)
    said = f"{place} would overwrite what the run"
    assert (found.code, said in " ".join(found.err.split())) == (2, True), found.err
    assert not (tmp_path / "empeval-runs").exists()
    assert kept(run) == before


def test_a_spreadsheet_of_another_ending_is_refused_before_a_model_answers(cli, tmp_path):
    found = cli("eq-variants", "--model", "human:", "--task", "ed-mini", "--xlsx", "a.txt")
    assert (found.code, "--xlsx a.txt: the name of an xlsx file" in found.err) == (2, True)
    assert not (tmp_path / "empeval-runs").exists()


def test_the_same_is_refused_from_python(run, tmp_path):
    with pytest.raises(UsageError, match="keeps; name another place"):
        empeval.export(run, run.path / "scores", "csv")
    with pytest.raises(RunFolderError, match="among the files of the run"):
        empeval.run("human:", ["ed-mini"], ["surface"], out=run.path / "responses" / "new")
    assert empeval.export(run, run.path / "tables", "csv"), "beside them is no harm"
    assert empeval.export(run, tmp_path / "scores", "csv")
