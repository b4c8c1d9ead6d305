"""``empeval train`` on the command line: help, mistakes, the table, the sweep."""

from __future__ import annotations

import importlib.util
import json
import shutil

import pytest
from support.small_recipes import SMALL, SMALL_TEACHER


def small(encoder, **changes):
    fields = SMALL | {"encoder": encoder} | changes
    return ",".join(f"{name}={value}" for name, value in fields.items())


@pytest.mark.parametrize("action", ["teacher", "prepare-ed", "baseline", "stm", "mvc", "results"])
def test_every_action_has_help(cli, action):
    outcome = cli("train", action, "--help")
    assert outcome.code == 0
    assert "--out FOLDER" in outcome.out


def test_the_verbs_help_has_examples_and_names_the_configurations(cli):
    outcome = cli("train", "--help")
    assert outcome.code == 0
    for words in ("--sweep lambda_emo=0.3,0.1,0.05", "authors", "minilm-cpu", "goes on"):
        assert words in outcome.out


def test_a_run_prints_tables_and_one_line_a_stage(cli, encoder, prepared, tmp_path):
    command = ("train", "baseline", "--data", prepared, "--out", "runs", "--config", "minilm")
    outcome = cli(*command, "--set", small(encoder), "--seed", "1,2")
    assert outcome.code == 0, outcome.err
    table, _, people = outcome.out.partition("\n\n")
    header, _, *rows = table.splitlines()
    assert header.split()[:2] == ["run", "test"]
    assert [row.split()[:2] for row in rows] == [
        [f"runs/baseline-{seed}", part] for seed in (1, 2) for part in ("human", "all")
    ]
    title, header, _, *rows = people.splitlines()
    assert "people" in title
    assert header.split()[:4] == ["run", "part", "exchanges-1-5", "ratings-1-3"]
    expected = []
    for seed in (1, 2):
        result = json.loads((tmp_path / "runs" / f"baseline-{seed}" / "result.json").read_text())
        for part, name in (("validation", "people-validation"), ("test", "people")):
            said = [f"{value:.4f}" for value in result["figures"].get(name, {}).values()]
            expected += [[f"runs/baseline-{seed}", part, *said]] if said else []
    assert [row.split() for row in rows] == expected != []
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == [
        "baseline-1",
        "baseline-2",
    ]
    again = cli(*command, "--set", small(encoder), "--seed", "1,2")
    assert (again.code, again.out, again.err) == (0, outcome.out, "")


def test_a_small_subset_gives_its_figures_twice(cli, encoder, prepared):
    command = ("train", "baseline", "--data", prepared, "--config", "minilm", "--set")
    tables = []
    for out in ("one", "two"):
        outcome = cli(*command, small(encoder, train_examples="40"), "--out", out)
        tables.append(outcome.out.replace(out, ""))
    assert tables[0] == tables[1]


