"""Replicas and workers that Ray places give what one process gives, whatever dies.

A cluster of two CPUs is started once for the file, unless ``RAY_ADDRESS`` names one.
"""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from support.command import finish, start
from support.elsewhere import answered, pids, scored, write_dialogues, write_files
from support.tiny_models import make_random_model

import empeval
from empeval import EmpevalError, Sampling, UsageError
from empeval.scoring import CHUNK
from empeval.testing import GeneratorContract, fake_item
from empeval.workspace import locked
from empeval_ray.cluster import connect, release
from empeval_ray.generator import Ray

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")

pytestmark = pytest.mark.timeout(600)
TASK = {"tasks": ["eqbench-mini"], "limit": 12}


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster to which this process is connected: ``RAY_ADDRESS``, or its own."""
    kept = dict(os.environ)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
    connect(kept.get("RAY_ADDRESS", "local"), num_cpus=None if "RAY_ADDRESS" in kept else 2)
    yield ray.get_runtime_context().gcs_address
    release()
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def here(cluster, tmp_path, monkeypatch):
    """The test's own folder, with scorers and models in files."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def humans(cluster):
    """People's answers by two replicas; contract tests share them."""
    generator = Ray("human:", replicas=2)
    yield generator
    generator.close()


class TestRay(GeneratorContract):
    @pytest.fixture
    def generator(self, humans):
        return humans


def voice(out, name="Voice", **options):
    """A run of twelve questions by a model of ``models.py``, in replicas if these are named."""
    wrapped = "ray:" if "replicas" in options else ""
    return empeval.run(f"{wrapped}models.py:{name}", model_args=options, out=out, **TASK)


def status(folder):
    return json.loads((folder / "run.json").read_text())["status"]


def test_two_replicas_give_the_answers_and_the_run_of_one_process(here):
    alone, shared = voice("alone"), voice("shared", replicas=2)
    assert os.getpid() in pids(here)
    assert len(pids(here)) == 3
    assert answered(shared.path) == answered(alone.path)
    assert scored(shared.path) == scored(alone.path)
    assert shared.manifest.model.arguments == alone.manifest.model.arguments == {}
    facts = shared.manifest.environment["generator"]
    assert facts == {"tone": "mild", "ray": ray.__version__, "replicas": 2, "died": 0}


def test_a_model_of_weights_answers_the_same(here):
    make_random_model(here / "tiny", max_position_embeddings=4096)
    options = {"batch_tokens": "2500", "chat_template": "plain"}
    more = {**TASK, "sampling": {"max_tokens": 12}}
    alone = empeval.run("hf:./tiny", model_args=options, out="alone", **more)
    options["replicas"] = "2"
    shared = empeval.run("ray:hf:./tiny", model_args=options, out="shared", **more)
    assert len({line["response"] for line in answered(alone.path).values()}) > 1
    assert answered(shared.path) == answered(alone.path)
    assert scored(shared.path) == scored(alone.path)


def test_replicas_are_no_part_of_the_run_spec(here):
    low = voice(None, tone="low", replicas=1)
    before = answered(low.path)
    assert voice(None, tone="low").path == low.path
    assert answered(low.path) == before
    assert voice(None, tone="high", replicas=1).path != low.path


def test_a_killed_worker_loses_nothing(here, caplog):
    killed = voice("killed", "Mortal", replicas=2)
    assert (here / "died").exists()
    assert killed.manifest.environment["generator"]["died"] == 1
    assert "a replica died, another one gets its work" in caplog.text
    assert answered(killed.path) == answered(voice("alone", "Mortal").path)


def test_a_group_of_which_every_worker_dies_fails_alone_and_is_asked_again(here):
    (here / "doom").touch()
    doomed = voice("doomed", "Doomed", replicas=2)
    by_id = answered(doomed.path)
    failed = {name for name, line in by_id.items() if line["status"] == "error"}
    assert "8" in failed
    assert len(failed) == 3
    assert all("died again and again" in by_id[name]["note"] for name in failed)
    (here / "doom").unlink()
    voice("doomed", "Doomed", replicas=2)
    assert answered(doomed.path) == answered(voice("alone", "Doomed").path)


def test_another_model_where_a_replica_is_is_refused(here):
    with pytest.raises(UsageError, match="is another model where Ray places it than here: fing"):
        voice("other", "Other", replicas=1)


