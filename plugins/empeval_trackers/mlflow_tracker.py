"""MLflow: a run of it for each run folder, found again by a tag when the folder goes on.

Server and experiment are those of MLflow's own variables, ``MLFLOW_TRACKING_URI`` and
``MLFLOW_EXPERIMENT_NAME`` (``empeval`` by default).
"""

from __future__ import annotations

import atexit
import os
import time
from importlib.util import find_spec
from typing import Any

from empeval import Run, UsageError
from empeval.toolkit import require
from empeval_trackers.facts import identity, metric_values, parameters

EXPERIMENT = "empeval"
TAG = "empeval.run"
PARAMETERS, METRICS = 100, 1000
"""The most that MLflow takes at once."""
LONGEST = 500
"""Characters of a parameter that every store takes."""

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""Kinds of store that MLflow's client opens itself; without an address it is the first."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""So that a server that does not answer holds a run up for seconds, unless the user says more."""

_open: dict[str, str] = {}


def begin(run: Run) -> None:
    """Open MLflow's run, or the one of this folder again."""
    client = _client()
    _begin(client, run)


def finish(run: Run) -> None:
    """Write the metrics and the two files that say what they are of; close MLflow's run."""
    from mlflow.entities import Metric

    client = _client()
    number = _begin(client, run)
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in metric_values(run).items()]
    status = "FAILED"
    try:
        for start in range(0, len(metrics), METRICS):
            client.log_batch(number, metrics=metrics[start : start + METRICS])
        for name in ("run.json", "metrics.json"):
            client.log_artifact(number, str(run.path / name))
        status = "FINISHED"
    finally:
        del _open[identity(run)]
        client.set_terminated(number, status)


def _client() -> Any:
    require("EMPEVAL_TRACK=mlflow", "mlflow")
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient, get_tracking_uri

    kind = str(get_tracking_uri()).partition(":")[0].partition("+")[0]
    if kind in DATABASES and find_spec("sqlalchemy") is None:
        raise UsageError(
            f"MLflow would keep runs in a database ({kind}), for which the "
            f"client alone does not do: set MLFLOW_TRACKING_URI to a server's address, "
            f"or 'pip install mlflow'."
        )
    return MlflowClient()


def _begin(client: Any, run: Run) -> str:
    """The id of MLflow's run for a folder."""
    own = identity(run)
    if own in _open:
        return _open[own]
    experiment = _experiment(client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)
    known = client.search_runs([experiment], f"tags.`{TAG}` = '{own}'", max_results=1)
    if known:
        number = str(known[0].info.run_id)
        client.update_run(number, status="RUNNING")
    else:
        made = client.create_run(experiment, tags={TAG: own}, run_name=run.path.name)
        number = str(made.info.run_id)
        _write_parameters(client, number, run)
    if not _open:
        atexit.register(_leave, client)
    _open[own] = number
    return number


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _write_parameters(client: Any, number: str, run: Run) -> None:
    from mlflow.entities import Param

    every = [Param(name, value[:LONGEST]) for name, value in parameters(run).items()]
    for start in range(0, len(every), PARAMETERS):
        client.log_batch(number, params=every[start : start + PARAMETERS])


def _leave(client: Any) -> None:
    """Close what an interruption left open; the folder's next run opens it again."""
    for number in _open.values():
        client.set_terminated(number, "KILLED")
    _open.clear()
