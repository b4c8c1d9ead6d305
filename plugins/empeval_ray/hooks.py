"""The hook: workers that score where Ray places them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empeval import hookimpl

if TYPE_CHECKING:
    from empeval import WorkerKind
    from empeval_ray.scoring import RayWorkers


@hookimpl
def empeval_worker_kinds() -> list[WorkerKind]:
    """``--score-workers ray:N``."""
    from empeval import WorkerKind

    summary = "processes that Ray places, on this machine or on the cluster of RAY_ADDRESS"
    return [WorkerKind("ray", summary, _start, requires=("ray",))]


def _start(count: int) -> RayWorkers:
    from empeval_ray.scoring import RayWorkers

    return RayWorkers(count)
