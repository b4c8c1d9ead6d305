"""Scoring in other processes gives the files that scoring in this one gives."""

from __future__ import annotations

import os

import msgspec
import pytest
from support.elsewhere import pids, scored, write_dialogues, write_files

import empeval
from empeval import EmpevalError, UnknownNameError, UsageError, WorkerKind, hookimpl
from empeval.hooks import Hooks
from empeval.scoring import CHUNK
from empeval.testing import FakeScorer
from empeval.workers import LOCAL, workers_of

COUNT = 2 * CHUNK + 88


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with scorers and dialogues, of three chunks."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    write_dialogues(tmp_path / "dialogues.jsonl", COUNT)
    return tmp_path


class Recorded:
    """Workers in this process that say what they did."""

    def __init__(self, count):
        self.count, self.requests, self.open = count, [], True

    def map(self, function, payloads):
        for payload in payloads:
            self.requests.append(payload)
            yield function(payload)

    def close(self):
        self.open = False


@pytest.fixture
def recorded():
    """Hooks with the kind ``mine``, and the workers that it has started."""
    started = []

    class Mine:
        @hookimpl
        def empeval_worker_kinds(self):
            return [WorkerKind("mine", "for tests", start), WorkerKind("local", "no", start)]

    def start(count):
        started.append(Recorded(count))
        return started[-1]

    hooks = Hooks()
    hooks.register(Mine(), "mine")
    return hooks, started


def score(scorers, out, workers=None, hooks=None):
    return empeval.score(
        "dialogues.jsonl", scorers, out=out, score_workers=workers, hooks=hooks
    ).path


def test_processes_on_this_machine_leave_the_same_bytes(here):
    names = ["surface", "scorers.py:length", "scorers.py:raises"]
    alone = score(names, "alone")
    assert pids(here) == {os.getpid()}
    shared = score(names, "shared", "local:2")
    assert os.getpid() in pids(here)
    assert 1 <= len(pids(here) - {os.getpid()}) <= 2
    assert scored(shared) == scored(alone)
    assert len(scored(shared)) == 4


def test_a_process_that_dies_takes_nothing_along(here):
    with pytest.raises(EmpevalError, match="One of the workers 'local:2' died"):
        score(["scorers.py:mortal"], "run", "local:2")
    again = score(["scorers.py:mortal"], "run", "local:2")
    assert scored(again) == scored(score(["scorers.py:mortal"], "alone"))


def test_a_plugins_workers_get_the_chunks_that_are_not_scored_yet(here, recorded):
    hooks, started = recorded
    alone = score(["surface", "scorers.py:length"], "alone")
    first = score(["surface"], "run", "mine:3", hooks)
    assert [len(r.samples) for r in started[0].requests] == [CHUNK, CHUNK, COUNT - 2 * CHUNK]
    assert (started[0].count, started[0].open) == (3, False)
    path = first / "scores" / "dialogues" / "surface.jsonl"
    kept = path.read_bytes().splitlines(keepends=True)[: CHUNK + 5]
    path.write_bytes(b"".join(kept))
    empeval.score(first, ["surface", "scorers.py:length"], score_workers="mine:2", hooks=hooks)
    assert [len(request.scorers) for request in started[1].requests] == [1, 2, 2]
    assert scored(first) == scored(alone)


def test_what_another_process_cannot_do_stays_here(here, recorded):
    hooks, started = recorded
    asking = FakeScorer()
    score([asking], "run", "mine:2", hooks)
    assert not started, "an object is in this process alone, and nobody was needed for it"

    score(["scorers.py:length", asking], "both", "mine:2", hooks)
    assert {what for r in started[0].requests for what, *_ in r.scorers} == {"scorers.py:length"}


def test_another_scorer_where_the_workers_are_is_refused(here, recorded):
    hooks, _ = recorded

    class Changed(Recorded):
        def map(self, function, payloads):
            for payload in payloads:
                for what, prefer, entry in payload.scorers:
                    other = msgspec.structs.replace(entry, version="0")
                    yield function(payload._replace(scorers=((what, prefer, other),)))

    class Theirs:
        @hookimpl
        def empeval_worker_kinds(self):
            return [WorkerKind("theirs", "for tests", Changed)]

    hooks.register(Theirs(), "theirs")
    with pytest.raises(EmpevalError, match="is another one where the workers are"):
        score(["surface"], "run", "theirs:1", hooks)


def test_a_kind_that_is_taken_stays_what_it_is(recorded):
    hooks, _ = recorded
    assert workers_of("local:2", hooks.fire("empeval_worker_kinds"))._kind is LOCAL


@pytest.mark.parametrize("text", ["2", "local", "local:", "local:0", "local:-1", "local:two", ""])
def test_workers_are_a_kind_and_a_number(here, text):
    with pytest.raises(UsageError, match="give a kind and how many, such as local:2"):
        score(["surface"], "run", text)
    assert not (here / "run").exists()


def test_an_unknown_kind_is_said_with_those_that_there_are(cli):
    done = cli("run", "--model", "human:", "--tasks", "ed-mini", "--score-workers", "lokal:2")
    assert done.code == 2
    assert "Unknown kind of workers 'lokal'" in done.err
    assert "local" in done.err


def test_a_kind_whose_package_is_missing_is_refused_before_anything_is_done():
    kind = WorkerKind("far", "for tests", Recorded, requires=("nowhere_at_all",))
    with pytest.raises(UsageError, match="--score-workers far needs nowhere_at_all"):
        workers_of("far:1", [kind])
    with pytest.raises(UnknownNameError):
        workers_of("farther:1", [kind])


def test_workers_are_no_part_of_the_run_spec(cli):
    asked = ("run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface", "--out", "a")
    assert cli(*asked, "--score-workers", "local:1").code == 0
    done = cli(*asked)
    assert done.code == 0, done.err
