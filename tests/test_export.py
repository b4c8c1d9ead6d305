"""A run as a spreadsheet: what is in it, and what a model wrote stays text."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tracemalloc

import pytest
from support.made_runs import make_run

import empeval
from empeval import RunFolderError, Sheet, StorageError, UsageError, hookimpl, spreadsheets
from empeval.hooks import Hooks
from empeval.runs import lines
from empeval.spreadsheets import CELL_LIMIT, CUT, sheet_names

SAID = {
    "mini-01#2": "=1+1",
    "mini-01#4": '=HYPERLINK("http://example.invalid","click")',
    "mini-02#2": "A bell \x07 rings.",
    "mini-02#4": "long " * 10_000,
    "mini-03#2": '@SUM(A1)\nand a "quoted", second line',
    "mini-03#4": "Ünï — 你好 🙂",
}


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps({"id": i, "response": t}) + "\n" for i, t in SAID.items()))
    return empeval.run(f"replay:{path}", ["ed-mini"], ["surface"], out=tmp_path / "run")


@pytest.fixture
def book(run, tmp_path):
    from openpyxl import load_workbook

    (path,) = empeval.export(run, tmp_path / "results.xlsx")
    return load_workbook(path)


def rows(sheet):
    header, *body = sheet.iter_rows()
    return [{h.value: c for h, c in zip(header, row, strict=True)} for row in body]


def test_the_spreadsheet_has_metrics_facts_and_a_sheet_a_task(run, book):
    assert book.sheetnames == ["summary", "about", "ed-mini"]
    metrics = {
        (r["scorer"].value, r["metric"].value): r["value"].value for r in rows(book["summary"])
    }
    assert metrics == pytest.approx({(m.scorer, m.metric): m.value for m in run.metrics()})
    facts = {r["name"].value: r["value"].value for r in rows(book["about"])}
    assert facts["model"] == run.manifest.model.uri
    assert facts["ed-mini data licence"] == run.manifest.tasks["ed-mini"].license
    ids = [r["id"].value for r in rows(book["ed-mini"])]
    assert sorted(ids) == sorted(line.id for line in run.responses("ed-mini"))


def test_every_score_stands_beside_its_answer(run, book):
    scores = {score.id: score for score in run.scores("ed-mini", "surface")}
    for row in rows(book["ed-mini"]):
        score = scores[row["id"].value]
        assert row["surface.status"].value == score.status
        for name, value in score.values.items():
            assert row[f"surface.{name}"].value == pytest.approx(value)


def test_what_a_model_wrote_is_text_and_no_formula(book):
    cells = {r["id"].value: r["response"] for r in rows(book["ed-mini"])}
    assert not [identifier for identifier, cell in cells.items() if cell.data_type == "f"]
    assert cells["mini-01#2"].value == "=1+1"
    assert cells["mini-03#4"].value == SAID["mini-03#4"]
    assert cells["mini-02#2"].value == "A bell \N{REPLACEMENT CHARACTER} rings."
    assert len(cells["mini-02#4"].value) == CELL_LIMIT
    assert cells["mini-02#4"].value.endswith(CUT)


def test_csv_holds_every_text_as_it_is(run, tmp_path):
    paths = empeval.export(run, tmp_path / "tables")
    assert [p.name for p in paths] == ["summary.csv", "about.csv", "ed-mini.csv"]
    csv.field_size_limit(10**7)
    with open(tmp_path / "tables" / "ed-mini.csv", newline="", encoding="utf-8") as file:
        found = {row["id"]: row["response"] for row in csv.DictReader(file)}
    answers = {line.id: line.response for line in run.responses("ed-mini")}
    assert found == answers


def test_parquet_holds_numbers_as_numbers(run, tmp_path):
    import pyarrow.parquet as pq

    empeval.export(run, tmp_path / "tables", "parquet")
    table = pq.read_table(tmp_path / "tables" / "ed-mini.parquet", use_threads=False)
    words = dict(zip(table["id"].to_pylist(), table["surface.words"].to_pylist(), strict=True))
    scores = {s.id: s.values.get("words") for s in run.scores("ed-mini", "surface")}
    assert words == scores
    summary = pq.read_table(tmp_path / "tables" / "summary.parquet", use_threads=False)
    assert str(summary.schema.field("value").type) == "double"


def test_the_same_export_again_replaces_the_file(run, tmp_path):
    path = tmp_path / "new" / "results.xlsx"
    empeval.export(run, path)
    path.write_bytes(b"old")
    empeval.export(run, path)
    assert path.read_bytes()[:2] == b"PK"
    assert [p.name for p in path.parent.iterdir()] == ["results.xlsx"]


def test_an_unfinished_run_is_refused(run, tmp_path):
    (run.path / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match="is unfinished"):
        empeval.export(run.path, tmp_path / "results.xlsx")


def test_outputs_that_do_not_fit_the_format_are_refused(run, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.xlsx"):
        empeval.export(run, tmp_path / "results", "xlsx")
    (tmp_path / "folder.xlsx").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        empeval.export(run, tmp_path / "folder.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="csv needs a folder"):
        empeval.export(run, tmp_path / "file", "csv")


def test_a_name_that_promises_another_kind_of_file_is_refused_by_exports_and_reports(
    run, cli, tmp_path
):
    for name in ("results.pdf", "results.json", "Results.DOCX"):
        with pytest.raises(UsageError, match=r"\.xlsx makes a spreadsheet, and a folder takes csv"):
            empeval.export(run, tmp_path / name)
    for name in ("page.pdf", "page.md"):
        found = cli("report", run.path, "-o", name)
        assert (found.code, "a report is HTML, which a browser prints as PDF" in found.err) == (
            2,
            True,
        )
    assert not [*tmp_path.glob("[Rr]esults.*"), *tmp_path.glob("page.*")]
    (tmp_path / "mine.txt").mkdir()
    assert empeval.export(run, tmp_path / "mine.txt")
    assert empeval.export(run, tmp_path / "v1.2")
    assert empeval.export(run, tmp_path / "as-told.txt", "csv")
    assert cli("report", run.path, "-o", "page").code == 0


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="needs a folder that refuses")
def test_a_folder_that_may_not_be_written_is_named(run, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied"):
        empeval.export(run, closed / "results.xlsx")


def test_a_file_that_another_program_holds_is_left_as_it_was(run, tmp_path, monkeypatch):
    path = tmp_path / "results.xlsx"
    path.write_bytes(b"old")

    def held(*_):
        raise PermissionError(13, "in use", str(path))

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(StorageError, match="open in another program"):
        empeval.export(run, path)
    assert path.read_bytes() == b"old"
    assert not (tmp_path / "results.xlsx.part").exists()


def test_a_file_that_cannot_be_opened_is_one_line(run, tmp_path):
    os.mkfifo(tmp_path / "results.xlsx")
    command = [sys.executable, "-m", "empeval", "export", str(run.path), "--out", "results.xlsx"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "results.xlsx cannot be written: it is a FIFO" in line


class Adding:
    def __init__(self, sheet):
        self.sheet = sheet

    @hookimpl
    def empeval_export_sheets(self, run):
        return [self.sheet]


def with_hook(sheet):
    hooks = Hooks()
    hooks.register(Adding(sheet), "adding")
    return hooks


def test_a_plugin_adds_a_sheet(run, tmp_path):
    from openpyxl import load_workbook

    hooks = with_hook(Sheet("extra: a/b", ("x", "y"), [("=2", 3)]))
    (path,) = empeval.export(run, tmp_path / "results.xlsx", hooks=hooks)
    page = load_workbook(path)["extra- a-b"]
    assert [[c.value for c in row] for row in page.iter_rows()] == [["x", "y"], ["=2", 3]]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (Sheet("Summary", ("x",), []), "Two sheets are called 'summary'"),
        (Sheet("extra", ("x", "y"), [(1,)]), "rows of another width"),
    ],
)
def test_a_plugins_sheet_that_does_not_fit_is_refused(run, tmp_path, sheet, message):
    with pytest.raises(UsageError, match=message):
        empeval.export(run, tmp_path / "results.xlsx", hooks=with_hook(sheet))


def test_names_are_made_fit_and_different():
    names = sheet_names([Sheet(n, (), []) for n in ("a" * 40, "a" * 35, "a[b]:*?", "", "A" * 31)])
    assert len({n.casefold() for n in names}) == len(names) == 5
    assert all(0 < len(n) <= 31 for n in names)
    assert names[2] == "a-b----"


def test_the_command_line_writes_it(run, cli, tmp_path):
    outcome = cli("export", str(run.path), "--out", "results.xlsx")
    assert outcome.code == 0
    assert outcome.out.strip() == "results.xlsx"
    assert cli("export", str(tmp_path), "--out", "x.xlsx").code == 2
    run.path.rename(tmp_path / "moved")
    assert cli("export", "moved").out.strip() == "moved.xlsx"
    named = cli("export", "moved", "--format", "csv", "--out", "tables")
    assert named.out.split() == [f"tables/{n}.csv" for n in ("summary", "about", "ed-mini")]


def test_a_long_table_is_written_in_parts_and_read_back_whole(run, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr(spreadsheets, "BATCH", 7)
    mixed = [(n, None if n % 3 else n + 0.5, n if n % 2 else "two", True) for n in range(20)]
    hooks = with_hook(Sheet("mixed", ("n", "some", "kinds", "yes"), mixed))
    paths = {p.stem: p for p in empeval.export(run, tmp_path / "out", "parquet", hooks=hooks)}
    table = pq.read_table(paths["mixed"])
    assert [str(t) for t in table.schema.types] == ["int64", "double", "string", "bool"]
    assert table.to_pylist() == [
        {"n": n, "some": s, "kinds": str(k), "yes": y} for n, s, k, y in mixed
    ]
    whole = pq.read_table(paths["ed-mini"])
    assert whole.column("id").to_pylist() == [line.id for line in run.lines("ed-mini")]
    assert pq.ParquetFile(paths["ed-mini"]).num_row_groups > 1


def test_a_table_that_no_spreadsheet_holds_is_refused_for_xlsx_alone(run, tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheets, "ROW_LIMIT", 30)
    with pytest.raises(UsageError, match=r"'ed-mini' has more than the 30 rows .* csv or parquet"):
        empeval.export(run, tmp_path / "results.xlsx")
    assert len(empeval.export(run, tmp_path / "out", "csv")) == 3


def test_an_exports_memory_does_not_grow_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "HELD", 1 << 16)
    answers = ["word " * 2000] * 400  # 4 MB of text
    run = make_run(tmp_path / "run", [1.0] * len(answers), answers=answers)
    tracemalloc.start()
    try:
        empeval.export(run, tmp_path / "out", "csv", hooks=Hooks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2e6
