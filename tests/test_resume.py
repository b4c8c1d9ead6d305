"""A run can be interrupted at any moment and goes on as if it had not been."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import msgspec
import pytest
from support.command import finish, python, start

from empeval import Run, RunFolderError

ITEMS = 300
COMMAND = (
    *("run", "--model", "slow:", "--tasks", "days", "--task-args", f"count={ITEMS}"),
    *("--scorers", "length:0.001,surface", "--out", "run"),
)
RESPONSES = Path("run/responses/days.jsonl")
SCORES = Path("run/scores/days/length-0.001.jsonl")


@pytest.fixture
def begin(odd_folder, tmp_path):
    """Starts the command in the test's own folder."""
    started = []

    def launch(*more, **settings):
        process = start(*COMMAND, *more, folder=tmp_path, path=[odd_folder], **settings)
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def peaceful(odd_folder, tmp_path_factory) -> tuple[Path, float]:
    """The run folder of the same command left in peace, and the seconds it took."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    started = time.monotonic()
    outcome = finish(start(*COMMAND, folder=folder, path=[odd_folder]))
    assert outcome.code == 0, outcome.err
    return folder / "run", time.monotonic() - started


@pytest.fixture
def uninterrupted(peaceful) -> Path:
    return peaceful[0]


@pytest.fixture
def duration(peaceful) -> float:
    return peaceful[1]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait(process, reached) -> None:
    until = time.monotonic() + 60
    while not reached() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def assert_same(folder: Path, uninterrupted: Path) -> None:
    """Same metrics to the byte, same answers and scores, each once."""
    assert (folder / "metrics.json").read_bytes() == (uninterrupted / "metrics.json").read_bytes()
    here, there = Run(folder), Run(uninterrupted)
    assert here.complete
    texts = [{line.id: line.response for line in run.responses("days")} for run in (here, there)]
    assert texts[0] == texts[1]
    assert len(texts[0]) == ITEMS
    for scorer in here.manifest.scorers["days"]:
        scores = [{s.id: s for s in run.scores("days", scorer)} for run in (here, there)]
        assert scores[0] == scores[1]


def whole_lines(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def kill_at_random(begin, folder: Path, *, kills: int, seed: int, seconds: float) -> None:
    """Kill the command at random moments and let it finish; what was written must stay."""
    draw = random.Random(seed)
    kept: dict[Path, bytes] = {}
    for _ in range(kills):
        process = begin()
        time.sleep(draw.uniform(0.15, 0.8) * seconds)
        process.kill()
        process.communicate()
        for path, before in kept.items():
            assert path.read_bytes().startswith(before), path
        kept = {path: whole_lines(path) for path in folder.rglob("*.jsonl")}
    outcome = finish(begin())
    assert outcome.code == 0, outcome.err
    for path, before in kept.items():
        assert path.read_bytes().startswith(before), path


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_metrics(
    begin, tmp_path, uninterrupted, duration
):
    kill_at_random(begin, tmp_path, kills=5, seed=5, seconds=duration)
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("EMPEVAL_KILLS", "20"))))
def test_whenever_a_run_is_killed_it_ends_with_the_same_metrics(
    begin, tmp_path, uninterrupted, duration, seed
):
    kill_at_random(begin, tmp_path, kills=5, seed=seed, seconds=duration)
    assert_same(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize(
    "reached",
    [
        lambda: Path("run").exists(),
        lambda: lines(RESPONSES) > ITEMS // 2,
        lambda: lines(SCORES) > 0,
    ],
    ids=["as it begins", "amid the answers", "amid the scores"],
)
def test_a_run_that_is_killed_ends_with_the_same_metrics(
    begin, tmp_path, monkeypatch, uninterrupted, reached
):
    monkeypatch.chdir(tmp_path)
    process = begin()
    wait(process, reached)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was to be killed before it ended"
    outcome = finish(begin())
    assert outcome.code == 0, outcome.err
    assert_same(tmp_path / "run", uninterrupted)


def test_scoring_that_is_killed_ends_with_the_same_metrics_as_scoring_left_in_peace(
    copy, cli, odd_plugins
):
    metrics = {}
    for name in ("peaceful", "killed"):
        shutil.copytree(copy.path, name)
        command = ("score", name, "--scorers", "length:0.003")
        if name == "killed":
            process = start(*command, folder=Path.cwd(), path=[odd_plugins])
            wait(process, lambda: lines(Path("killed/scores/days/length-0.003.jsonl")) > 0)
            process.kill()
            process.communicate()
            assert not Run("killed").complete
        assert cli(*command).code == 0
        metrics[name] = (Path(name) / "metrics.json").read_bytes()
    assert metrics["killed"] == metrics["peaceful"]
    assert b"length@0.003" in metrics["killed"]


def test_ctrl_c_says_that_nothing_is_lost_and_the_command_goes_on(
    begin, tmp_path, monkeypatch, uninterrupted
):
    monkeypatch.chdir(tmp_path)
    process = begin()
    wait(process, lambda: lines(RESPONSES) > 20)
    process.send_signal(signal.SIGINT)
    outcome = finish(process)
    assert outcome.code == 130
    assert "every finished answer is saved" in outcome.err
    assert "Traceback" not in outcome.err
    before = whole_lines(RESPONSES)
    assert finish(begin()).code == 0
    assert RESPONSES.read_bytes().startswith(before)
    assert_same(tmp_path / "run", uninterrupted)


def test_a_second_process_is_kept_out_of_a_folder_that_one_is_writing_to(
    begin, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first = begin("--model-args", "pause=0.1")
    wait(first, lambda: lines(RESPONSES) > 0)
    second = finish(begin("--model-args", "pause=0.1"))
    assert first.poll() is None
    assert second.code == 2
    assert f"Another empeval is writing to {tmp_path / 'run'}" in second.err


FULL_DISK = """
import resource, sys
from empeval.cli import main
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("size", [500, 30_000], ids=["at once", "amid the answers"])
def test_a_full_disk_is_an_error_that_says_so_and_the_command_goes_on(
    begin, odd_folder, tmp_path, uninterrupted, size
):
    full = python(FULL_DISK, str(size), *COMMAND, folder=tmp_path, path=[odd_folder])
    assert full.code == 1
    assert "cannot be written: the disk is full" in full.err
    assert "run the same command again" in full.err
    assert "Traceback" not in full.err
    assert all(path.read_bytes().endswith(b"\n") for path in tmp_path.rglob("*.jsonl"))
    assert not list(tmp_path.rglob("*.part"))
    outcome = finish(begin())
    assert outcome.code == 0, outcome.err
    assert_same(tmp_path / "run", uninterrupted)


