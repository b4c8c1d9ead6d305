"""Trackers: told of a run when they are named, and no harm to it when they fail."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest
from support.command import environment, finish, start

import empeval
from empeval_trackers import hooks as tracker_hooks
from empeval_trackers.facts import identity, metric_values, parameters

ASK = ("run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface", "--limit", "6")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(tracker_hooks, "_failed", set())
    monkeypatch.delenv("EMPEVAL_TRACK", raising=False)


def free_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def test_what_is_told_is_what_the_run_says(cli, tmp_path):
    assert cli(*ASK, "--out", "run").code == 0
    run = empeval.Run(tmp_path / "run")
    told = metric_values(run)
    for metric in run.metrics():
        name = f"ed-mini/surface.{metric.metric}"
        assert told[name] == metric.value
        assert told.get(f"{name}.ci_low") == metric.ci_low
        assert told[f"{name}.n"] == metric.n
    assert parameters(run)["model"] == "human:"
    assert parameters(run)["ed-mini.items"] == str(len(run.responses("ed-mini")))
    assert parameters(run)["limit"] == "6"
    assert identity(run) == identity(empeval.Run(run.path))
    assert cli(*ASK, "--seed", "1", "--out", "other").code == 0
    assert identity(empeval.Run(tmp_path / "other")) != identity(run)


def test_a_tracker_that_nobody_has_is_named_and_the_run_goes_on(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("EMPEVAL_TRACK", "wandbee")
    done = cli(*ASK, "--out", "run")
    assert done.code == 0
    assert done.err.count("EMPEVAL_TRACK=wandbee: there is mlflow and trackio") == 1
    assert empeval.Run(tmp_path / "run").complete


@pytest.mark.parametrize("name", ["mlflow", "trackio"])
def test_a_tracker_that_is_not_installed_is_named_with_its_line(cli, monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("EMPEVAL_TRACK", name)
    done = cli(*ASK, "--out", "run")
    assert done.code == 0
    sentence = f"EMPEVAL_TRACK={name} needs {name}, which is not installed"
    assert done.err.count(sentence) == 1
    assert f"pip install 'empeval[{name}]'" in done.err
    assert empeval.Run(tmp_path / "run").complete


def test_one_that_fails_keeps_none_from_the_next(cli, monkeypatch, tmp_path):
    told = []
    monkeypatch.setitem(sys.modules, "empeval_trackers.trackio_tracker", Telling(told))
    monkeypatch.setenv("EMPEVAL_TRACK", "wandbee, trackio")
    assert cli(*ASK, "--out", "run").code == 0
    assert told == ["begin running", "finish complete"]


class Telling:
    def __init__(self, told):
        self.told = told

    def begin(self, run):
        self.told.append(f"begin {run.manifest.status}")

    def finish(self, run):
        self.told.append(f"finish {run.manifest.status}")


def test_nothing_is_imported_where_nobody_asks_for_a_tracker(cli, monkeypatch):
    modules = [f"empeval_trackers.{name}_tracker" for name in tracker_hooks.TRACKERS]
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert cli(*ASK, "--out", "run").code == 0
    assert not set(modules) & sys.modules.keys()


def test_trackio_keeps_parameters_and_metrics(tmp_path):
    pytest.importorskip("trackio", reason="trackio is not installed")
    settings = {"EMPEVAL_TRACK": "trackio", "TRACKIO_DIR": str(tmp_path / "kept")}
    command = start(*ASK, "--out", "run", folder=tmp_path, **settings)
    done = finish(command)
    assert done.code == 0, done.err
    assert "not tracked" not in done.err
    run = empeval.Run(tmp_path / "run")
    with sqlite3.connect(tmp_path / "kept" / "empeval.db") as store:
        ((name, values),) = store.execute("select run_name, metrics from metrics").fetchall()
    assert name == "run"
    assert json.loads(values) == pytest.approx(metric_values(run))


@pytest.mark.slow  # MLflow's import and its server take half a minute
def test_mlflow_without_its_server_is_said_and_the_run_goes_on(tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    settings = {"EMPEVAL_TRACK": "mlflow",
                "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}  # fmt: skip
    done = finish(start(*ASK, "--out", "run", folder=tmp_path, **settings))
    assert done.code == 0, done.err
    assert done.err.count("not tracked by mlflow") == 1
    assert empeval.Run(tmp_path / "run").complete


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", [None, "sqlite:///store.db", "postgresql+x://me:secret@host/db"]
)
def test_where_mlflow_has_no_database_that_is_said(cli, monkeypatch, tmp_path, address):
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)  # as if it were not installed
    monkeypatch.setenv("EMPEVAL_TRACK", "mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    done = cli(*ASK, "--out", "run")
    assert done.code == 0
    assert "set MLFLOW_TRACKING_URI to a server's address, or 'pip install mlflow'" in done.err
    assert "secret" not in done.err
    assert empeval.Run(tmp_path / "run").complete


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("mlflow.server", reason="MLflow's server is not installed")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
               "--backend-store-uri", f"sqlite:///{tmp_path}/store.db", "--workers", "1",
               "--artifacts-destination", str(tmp_path / "artifacts")]  # fmt: skip
    with open(tmp_path / "server.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)  # the server starts workers
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # a busy machine; nothing of it may stay
            os.killpg(process.pid, 9)
            process.wait()


def wait_for(address, process, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("MLflow's server does not answer")


@pytest.mark.slow  # MLflow's import and its server take half a minute
@pytest.mark.timeout(600)
def test_mlflows_server_has_the_run_its_metrics_and_its_files(server, tmp_path):
    from mlflow.tracking import MlflowClient

    settings = {"EMPEVAL_TRACK": "mlflow", "MLFLOW_TRACKING_URI": server}
    done = finish(start(*ASK, "--out", "run", folder=tmp_path, **settings))
    assert done.code == 0, done.err
    assert "not tracked" not in done.err
    again = ("score", "run", "--scorers", "surface")
    assert finish(start(*again, folder=tmp_path, **settings)).code == 0
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("empeval").experiment_id
    (kept,) = client.search_runs([experiment])  # scoring again is the same run of MLflow's
    run = empeval.Run(tmp_path / "run")
    assert (kept.info.run_name, kept.info.status) == ("run", "FINISHED")
    assert kept.data.params == parameters(run)
    assert kept.data.metrics == pytest.approx(metric_values(run))
    files = {file.path for file in client.list_artifacts(kept.info.run_id)}
    assert files == {"run.json", "metrics.json"}
    left = "import empeval, empeval_trackers.mlflow_tracker as t; t.begin(empeval.Run('run'))"
    command = [sys.executable, "-c", left]  # a process that ends while its run is open
    subprocess.run(command, cwd=tmp_path, env=environment(**settings), check=True)
    assert client.get_run(kept.info.run_id).info.status == "KILLED"
