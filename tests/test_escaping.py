"""What models, files and plugins call things is text, wherever it is shown."""

from __future__ import annotations

import io
import json
import re
import shutil
import unicodedata
from xml.etree import ElementTree

import msgspec
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_runs import make_run, normal
from tabulate import tabulate

from empeval import Metric, Run
from empeval.escaping import markdown, plain, sheet_name
from empeval.records import Sheet
from empeval.spreadsheets import file_names

EVIL = "a\x1b]0;x\x07\x9b2Jb\r\nFAKE | line\u202e\u2028<b>[x](y)`*\x00\x7f"
POLICY = f"[[headline]]\nmetric = {json.dumps(EVIL)}\nmargin = 1.0\n".replace("\x7f", "\\u007f")
STEERING = set("\x1b\x07\x9b\r\u202e\u2028\x00\x7f")


@pytest.fixture
def evil(tmp_path):
    """A run in which everything that has a name has a bad one."""
    run = make_run(tmp_path / "run", normal(12, 1), model=EVIL, task=EVIL, metric=EVIL,
                   ids=[f"{EVIL}{n}" for n in range(12)], questions=[EVIL] * 12,
                   statuses=["truncated"] * 3 + ["ok"] * 9,
                   targets=[{"emotion": EVIL}] * 12)  # fmt: skip
    entry = run.manifest.tasks[EVIL]
    tasks = {EVIL: msgspec.structs.replace(entry, license=EVIL, dataset=EVIL, version=EVIL)}
    model = msgspec.structs.replace(run.manifest.model, license=EVIL)
    manifest = msgspec.structs.replace(run.manifest, tasks=tasks, model=model, warnings=[EVIL])
    run.write_manifest(manifest)
    metric = msgspec.structs.replace(run.metrics()[0], note=EVIL, unit=EVIL)
    run.write_metrics([metric, Metric(EVIL, EVIL, EVIL, 1.0, None, None, 1, 0, EVIL, None, 1)])
    other = Run(shutil.copytree(run.path, tmp_path / "other\x1b[2J\nrun"))
    other.write_manifest(msgspec.structs.replace(manifest, created="2026-01-03T00:00:00+00:00"))
    return run.path, other.path


def assert_text(shown: str) -> None:
    assert not set(shown) & STEERING
    assert not any(line.strip().startswith("FAKE") for line in shown.splitlines())
    assert "a\\x1b]0;x" in shown or "a\\\\x1b\\]0;x" in shown or '"a\\u001b' in shown


@pytest.mark.parametrize("form", ["table", "md", "json"])
def test_names_steer_no_terminal(cli, evil, tmp_path, form):
    run, other = map(str, evil)
    (tmp_path / "gate.toml").write_text(POLICY)
    for command in (
        ("show", run),
        ("compare", run, other, "--resamples", "100"),
        ("compare", run, other, run, "--resamples", "100"),
        ("runs", "list", "--runs", "."),
        ("gate", other, "--baseline", run, "--policy", "gate.toml"),
    ):
        found = cli(*command, "--format", form)
        assert found.code == 0, found.err
        assert_text(found.out)
        assert command[0] == "runs" or "3 of 12 answers were cut or failed" in found.out
        if form == "json":
            json.loads(found.out)
        if form == "md":
            assert "<b>" not in found.out.replace("&lt;b&gt;", "")
            tables = [line for line in found.out.splitlines() if line.startswith("|")]
            assert len({line.replace("\\|", "").count("|") for line in tables}) <= 4
            assert all("[x](y)" not in line for line in tables)
    damaged = tmp_path / "other\x1b[2J\nrun" / "run.json"
    damaged.write_text("{")
    for command in (("show", other), ("runs", "list", "--runs", "."), ("runs", "repair", other)):
        found = cli(*command)
        assert not (set(found.out + found.err) & STEERING), command
        assert len(found.err.splitlines()) <= 1


def test_names_break_out_of_no_document(cli, evil, tmp_path):
    run, other = map(str, evil)
    (tmp_path / "gate.toml").write_text(POLICY)
    files = ("--junit", "gate.xml", "--markdown", "gate.md", "--json", "gate.json")
    cli("gate", other, "--baseline", run, "--policy", "gate.toml", *files)
    text = (tmp_path / "gate.md").read_text()
    assert "3 of 12 answers were cut or failed" in text
    assert not set(text) & STEERING
    assert "<b>" not in re.sub("`[^`]*`", "", text), "outside of code"
    assert not any(line.startswith("FAKE") for line in text.splitlines())
    case = ElementTree.parse(tmp_path / "gate.xml").find("testcase")
    assert not set(case.get("name")) & STEERING
    assert cli("export", run, "--out", "book.xlsx").code == 0
    book = openpyxl.load_workbook(tmp_path / "book.xlsx")
    for name in book.sheetnames:
        assert len(name) <= 31
        assert not set(name) & (STEERING | set("[]:*?/\\"))
    assert cli("export", run, "--format", "csv", "--out", "tables").code == 0
    assert len(list((tmp_path / "tables").iterdir())) == len(book.sheetnames)


@given(st.text())
def test_plain_text_is_on_one_line_and_steers_nothing(text):
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert plain(shown) == shown
    assert all(plain(c) == c for c in text if c.isprintable())


@given(st.text(), st.text())
def test_a_cell_of_markdown_stays_one_cell(one, other):
    cells = [[markdown(one), markdown(other)]]
    table = tabulate(cells, headers=["a", "b"], tablefmt="github", disable_numparse=True)
    rows = table.splitlines()
    assert len(rows) == 3
    bare = rows[2].replace("\\\\", "").replace("\\|", "")
    assert bare.count("|") == 3
    assert "<" not in bare


@given(st.text())
def test_any_text_gives_a_name_that_a_spreadsheet_takes(text):
    name = sheet_name(text)
    assert 1 <= len(name) <= 31
    assert not set(name) & set("[]:*?/\\")
    assert not name.startswith("'")
    assert not name.endswith("'")
    openpyxl.Workbook().create_sheet(name)


def test_files_of_sheets_are_all_different():
    names = file_names([Sheet(n, (), []) for n in ("a b", "a-b", "A/B", "...", "")], "csv")
    assert len({name.casefold() for name in names}) == 5


def test_a_progress_bar_and_a_plugin_that_raises_steer_no_terminal(caplog, monkeypatch):
    from empeval import hookimpl
    from empeval.events import RunFinished
    from empeval.hooks import Hooks
    from empeval.runner import bar

    class Raising:
        @hookimpl
        def empeval_run_finished(self, event):
            raise ValueError(EVIL)

    hooks = Hooks()
    hooks.register(Raising(), EVIL)
    hooks.fire("empeval_run_finished", event=RunFinished(folder="", metrics=[]))
    (told,) = caplog.messages
    assert_text(told)
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with bar(3, 0, EVIL, True) as shown:
        shown.update()
    assert "FAKE" in terminal.getvalue()
    assert not set(terminal.getvalue()) & (STEERING - {"\r", "\x1b"})