def test_a_sweep_trains_a_run_a_value(cli, encoder, prepared, tmp_path):
    outcome = cli(
        "train", "mvc", "--data", prepared, "--out", "runs", "--config", "minilm",
        "--set", small(encoder), "--sweep", "lambda_emo=0.3, 0.1,0.3",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [
        "mvc-lambda_emo=0.1-17",
        "mvc-lambda_emo=0.3-17",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epochs"], "--set: 'epochs' is not of the form key=value"),
        (["--set", "=3"], "--set: '=3' is not of the form key=value"),
        (["--set", "epoch=3"], "--set: a recipe has no field 'epoch'; it has encoder"),
        (["--set", "epochs=0"], "--set: epochs is 0.0; it must be above 0"),
        (["--set", "model=stm"], "no field 'model'"),
        (["--set", "epochs=1,epochs=2"], "'epochs' is given twice"),
        (["--sweep", "lambda_emo"], "--sweep: 'lambda_emo' is not of the form key=value,value"),
        (["--sweep", "lambda_emo="], "is not of the form key=value,value"),
        (["--sweep", "=1,2"], "is not of the form key=value,value"),
        (["--sweep", "lambda=1,2"], "--sweep: a recipe has no field 'lambda'"),
        (["--sweep", "lambda_emo=1,x"], "--sweep: lambda_emo is 'x'"),
        (["--config", "huge"], "There is no configuration huge"),
        (["--seed", "x"], "'x' is not a whole number"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "1,,2"], "'' is not a whole number"),
        (["--seed", "4294967296"], "too large for a seed"),
        (["--data-dir", "nowhere"], "--data-dir nowhere does not exist"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(cli, prepared, arguments, message):
    outcome = cli("train", "mvc", "--data", prepared, "--out", "runs", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert "defect" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "-1"], "'-1'"),
        (["--variants", "x"], "'x' is not a whole number of 0 or more"),
        (["--conversations", "0"], "'0' is not a whole number of 1 or more"),
        (["--conversations", "²"], "is not a whole number"),
        (["--seed", "1.5"], "'1.5' is not a whole number"),
        (["--ratings", "nowhere"], "nowhere is no folder of rated replies"),
        (["--data-dir", "nowhere"], "--data-dir nowhere does not exist"),
    ],
)
def test_a_mistake_in_preparing_is_answered_with_a_sentence(cli, arguments, message):
    needed = ("--teacher", "t", "--ratings", "r")
    outcome = cli("train", "prepare-ed", "--out", "ed", *needed, *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "defect" not in outcome.err


def test_the_teacher_is_trained_and_labels_by_the_commands_of_the_help(
    cli, deep, rated, rated_mirror, tmp_path
):
    settings = ",".join(f"{k}={v}" for k, v in (SMALL_TEACHER | {"encoder": deep}).items())
    outcome = cli("train", "teacher", "--ratings", rated, "--out", "teacher",
                  "--set", settings, "--data-dir", rated_mirror)  # fmt: skip
    assert outcome.code == 0, outcome.err
    header, _, *rows = outcome.out.splitlines()
    assert header.split()[0] == "head"
    result = json.loads((tmp_path / "teacher" / "result.json").read_text())
    assert [row.split() for row in rows] == [
        [name, str(own["n"]), f"{own['spearman']:.4f}"]
        for name, own in result["validation"].items()
    ]
    outcome = cli("train", "prepare-ed", "--teacher", "teacher", "--ratings", rated, "--out", "ed",
                  "--variants", "1", "--data-dir", rated_mirror)  # fmt: skip
    assert outcome.code == 0, outcome.err
    prepared = json.loads((tmp_path / "ed" / "prepared.json").read_text())
    assert outcome.out.splitlines()[-1] == f"fingerprint: {prepared['fingerprint']}"
    for split, counts in prepared["counts"].items():
        lines = (tmp_path / "ed" / f"{split}.jsonl").read_text().splitlines()
        assert len(lines) == sum(counts.values())
    human = next(row for row in outcome.out.splitlines() if row.startswith("human"))
    said = [str(counts.get("human", 0)) for counts in prepared["counts"].values()]
    assert human.split()[1:] == said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epoch=3"], "a recipe has no field 'epoch'; it has encoder"),
        (["--set", "epochs=0"], "--set: epochs is 0.0; it must be above 0"),
        (["--config", "huge"], "There is no configuration huge"),
        (["--seed", "1,2"], "'1,2' is not a whole number"),
        ([], "folder of rated replies"),
    ],
)
def test_a_mistake_about_the_teacher_is_answered_with_a_sentence(cli, arguments, message):
    outcome = cli("train", "teacher", "--ratings", "nowhere", "--out", "teacher", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "defect" not in outcome.err


def test_missing_data_say_how_to_make_them(cli):
    outcome = cli("train", "stm", "--data", "ed", "--out", "runs")
    assert outcome.code == 2
    assert (
        "ed holds no prepared data. Make it with: empeval train prepare-ed --out ed" in outcome.err
    )


def test_a_missing_split_is_named(cli, prepared, tmp_path, encoder):
    shutil.copytree(prepared, tmp_path / "ed")
    (tmp_path / "ed" / "validation.jsonl").unlink()
    outcome = cli("train", "stm", "--data", "ed", "--out", "runs", "--set", small(encoder))
    assert outcome.code in (1, 2)
    assert "validation.jsonl cannot be read" in outcome.err


@pytest.mark.parametrize("action", ["teacher", "prepare-ed", "baseline", "mvc", "results"])
def test_without_the_extra_the_command_says_what_to_install(cli, monkeypatch, action):
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "sklearn" else plain(name, *a)
    )
    ratings = ["--ratings", "h"]
    needed = {
        "teacher": ratings,
        "prepare-ed": ["--teacher", "t", *ratings],
        "results": ["--runs", "r", "--data", "d", "--teacher", "t", "--audits", "a", *ratings],
    }
    arguments = needed.get(action, ["--data", "d"])
    outcome = cli("train", action, "--out", "o", *arguments)
    assert outcome.code == 2
    assert "pip install 'empeval[train]'" in outcome.err