@pytest.fixture
def copy(uninterrupted, tmp_path, monkeypatch):
    """The finished run again, in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return Run(shutil.copytree(uninterrupted, tmp_path / "run"))


@pytest.fixture
def again(cli, odd_plugins):
    """Runs the command in this process; what is given anew takes the place of its own."""

    def run(*more):
        own = list(COMMAND)
        for option in {"--task-args"} & set(more):
            index = own.index(option)
            del own[index : index + 2]
        return cli(*own, *more)

    return run


def unfinish(run: Run) -> None:
    """Make a copy one that was interrupted before its metrics were computed."""
    text = (run.path / "run.json").read_text().replace('"complete"', '"running"')
    (run.path / "run.json").write_text(text)
    (run.path / "metrics.json").unlink()


def test_the_same_command_does_nothing_on_a_finished_run(copy, again):
    def state():
        files = [path for path in copy.path.rglob("*") if path.name != ".lock"]
        return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in files}

    before = state()
    outcome = again()
    assert outcome.code == 0
    assert "(complete)" in outcome.out
    assert state() == before


@pytest.mark.parametrize("cut", [1, 40, 3000])
def test_a_torn_end_is_repaired_and_done_again(copy, again, uninterrupted, cut):
    unfinish(copy)
    for path in (RESPONSES, SCORES):
        path.write_bytes(path.read_bytes()[:-cut])
    assert again().code == 0
    assert_same(copy.path, uninterrupted)


@pytest.mark.parametrize("path", [RESPONSES, SCORES])
def test_a_damaged_line_in_the_middle_is_refused_with_file_and_line(copy, again, path):
    unfinish(copy)
    content = path.read_bytes().split(b"\n")
    content[6] = content[6][:-9]
    path.write_bytes(b"\n".join(content))
    outcome = again()
    assert outcome.code == 2
    assert f"{path}, line 7: " in outcome.err
    assert "Traceback" not in outcome.err
    assert path.read_bytes() == b"\n".join(content), "nothing may be written over it"


def test_without_resume_an_unfinished_run_is_left_alone(copy, again):
    unfinish(copy)
    outcome = again("--no-resume")
    assert outcome.code == 2
    assert "holds an unfinished run and --no-resume was given" in outcome.err
    assert not (copy.path / "metrics.json").exists()


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (["--limit", "5"], "limit: (none) -> 5"),
        (["--seed", "3"], "days seed: 0 -> 3"),
        (["--temperature", "1"], "days temperature: 0.0 -> 1.0"),
        (["--stop", "x"], "days stop: [] -> ['x']"),
        (["--model-args", "pause=0"], "model argument pause: (none) -> 0"),
        (["--task-args", "count=9"], "days argument count: 300 -> 9"),
        (["--tasks", "days,ed-mini", "--task-args", "days.count=300"], "tasks: ['days'] ->"),
    ],
)
def test_another_run_spec_in_the_same_folder_is_refused_with_what_differs(
    copy, again, changed, difference
):
    outcome = again(*changed)
    assert outcome.code == 2
    assert "holds a run of another run spec" in outcome.err
    assert difference in outcome.err


def test_a_run_that_an_older_version_began_is_refused_with_the_reason(copy, again):
    run = copy
    tasks = {
        name: msgspec.structs.replace(entry, reasoning=())
        for name, entry in run.manifest.tasks.items()
    }
    run.write_manifest(msgspec.structs.replace(run.manifest, tasks=tasks))
    assert again().code == 0, "what it finished stays what it is"
    run.write_manifest(msgspec.structs.replace(run.manifest, tasks=tasks, status="running"))
    outcome = again()
    assert outcome.code == 2
    assert "holds an unfinished run that an older version of empeval began" in outcome.err
    assert "finish the run with the version that began it" in outcome.err
    assert "holds a run of another run spec" in again("--seed", "3").err


def test_another_scorer_is_added_to_a_finished_run_and_nothing_is_asked_again(copy, cli, again):
    answers = RESPONSES.read_bytes()
    metrics = {(m.scorer, m.metric): m for m in copy.metrics()}
    outcome = cli(*COMMAND[:-4], "--scorers", "length", "--out", "run")
    assert outcome.code == 0, outcome.err
    assert RESPONSES.read_bytes() == answers
    assert {s for s, _ in metrics} < {m.scorer for m in Run("run").metrics()}
    assert set(metrics.values()) < set(Run("run").metrics())


def test_a_folder_that_was_given_over_to_something_else_is_left_alone(cli, odd_plugins, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("Dear reader,")
    outcome = cli(*COMMAND)
    assert outcome.code == 2
    assert "holds something that is no run of empeval" in outcome.err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_a_doubled_answer_is_refused(copy, again):
    unfinish(copy)
    first = RESPONSES.read_bytes().split(b"\n")[0]
    RESPONSES.write_bytes(RESPONSES.read_bytes() + first + b"\n")
    outcome = again()
    assert outcome.code == 2
    assert "comes twice" in outcome.err
    with pytest.raises(RunFolderError):
        copy.responses("days")
