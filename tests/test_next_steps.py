"""A message says what to do next, and a table what its numbers are."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from support.distributions import make_distribution
from support.made_runs import make_run, normal

import empeval
from empeval import UsageError
from empeval.comparing.planning import plan
from empeval.runs import Run

HOOKS = """
from empeval import hookimpl

@hookimpl
def empeval_run_finished(event):
    pass
"""


@pytest.fixture
def run(tmp_path):
    """A run of people's replies."""
    return empeval.run("human:", ["ed-mini"], ["surface"], limit=2, out=tmp_path / "runs" / "one")


def test_rows_of_other_names_are_told_with_the_option_that_maps_them(cli, tmp_path):
    (tmp_path / "rows.csv").write_text("key,model_says\n1,Oh.\n")
    made = cli("run", "--model", "replay:rows.csv", "--tasks", "eqbench-mini")
    assert made.code == 2
    assert "row 1: needs an 'id'" in made.err
    assert "--map id=FIELD,response=FIELD" in made.err


def test_a_server_that_was_never_there_does_not_answer_no_more(cli):
    with socket.socket() as taken:  # nobody listens at a port that is only bound
        taken.bind(("127.0.0.1", 0))
        url = f"base_url=http://127.0.0.1:{taken.getsockname()[1]}/v1,backoff=0.01"
        made = cli("run", "--model", "openai:x", "--model-args", url, "--tasks", "eqbench-mini")
    assert made.code == 1
    assert "does not answer: it cannot be reached" in made.err
    assert "Is a server running there, and is base_url right?" in made.err
    assert "no more" not in made.err
    shown = cli("show", next(iter(empeval_runs())))
    assert "0 of 28 answered in 18 clusters; data: " in shown.out, "no statuses, no brackets"


def empeval_runs():
    return (str(path) for path in Path("empeval-runs").iterdir() if path.name[0] != ".")


def test_a_margin_as_wide_as_the_scale_needs_no_items(tmp_path):
    values = normal(12, 1, mean=0.5, sd=0.1)
    made = [
        make_run(tmp_path / name, [v + shift * (n % 3) for n, v in enumerate(values)],
                 low=0, high=2)
        for name, shift in (("old", 0.0), ("new", 0.1))
    ]  # fmt: skip
    assert plan(made, "talks", margin=0.5)
    with pytest.raises(UsageError, match="the whole scale of that metric is 2 wide"):
        plan(made, "talks", margin=2)


def test_a_difference_that_nobody_can_find_takes_more_than_anybody_has(cli, tmp_path):
    values = normal(12, 1)
    for name, shift in (("old", 0.0), ("new", 0.1)):
        make_run(tmp_path / "runs" / name, [v + shift * (n % 3) for n, v in enumerate(values)])
    asked = ("power", "--task", "talks", "--runs", tmp_path / "runs", "--margin", "1e-12")
    found = cli(*asked)
    assert found.code == 0
    assert "more than anybody has" in found.out
    assert "None" not in found.out


def test_a_run_is_shown_by_its_name_and_by_its_folder(cli, run):
    by_name = cli("runs", "show", "one", "--runs", run.path.parent)
    by_folder = cli("runs", "show", "runs/one")  # as every other verb takes it
    assert by_name.code == by_folder.code == 0
    assert by_name.out == by_folder.out
    assert cli("runs", "show", "runs/two", "--runs", run.path.parent).code == 2


def test_the_list_of_runs_says_when_to_the_second(cli, run):
    listed = cli("runs", "list", "--runs", run.path.parent).out
    created = run.manifest.created
    assert created[:19].replace("T", " ") in listed
    assert created[19:] not in listed
    (row,) = json.loads(cli("runs", "list", "--runs", run.path.parent, "--format", "json").out)
    assert row["created"] == created


def test_a_matrix_of_differences_says_what_its_numbers_and_stars_are(cli, tmp_path):
    for name, shift in (("one", 0.0), ("two", 0.8), ("three", -0.5)):
        make_run(tmp_path / name, [v + shift for v in normal(60, 1, mean=3)])
    made = cli("compare", *(tmp_path / name for name in ("one", "two", "three")))
    grid = made.out.partition("row less column")[2]
    assert "*" in grid
    assert "numbered by rank, as above; * these two are told apart" in grid


def test_a_mistyped_scorer_shows_no_table_of_before(cli, run):
    path = run.path / "run.json"
    path.write_text(path.read_text().replace('"complete"', '"running"'))
    assert Run(run.path).metrics()
    failed = cli("score", run.path, "--scorers", "surfaec")
    assert failed.code == 2
    assert "Did you mean 'surface'" in failed.err
    assert failed.out == ""


def test_a_run_that_did_not_end_is_not_said_to_be_running(cli, run):
    path = run.path / "run.json"
    path.write_text(path.read_text().replace('"complete"', '"running"'))
    shown, listed = cli("runs", "show", run.path), cli("runs", "list", "--runs", run.path.parent)
    for made in (shown, listed):
        assert "unfinished" in made.out
        assert "running" not in made.out
    found = cli("runs", "list", "--runs", run.path.parent, "--format", "json")
    assert json.loads(found.out)[0]["status"] == "running", "what run.json says"


def test_an_option_of_a_judge_that_is_mistyped_is_known(cli, run):
    failed = cli("score", run.path, "--scorers", "judge:openai:x?rubrik=epitome")
    assert failed.code == 2
    assert "Unknown option 'rubrik' of a judge" in failed.err
    assert "Did you mean 'rubric'" in failed.err
    assert "base_url" in failed.err, "those of the model are known, too"


def test_a_distribution_of_hooks_alone_has_its_version(cli, tmp_path, install):
    make_distribution(
        tmp_path / "more",
        "only-hooks",
        version="3.1",
        points={"empeval": {"watch": "watching"}},
        modules={"watching": HOOKS},
    )
    install(tmp_path / "more")
    found = {one["name"]: one for one in json.loads(cli("plugins", "list").out)}
    assert found["only-hooks"]["version"] == "3.1"
    assert found["only-hooks"]["hooks"] == ["watch"]


def test_a_folder_without_rated_replies_says_why_the_first_file_is_none(cli, tmp_path):
    (tmp_path / "rated").mkdir()
    (tmp_path / "rated" / "a.json").write_text("{")
    failed = cli("audit", "surface", "--ratings", "rated")
    assert failed.code == 2
    assert "holds no file of rated replies (the first was passed over: " in failed.err


def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_done(cli, run, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "gate.toml").write_text(
        '[[headline]]\nmetric = "ed-mini.surface.words"\nmargin = 1\n'
    )
    for command in (
        ("report", run.path, "-o", "folder"),
        ("items", "ed-mini", "-o", "folder"),
        ("gate", run.path, "--baseline", run.path, "--policy", "gate.toml", "--junit", "folder"),
    ):
        failed = cli(*command)
        assert failed.code == 2, command
        assert "folder is a folder; name a file." in failed.err


def test_who_cannot_write_a_spreadsheet_is_told_of_csv(cli, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    failed = cli("export", run.path)
    assert failed.code == 2
    assert "pip install 'empeval[export]'" in failed.err
    assert "--to csv" in failed.err
    assert cli("export", run.path, "--to", "csv").code == 0
