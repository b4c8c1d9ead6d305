"""Actors that take one call each; Ray places and restarts them, and a lost call is made again."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from empeval import EmpevalError
from empeval.toolkit import warn
from empeval_ray.cluster import connect, release

C = TypeVar("C")

TRIES = 4
"""How often a call is made of which the process dies."""
PATIENCE = 60.0
"""Seconds without any process before that is said."""
REASON = 200
"""Characters of what Ray says of a death."""


class Lost(NamedTuple):
    """What became of a call of which the process died ``TRIES`` times."""

    reason: str


class _Call(Generic[C]):
    """A call and how often its process has died."""

    def __init__(self, what: C) -> None:
        self.what = what
        self.deaths = 0


class Resident:
    """What lives in a process of the pool; subclasses add methods."""

    def __init__(self, folder: str) -> None:
        if os.path.isdir(folder):  # where relative paths are meant from
            os.chdir(folder)

    def ready(self) -> None:
        """Answered when the process is there."""


class Pool:
    """Processes on a cluster.

    A process gets its next call when it has answered the last one, so nothing piles up. When it
    dies Ray starts another one in its place, and meanwhile its call goes to whoever is free.

    Args:
        resident: what lives in each; a subclass of ``Resident``.
        arguments: of it, beside the folder.
        count: of the processes.
        address: of the cluster, see ``connect``.
        resources: -> Ray's options of an actor, asked when the cluster is there.
        what: how a person calls one: ``"replica"``.

    Raises:
        UsageError: there is no such cluster.
    """

    def __init__(
        self,
        resident: type[Resident],
        *arguments: Any,
        count: int,
        address: str | None,
        resources: Callable[[], dict[str, Any]],
        what: str,
    ) -> None:
        connect(address)
        import ray

        self._what = what
        self._answered = False
        self.deaths = 0
        self._told = False
        self._free: deque[Any] = deque()
        self._busy: dict[Any, tuple[Any, _Call[Any], object]] = {}
        self._coming: dict[Any, Any] = {}
        try:
            made = ray.remote(resident).options(
                max_restarts=-1,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
                **resources(),
            )
            self._handles = [made.remote(os.getcwd(), *arguments) for _ in range(count)]
        except BaseException:
            release()
            raise
        for handle in self._handles:
            self._await(handle)

    def run(
        self,
        calls: Iterable[C],
        make: Callable[[Any, C], Any],
        may: Callable[[], bool] = lambda: True,
    ) -> Iterator[tuple[C, Any]]:
        """Make each call once and yield it with its result, as they come.

        Args:
            calls: taken when a process is free.
            make: the actor and the call -> Ray's reference to the result.
            may: whether another call may be taken now. It ends when nothing is under way and none
                may be taken.

        Raises:
            EmpevalError: what a call raises; or every process died without answering anything.
        """
        source = map(_Call, calls)
        waiting: deque[_Call[C]] = deque()
        mine = object()
        under_way = 0
        results: list[tuple[C, Any]] = []
        while True:
            while True:
                if not waiting and may():
                    waiting.extend(islice(source, 1))
                if not (waiting and self._free):
                    break
                call, handle = waiting.popleft(), self._free.popleft()
                self._busy[make(handle, call.what)] = (handle, call, mine)
                under_way += 1
            if results:  # handed on once the others are at work again
                yield from results
                results.clear()
                continue
            if not under_way and not waiting:
                return
            for call, owner, result in self._finished():
                if owner is not mine:
                    continue  # whoever asked for it has gone away
                under_way -= 1
                if isinstance(result, Exception):
                    raise result
                if isinstance(result, Lost) and not self._gives_up(call, result):
                    waiting.append(call)
                else:
                    results.append((call.what, result))

    def close(self) -> None:
        """End the processes."""
        import ray

        if self._handles:
            for handle in self._handles:
                ray.kill(handle)
            self._handles = []
            release()

    def _await(self, handle: Any) -> None:
        """Have it free when Ray has started it, or started it again."""
        self._coming[handle.ready.options(max_task_retries=-1).remote()] = handle

    def _finished(self) -> Iterator[tuple[_Call[Any], object, Any]]:
        """Wait for something: calls with their results, or the error that one ended with."""
        import ray

        under_way = [*self._busy, *self._coming]
        done, _ = ray.wait(under_way, timeout=PATIENCE)
        if not done and not self._busy and not self._told:
            self._told = True
            warn(
                f"ray: no {self._what} has been placed for {PATIENCE:g} seconds; the cluster has "
                f"{ray.available_resources().get('CPU', 0):g} CPUs and "
                f"{ray.available_resources().get('GPU', 0):g} GPUs free ('ray status' says more)"
            )
        for reference in done:
            if reference in self._coming:
                self._arrive(reference)
            else:
                yield self._result(reference)

    def _arrive(self, reference: Any) -> None:
        import ray

        handle = self._coming.pop(reference)
        try:
            ray.get(reference)
        except ray.exceptions.RayError as error:  # it is gone for good
            if not (self._busy or self._coming or self._free):
                raise EmpevalError(f"Ray cannot start a {self._what}: {_reason(error)}") from error
        else:
            self._free.append(handle)

    def _result(self, reference: Any) -> tuple[_Call[Any], object, Any]:
        import ray

        handle, call, owner = self._busy.pop(reference)
        result: Any
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:  # it raised, and lives
            result = error.cause if isinstance(error.cause, Exception) else error
        except ray.exceptions.RayError as error:
            self.deaths += 1
            self._await(handle)
            return call, owner, Lost(_reason(error))
        self._answered = True
        self._free.append(handle)
        return call, owner, result

    def _gives_up(self, call: _Call[Any], lost: Lost) -> bool:
        call.deaths += 1
        if call.deaths < TRIES:
            warn(f"ray: a {self._what} died, another one gets its work ({lost.reason})")
            return False
        if not self._answered:
            raise EmpevalError(
                f"Each {self._what} dies before it has done anything, perhaps of a lack of memory: "
                f"{lost.reason}"
            )
        return True


def _reason(error: Exception) -> str:
    """What Ray says first."""
    text = " ".join(str(error).split())
    return text if len(text) <= REASON else f"{text[:REASON]}..."
