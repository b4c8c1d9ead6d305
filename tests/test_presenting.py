"""How every verb prints its metrics: as tables that fit, and in forms that programs read."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.made_runs import make_run, normal

from empeval.cli.text import NARROWEST, fitted


@pytest.fixture
def runs(tmp_path):
    base = normal(60, 1, mean=3)
    for name, shift in (("one", 0.0), ("two", 0.8), ("three", -0.5)):
        values = [v + shift for v in base]
        make_run(tmp_path / name, values, model=f"made:a-model-of-a-rather-long-name-{name}")
    return tmp_path


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_two_runs_as_csv_are_one_table_and_the_rest_is_beside_it(cli, runs):
    plain = cli("compare", runs / "one", runs / "two", "--margin", "0.2", "--format", "json")
    found = cli("compare", runs / "one", runs / "two", "--margin", "0.2", "--format", "csv")
    assert (found.code, plain.code) == (0, 0)
    told = json.loads(plain.out)["differences"]
    rows = read(found.out)
    assert [r["metric"] for r in rows] == [f"{d['scorer']}.{d['metric']}" for d in told]
    for row, d in zip(rows, told, strict=True):
        assert float(row["difference"]) == pytest.approx(d["change"]["value"], abs=5e-3)
        assert row["n"] == f"{d['change']['n']} of {d['sides']['candidate']['items']}"
    assert "60 of 60 items shared" in found.err
    assert "60 of 60 items shared" not in found.out


def test_three_runs_as_csv_are_their_ranking(cli, runs):
    names = ("one", "two", "three")
    rows = read(cli("compare", *(runs / n for n in names), "--format", "csv").out)
    assert [row["run"] for row in rows] == ["two", "one", "three"]
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert [row["ranks"] for row in rows] == ["1", "2", "3"], "no reach from 1 to 1"
    assert {row["metric"] for row in rows} == {"warmth.warmth"}


def test_latex_is_a_tabular_and_nothing_else(cli, runs):
    text = cli("show", runs / "one", "--format", "latex").out.strip()
    assert text.startswith("\\begin{tabular}")
    assert text.endswith("\\end{tabular}")
    assert "warmth" in text


@pytest.mark.parametrize("form", ["table", "md", "csv"])
def test_where_no_metric_has_a_direction_that_is_said_and_no_table_is_empty(cli, tmp_path, form):
    for name, shift in (("one", 0.0), ("two", 0.8)):
        values = [v + shift for v in normal(20, 1, mean=3)]
        make_run(tmp_path / name, values, higher_is_better=None)
    found = cli("compare", "one", "two", "--format", form)
    text = found.out + found.err
    assert "No metric here says whether higher or lower is better, so none is a headline" in text
    assert "1 more metric: --all" in text
    assert "\n\n\n" not in text
    assert "No metric here" not in cli("compare", "one", "two", "--all", "--format", form).out


@pytest.mark.parametrize("arguments", [
    ("compare", "one", "two", "--margin", "0.2", "--all"),
    ("compare", "one", "two", "three"),
    ("show", "one"),
    ("runs", "list"),
])  # fmt: skip
def test_no_table_is_wider_than_the_terminal(cli, runs, monkeypatch, arguments):
    monkeypatch.setenv("COLUMNS", "80")
    words = [runs / a if a in ("one", "two", "three") else a for a in arguments]
    if arguments[0] == "runs":
        words += ["--runs", runs]
    out = cli(*words).out.splitlines()
    rules = [n for n, line in enumerate(out) if line and set(line) <= {"-", " "}]
    assert rules
    for rule in rules:
        assert len(out[rule]) <= 80
        for line in out[rule + 1 :]:
            if not line:
                break
            assert len(line.rstrip()) <= 80


def test_where_a_program_reads_nothing_is_cut(cli, runs, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    out = cli("runs", "list", "--runs", runs).out
    assert "made:a-model-of-a-rather-long-name-three" in out


def test_the_widest_columns_are_cut_first_and_words_stay_whole_while_they_can():
    long = " ".join(["four"] * 10)
    rows = [["a", long, "c" * 12], ["aa", "b", "c"]]
    assert fitted(rows, 76) is None
    assert fitted(rows, 40) == [2, 22, 12]
    assert fitted(rows, 22) == [2, 4, 12]
    assert fitted(rows, 5) == [2, 4, NARROWEST]