def test_what_replicas_may_spend_is_kept_with_two_at_work(here):
    with pytest.raises(EmpevalError, match="Stopped at --max-cost 3 USD"):
        empeval.run("ray:models.py:Paid", model_args={"replicas": 2}, out="paid", max_cost=3.0,
                    **TASK)  # fmt: skip
    assert len(answered(here / "paid")) == 3


def test_two_drivers_do_not_write_to_one_folder(here, monkeypatch):
    def refused(*_, **__):
        raise AssertionError("replicas were started for a folder that another driver has")

    monkeypatch.setattr("empeval_ray.generator.Pool", refused)
    with locked(here / "run"), pytest.raises(empeval.BusyError, match="Another empeval is writing"):
        voice("run", replicas=2)


def test_workers_that_score_leave_the_same_bytes_though_one_is_killed(here):
    write_dialogues(here / "dialogues.jsonl", 2 * CHUNK + 88)
    names = ["surface", "scorers.py:length", "scorers.py:mortal"]
    killed = empeval.score("dialogues.jsonl", names, out="killed", score_workers="ray:2").path
    assert (here / "died").exists()
    assert os.getpid() not in pids(here)
    alone = empeval.score("dialogues.jsonl", names, out="alone").path
    assert scored(killed) == scored(alone)


def test_likelihoods_are_those_of_the_model(cluster, tmp_path):
    make_random_model(tmp_path / "tiny")
    asked = [empeval.Continuations(str(n), fake_item(str(n), f"Day {n}.").messages, (" a", " bb"))
             for n in range(3)]  # fmt: skip
    plain = empeval.open_model(f"hf:{tmp_path / 'tiny'}", {"chat_template": "plain"})
    options = {"chat_template": "plain", "replicas": 1}
    shared = empeval.open_model(f"ray:hf:{tmp_path / 'tiny'}", options)
    assert empeval.loglikelihood(shared, asked) == empeval.loglikelihood(plain, asked)
    shared.close()


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("", {}, "'ray:' needs a model behind it"),
        ("ray:human:", {}, "'ray:' needs a model behind it"),
        ("human", {}, "The model 'human' has no scheme"),
        ("human:", {"replicas": "0"}, "replicas is 0; it must be 1 or more"),
        ("human:", {"gpus": "-1"}, "gpus is -1"),
        ("human:", {"replicas": "many"}, "Option 'replicas'"),
        ("human:", {"replika": "2"}, "Unknown option 'replika'"),
    ],
)
def test_what_makes_no_sense_is_refused(target, options, said):
    with pytest.raises(UsageError, match=said):
        empeval.open_model(f"ray:{target}", options)


def test_no_items_start_nothing(monkeypatch):
    monkeypatch.delattr("empeval_ray.generator.Pool")
    assert list(Ray("human:").generate([], Sampling())) == []


@pytest.mark.slow
def test_a_killed_driver_loses_nothing(here, cluster):
    asked = ("run", "--model", "ray:models.py:Voice", "--tasks", "eqbench-mini", "--out", "run",
             "--model-args", f"replicas=2,address={cluster}")  # fmt: skip
    process = start(*asked, folder=here)
    path = here / "run" / "responses" / "eqbench-mini.jsonl"
    until = time.monotonic() + 300
    while time.monotonic() < until and not (path.exists() and path.read_bytes().count(b"\n") > 4):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    kept = path.read_bytes()
    assert status(here / "run") == "running"
    outcome = finish(start(*asked, folder=here))
    assert status(here / "run") == "complete", outcome.err
    assert path.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    alone = empeval.run("models.py:Voice", ["eqbench-mini"], out="alone")
    assert answered(here / "run") == answered(alone.path)
    assert scored(here / "run") == scored(alone.path)


@pytest.mark.slow
def test_a_cluster_that_was_started_is_stopped_and_says_nothing_on_standard_output(tmp_path):
    write_files(tmp_path)
    asked = ("run", "--model", "ray:models.py:Mortal", "--model-args", "replicas=2",
             "--tasks", "eqbench-mini", "--limit", "12", "--score-workers", "ray:1",
             "--format", "json")  # fmt: skip
    outcome = finish(start(*asked, folder=tmp_path, RAY_ADDRESS="local"))
    (folder,) = (tmp_path / "empeval-runs").iterdir()
    assert status(folder) == "complete", outcome.err
    assert json.loads(outcome.out)
    assert (tmp_path / "died").exists()
    said = [line for line in outcome.err.splitlines() if line.strip()]
    assert [line for line in said if "raylet" in line or "ray." in line.lower()] == []
    for pid in pids(tmp_path):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
