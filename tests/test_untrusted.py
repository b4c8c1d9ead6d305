"""A run folder may come from anybody: links, FIFOs, damage, odd names."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from pathlib import Path

import msgspec
import pytest
from support.command import finish, start
from support.distributions import make_distribution
from support.made_runs import SCORER, TASK, make_run, normal

import empeval
from empeval import Run, RunFolderError, StorageError, UsageError
from empeval.files import write_json, write_text
from empeval.workspace import locked

FILES = {
    "run.json": ("show", "run"),
    "metrics.json": ("show", "run"),
    f"responses/{TASK}.jsonl": ("show", "run"),
    f"scores/{TASK}/{SCORER}.jsonl": ("compare", "run", "run"),
}


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run", normal(12, 1)).path


@pytest.fixture
def asked(cli):
    command = ("run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface",
               "--limit", "3", "--out", "run")  # fmt: skip
    assert cli(*command).code == 0
    return command


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


def put_folder(path: Path) -> None:
    path.mkdir()


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def put_link(path: Path) -> None:
    elsewhere = path.parent / "elsewhere"
    shutil.copy(path.with_name("whole"), elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (put_fifo, "FIFO"),
        (put_folder, "it is a folder"),
        (put_socket, "it is a socket"),
        (put_link, "symbolic link"),
    ],
)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused_and_never_waited_for(cli, folder, name, put, said):
    path = folder / name
    path.rename(path.with_name("whole"))
    put(path)
    found = cli(*FILES[name])
    assert found.code == 2
    assert said in found.err
    assert path.name in found.err
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["responses", "scores", "scores/ed-mini"])
def test_no_folder_of_a_run_may_be_a_link(cli, asked, tmp_path, name):
    folder, outside = Path("run").absolute(), tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    before = {p: p.read_bytes() for p in outside.rglob("*") if p.is_file()}
    for command in (("export", "run"), ("score", "run", "--scorers", "surface")):
        found = cli(*command)
        assert found.code == 2
        assert f"{name} cannot be used: it is a symbolic link" in found.err
    assert {p: p.read_bytes() for p in outside.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("name", ["scores/ed-mini/surface.jsonl", ".lock", "metrics.json"])
def test_nothing_is_written_through_a_link(cli, asked, tmp_path, name):
    victim, link = tmp_path / "victim", Path("run") / name
    victim.write_text("dear")
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    found = cli("score", "run", "--scorers", "surface")
    assert (found.code, victim.read_text()) == (2, "dear")
    assert "symbolic link" in found.err


@pytest.mark.parametrize("kind", ["csv", "xlsx", "report", "gate"])
def test_documents_are_not_written_through_a_link_or_into_a_fifo(cli, folder, tmp_path, kind):
    victim = tmp_path / "victim"
    policy = tmp_path / "gate.toml"
    policy.write_text('[[headline]]\nmetric = "warmth"\nmargin = 1.0\n')
    make_run(tmp_path / "base", normal(12, 2))
    gated = ("gate", "run", "--baseline", "base", "--policy", "gate.toml", "--json")
    names = {"csv": "out/summary.csv", "xlsx": "x.xlsx", "report": "r.html", "gate": "g.json"}
    command = {
        "csv": ("export", "run", "--format", "csv", "--out", "out"),
        "xlsx": ("export", "run", "--out", names["xlsx"]),
        "report": ("report", "run", "-o", names["report"]),
        "gate": (*gated, names["gate"]),
    }[kind]
    target = tmp_path / names[kind]
    target.parent.mkdir(exist_ok=True)
    for put, said in ((lambda: target.symlink_to(victim), "symbolic link"),
                      (lambda: os.mkfifo(target), "FIFO")):  # fmt: skip
        victim.write_text("dear")
        put()
        found = cli(*command)
        assert (found.code, victim.read_text()) == (1, "dear")
        assert said in found.err
        assert not list(tmp_path.glob("**/*.part"))
        target.unlink()


def test_saved_answers_in_a_fifo_are_refused(cli, tmp_path):
    os.mkfifo(tmp_path / "answers.jsonl")
    found = cli("score", "answers.jsonl", "--out", "scored")
    assert found.code == 2
    assert "FIFO" in found.err


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    happened = []
    fsync, replace = os.fsync, os.replace

    def note_sync(descriptor):
        happened.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def note_replace(source, target):
        happened.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_json(tmp_path / "a.json", {"a": 1})
    assert [Path(one).name for one in happened] == [
        f".a.json.{os.getpid()}.part",
        "renamed",
        tmp_path.name,
    ]


def test_a_journal_reaches_the_disk_once_and_not_a_line_at_a_time(tmp_path, monkeypatch):
    count = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda d: (count.append(d), fsync(d)))
    run = make_run(tmp_path / "one", [1.0, 2.0])
    few = len(count)
    count.clear()
    make_run(tmp_path / "many", [1.0] * 500)
    assert few == len(count) > 0
    assert len(run.responses(TASK)) == 2


def test_a_part_that_somebody_laid_out_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("dear")
    (tmp_path / f".a.txt.{os.getpid()}.part").symlink_to(victim)
    write_text(tmp_path / "a.txt", "new")
    assert ((tmp_path / "a.txt").read_text(), victim.read_text()) == ("new", "dear")
    assert not (tmp_path / "a.txt").is_symlink()


# --- a manifest that is lost -------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b'{"schema": 1, "sta', b"\0" * 512, b"[]"])
def test_a_torn_manifest_is_rebuilt_from_its_copy(cli, asked, content):
    file = Path("run/run.json")
    before, metrics = file.read_bytes(), Path("run/metrics.json").read_bytes()
    file.write_bytes(content)
    for command in (("show", "run"), asked, ("score", "run")):
        found = cli(*command)
        assert found.code == 2
        assert re.search("'empeval runs repair .*run' rebuilds it", found.err)
    assert cli("runs", "repair", "run").code == 0
    assert file.read_bytes() == before
    assert cli(*asked).code == 0
    assert Path("run/metrics.json").read_bytes() == metrics
    assert "nothing was changed" in cli("runs", "repair", "run").out


def test_a_torn_manifest_without_a_copy_is_rebuilt_from_the_answers(cli, asked):
    first = Run("run")
    metrics = {(m.scorer, m.metric): m.value for m in first.metrics()}
    answers = Path("run/responses/ed-mini.jsonl").read_bytes()
    Path("run/run.json").write_bytes(b'{"schema": 1')
    Path("run/.run.json.copy").write_bytes(b"{")
    found = cli("runs", "repair", "run")
    assert found.code == 0, found.err
    assert "it is called 'unknown'" in found.out
    assert Path("run/.run.json.damaged").read_bytes() == b'{"schema": 1'
    assert cli("score", "run", "--scorers", "surface").code == 0
    again = Run("run")
    assert again.complete
    assert again.manifest.model.fingerprint == "unknown"
    assert {(m.scorer, m.metric): m.value for m in again.metrics()} == metrics
    assert "another run spec" in cli(*asked).err, "answers of who knows whom are not added to"
    assert Path("run/responses/ed-mini.jsonl").read_bytes() == answers


def test_what_cannot_be_rebuilt_says_what_to_do(cli, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    found = cli("runs", "repair", "run")
    assert found.code == 2
    assert "Delete the folder and run its command again" in found.err
    assert "is no folder" in cli("runs", "repair", "nothing").err
    shutil.rmtree("run")
    make_run(tmp_path / "run", [1.0])
    Path("run/run.json").unlink()
    Path("run/run.json").mkdir()
    found = cli("runs", "repair", "run")
    assert found.code == 2
    assert "it is a folder" in found.err
    with locked(Path("run")):
        assert "Another empeval is writing" in cli("runs", "repair", "run").err


# --- lists, prune, names -----------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path):
    root = tmp_path / "empeval-runs"
    for name in ("good", "no-manifest", "odd-note", "no-metrics"):
        make_run(root / name, [1.0, 2.0])
    (root / "no-manifest" / "run.json").write_bytes(b"")
    (root / "odd-note" / "gate.json").write_bytes(b'{"outcome": "\xff')
    (root / "no-metrics" / "metrics.json").write_bytes(b"{")
    make_run(root / "fifo", [1.0, 2.0])
    os.mkfifo(root / "fifo" / "gate.json")
    return root


def test_one_damaged_run_breaks_no_list_and_is_shown_with_the_reason(cli, shelf):
    found = cli("runs", "list", "--format", "json")
    assert found.code == 0
    rows = {row["run"]: row for row in json.loads(found.out)}
    assert {n: (r["status"], r["gate"]) for n, r in rows.items()} == {
        "good": ("complete", ""),
        "no-manifest": ("damaged", ""),
        "odd-note": ("complete", "damaged"),
        "no-metrics": ("damaged", ""),
        "fifo": ("complete", "damaged"),
    }
    assert rows["good"]["problem"] == ""
    for name, said in {"no-manifest": "run.json cannot be read", "odd-note": "gate.json cannot",
                       "no-metrics": "metrics.json cannot", "fifo": "FIFO"}.items():  # fmt: skip
        assert said in rows[name]["problem"]
    assert "FIFO" in cli("runs", "list").out


def test_a_damaged_note_hides_no_run_that_passed(cli, shelf, tmp_path):
    (tmp_path / "gate.toml").write_text('[[headline]]\nmetric = "warmth"\nmargin = 1.0\n')
    make_run(shelf / "new", [1.0, 3.0])
    asked = ("gate", str(shelf / "new"), "--policy", "gate.toml", "--baseline")
    cli("gate", str(shelf / "good"), "--policy", "gate.toml", "--baseline", str(shelf / "new"))
    note = json.loads((shelf / "good" / "gate.json").read_text())
    (shelf / "good" / "gate.json").write_text(json.dumps(note | {"outcome": "pass"}))
    found = cli(*asked, "latest-passed")
    assert f"base {Path('empeval-runs/good')}" in found.out


def test_prune_leaves_what_is_damaged_and_what_is_a_link(cli, shelf, tmp_path):
    make_run(tmp_path / "far", [1.0])
    (shelf / "linked").symlink_to(tmp_path / "far")
    (shelf / ".old.1.removed").mkdir()
    assert cli("runs", "prune", "--keep", "0", "--yes").code == 0
    assert {path.name for path in shelf.iterdir()} == {"no-manifest", "odd-note", "fifo", "linked"}
    assert (tmp_path / "far" / "run.json").is_file()


def test_prune_leaves_a_run_that_is_being_written(cli, tmp_path):
    for name in ("idle", "busy"):
        make_run(tmp_path / "empeval-runs" / name, [1.0], status="running")
    with locked(tmp_path / "empeval-runs" / "busy"):
        found = cli("runs", "prune", "--unfinished", "--yes")
    assert found.code == 0
    assert "busy is being written and stays" in found.err
    assert [path.name for path in (tmp_path / "empeval-runs").iterdir()] == ["busy"]
    assert (tmp_path / "empeval-runs" / "busy" / "metrics.json").is_file()


def test_two_tasks_of_one_file_are_refused(cli, install, tmp_path):
    points = {"days": "support.odd:Days", "week days": "support.odd:Days",
              "week-days": "support.odd:Days"}  # fmt: skip
    scorers = {"length": "support.odd:Length"}
    every = {"empeval.tasks": points, "empeval.scorers": scorers}
    install(make_distribution(tmp_path / "site", "names", points=every))
    with pytest.raises(UsageError, match="'week days' and 'week-days' would write to the same"):
        empeval.run("human:", ["week days", "week-days"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert empeval.run("human:", ["days", "week days"], out=tmp_path / "run").complete


def test_a_manifest_cannot_name_two_tasks_of_one_file(folder):
    manifest = msgspec.json.decode((folder / "run.json").read_bytes())
    entry = manifest["tasks"][TASK]
    manifest["tasks"] = {"a b": entry, "a-b": entry}
    (folder / "run.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(RunFolderError, match="'a b' and 'a-b'"):
        Run(folder)


# --- where it is written -----------------------------------------------------------------------

WANDERING = """
import os
from support.odd import Days, Length

class Wandering(Days):
    def items(self):
        os.chdir("/")
        return super().items()

class Strolling(Length):
    def score(self, samples):
        os.chdir("/")
        return super().score(samples)
"""


def test_a_task_that_goes_to_another_folder_changes_nothing(tmp_path):
    site = make_distribution(
        tmp_path / "site",
        "wanderers",
        points={"empeval.tasks": {"days": "wanderers:Wandering"},
                "empeval.scorers": {"length": "wanderers:Strolling"}},
    )  # fmt: skip
    (site / "wanderers.py").write_text(WANDERING)
    for more, pattern in ((("--out", "here"), "here"), ((), "empeval-runs/human-*")):
        asked = ("run", "--model", "human:", "--tasks", "days", *more)
        done = finish(start(*asked, folder=tmp_path, path=[site]))
        assert done.code == 0, done.err
        (found,) = tmp_path.glob(pattern)
        assert Run(found).complete
    again = finish(start("score", "here", folder=tmp_path, path=[site]))
    assert again.code == 0, again.err


def test_a_storage_error_names_the_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"a\.txt cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")
