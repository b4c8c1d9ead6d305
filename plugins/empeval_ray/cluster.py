"""The cluster: one that is there, or one that is started on this machine and stopped again."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from empeval import EmpevalError, UsageError
from empeval.toolkit import require

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray prints what happens to a worker on standard output; what matters of it, the pool says.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
"""Variables that are set unless the user has set them."""


class _Connection:
    """This process's connection.

    Attributes:
        users: how many want it.
        ours: whether it is ours to end.
    """

    users = 0
    ours = False


def connect(address: str | None, **options: Any) -> None:
    """Have a cluster; each call wants a ``release``.

    Args:
        address: of one that is there, ``auto`` for the one on this machine, ``local`` to start one;
            ``None``: that of ``RAY_ADDRESS``, else the one on this machine, else one is started.
            Where this process is connected already, that connection is used.
        options: of ``ray.init``, for a cluster that is started.

    Raises:
        UsageError: there is none at the address, or it cannot be used.
        MissingPackageError: ray is not installed.
    """
    require("A cluster", "ray")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if not ray.is_initialized():
        _init(address, options)
        _Connection.ours = True
    _Connection.users += 1


def _init(address: str | None, options: Mapping[str, Any]) -> None:
    import ray

    there = address or os.environ.get("RAY_ADDRESS") or "local"
    for last in (False, True):
        try:
            ray.init(
                address=address,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                **options,
            )
            return
        except Exception as error:  # Ray raises Exception itself where a start takes too long
            ray.shutdown()
            said = " ".join(str(error).split())[:300]
            if there != "local":
                raise UsageError(
                    f"Ray gives no cluster at {there}: {said} Start one with 'ray start --head', "
                    "or name 'local' to have one started on this machine."
                ) from error
            if last:
                raise EmpevalError(f"Ray cannot be started on this machine: {said}") from error


def release() -> None:
    """Leave the cluster when nobody wants it any more; one that was started here is stopped."""
    import ray

    _Connection.users -= 1
    if _Connection.users == 0 and _Connection.ours:
        _Connection.ours = False
        ray.shutdown()


def gpus() -> float:
    """How many GPUs the cluster has now."""
    import ray

    return float(ray.cluster_resources().get("GPU", 0.0))
