"""Workers that score, as ``--score-workers ray:N`` starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from empeval import EmpevalError
from empeval_ray.pool import Lost, Pool, Resident

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Results for each worker that may wait for an earlier one."""


class Worker(Resident):
    """Calls functions."""

    def call(self, function: Callable[[T], R], payload: T) -> R:
        """What the function makes of it."""
        return function(payload)


class RayWorkers:
    """Workers on a cluster, one CPU each.

    Args:
        count: how many.

    Raises:
        UsageError: there is no cluster where ``RAY_ADDRESS`` says.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = Pool(
            Worker,
            count=count,
            address=None,
            resources=lambda: {"num_cpus": 1},
            what="scoring worker",
        )

    def map(self, function: Callable[[T], R], payloads: Iterable[T]) -> Iterator[R]:
        """What the function makes of each payload, in their order.

        Raises:
            EmpevalError: what it raises; or the worker of one payload dies again and again.
        """
        early: dict[int, R] = {}
        index = 0

        def make(handle: Any, call: tuple[int, T]) -> Any:
            return handle.call.remote(function, call[1])

        def may() -> bool:
            return len(early) < AHEAD * self._count

        for (number, _), result in self._pool.run(enumerate(payloads), make, may):
            if isinstance(result, Lost):
                raise EmpevalError(
                    f"A scoring worker died again and again: {result.reason} What was finished is "
                    "saved; the same command goes on."
                )
            early[number] = result
            while index in early:
                yield early.pop(index)
                index += 1

    def close(self) -> None:
        """Stop them."""
        self._pool.close()
