"""Processes beside this one that do a part of its work: ``--score-workers KIND:N``.

A kind says where they are. ``local`` is here; plugins add others by the hook
``empeval_worker_kinds``.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol, TypeVar

from empeval.contained import contained, each
from empeval.errors import EmpevalError, UnknownNameError, UsageError
from empeval.extras import require

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Payloads of a worker that are on their way at once: the one it has and the one it gets next."""


class Workers(Protocol):
    """Started processes."""

    def map(self, function: Callable[[T], R], payloads: Iterable[T]) -> Iterator[R]:
        """What a function makes of each payload, in their order.

        The function is importable, and payloads and results can be pickled. No more payloads are
        taken than are needed to keep the workers busy. Where a worker dies, its payload is given
        to another one.

        Raises:
            EmpevalError: what the function raises, or the workers are lost.
        """
        ...

    def close(self) -> None:
        """Stop them."""
        ...


@dataclass(frozen=True)
class WorkerKind:
    """A kind of workers, as the hook ``empeval_worker_kinds`` returns it.

    Attributes:
        name: what stands before the colon.
        summary: one line for a person.
        start: the number of workers -> these, started. Raises ``UsageError`` where it cannot be.
        requires: packages, by the names that are imported, without which they cannot be had.
    """

    name: str
    summary: str
    start: Callable[[int], Workers]
    requires: tuple[str, ...] = ()


class LazyWorkers:
    """Workers of a kind that are started when there is something to do.

    Args:
        kind: of them.
        count: how many.
    """

    def __init__(self, kind: WorkerKind, count: int) -> None:
        self._kind = kind
        self._count = count
        self._owner = f"the workers '{kind.name}:{count}'"
        self._started: Workers | None = None

    def map(self, function: Callable[[T], R], payloads: Iterable[T]) -> Iterator[R]:
        """As of ``Workers``."""
        if self._started is None:
            with contained(self._owner):
                self._started = self._kind.start(self._count)
        started = self._started
        return each(self._owner, lambda: started.map(function, payloads))

    def close(self) -> None:
        """Stop those that were started."""
        if self._started is not None:
            started, self._started = self._started, None
            with contained(self._owner):
                started.close()


def workers_of(text: str | None, given: Iterable[object]) -> LazyWorkers | None:
    """The workers that ``KIND:N`` asks for; ``None`` where nothing is asked.

    Args:
        text: what was asked.
        given: the kinds of plugins.

    Raises:
        UsageError: it is of another form, there is no such kind, or a package is missing.
    """
    if text is None:
        return None
    name, _, number = text.partition(":")
    if not number.isdecimal() or int(number) < 1:
        raise UsageError(f"--score-workers is '{text}'; give a kind and how many, such as local:2.")
    known = {LOCAL.name: LOCAL}
    for kind in given:
        if isinstance(kind, WorkerKind):
            known.setdefault(kind.name, kind)
    if name not in known:
        raise UnknownNameError(
            f"Unknown kind of workers '{name}'.", kind="kind of workers", name=name, known=known
        )
    require(f"--score-workers {name}", *known[name].requires)
    return LazyWorkers(known[name], int(number))


class LocalWorkers:
    """Processes on this machine.

    Args:
        count: how many; the processor's cores are shared out among them.
    """

    def __init__(self, count: int) -> None:
        from multiprocessing import get_context

        threads = max(1, (os.cpu_count() or 1) // count)
        self._count = count
        self._pool = ProcessPoolExecutor(
            count, get_context("spawn"), initializer=_use_threads, initargs=(threads,)
        )

    def map(self, function: Callable[[T], R], payloads: Iterable[T]) -> Iterator[R]:
        """As of ``Workers``, but for a worker that dies: the others are lost with it.

        Raises:
            EmpevalError: one died.
        """
        under_way: deque[Future[R]] = deque()
        try:
            for payload in payloads:
                under_way.append(self._pool.submit(function, payload))
                if len(under_way) >= AHEAD * self._count:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise EmpevalError(
                f"One of the workers 'local:{self._count}' died, perhaps of a lack of memory. What "
                "was finished is saved; the same command goes on."
            ) from error

    def close(self) -> None:
        """Stop them."""
        self._pool.shutdown(cancel_futures=True)


def _use_threads(count: int) -> None:
    """Have the libraries of a new process compute with so many threads."""
    os.environ.setdefault("OMP_NUM_THREADS", str(count))


LOCAL = WorkerKind("local", "processes on this machine", LocalWorkers)
