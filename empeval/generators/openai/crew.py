"""Keeps many questions under way and hands their answers over as they come."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Crew(Generic[T, R]):
    """An event loop in a thread of its own, and a task in it for each item that is under way.

    So answers go on arriving while the caller writes the last one down, and Ctrl-C reaches the
    caller alone, never the inside of the loop.

    Args:
        waiting: items in the order in which they are begun; taken out as they are. The caller may
            append others while it has a result in hand.
        most: under way at once.
        open_worker: called inside of the loop; gives what answers an item, and what is awaited
            at the end.
        may_ask: whether an item may be asked now; told whether no other is under way.
        handed: called with each result once the caller has done with it.
    """

    def __init__(
        self,
        waiting: deque[T],
        most: int,
        open_worker: Callable[
            [], tuple[Callable[[T], Awaitable[R]], Callable[[], Coroutine[Any, Any, None]]]
        ],
        may_ask: Callable[[T, bool], bool],
        handed: Callable[[R], None],
    ) -> None:
        self._waiting = waiting
        self._most = most
        self._open = open_worker
        self._may_ask = may_ask
        self._done_with = handed
        self._out: queue.SimpleQueue[tuple[R | None, BaseException | None]] = queue.SimpleQueue()
        self._begun = 0  # counted in the loop's thread
        self._handed = 0  # counted in the caller's
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stirred = asyncio.Event()  # set and waited for within the loop
        self._thread = threading.Thread(target=self._run, name="empeval-openai", daemon=True)

    def results(self) -> Iterator[R]:
        """Yield results as they come; what is done when Ctrl-C comes is still yielded.

        Raises:
            Whatever a worker raises, after the results that were there before it.
        """
        self._thread.start()
        try:
            while True:
                try:
                    result, error = self._out.get()
                except KeyboardInterrupt:
                    self._stop()
                    yield from self._rest()
                    raise
                if error is not None:
                    self._stop()
                    yield from self._rest()
                    raise error
                if result is None:
                    return
                yield result
                self._done_with(result)  # only now has the caller counted it
                self._handed += 1
                self._wake()
        finally:
            self._stop()

    def _rest(self) -> Iterator[R]:
        with contextlib.suppress(queue.Empty):
            while True:
                result, _ = self._out.get_nowait()
                if result is not None:
                    yield result

    def _stop(self) -> None:
        self._stopping.set()
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        """Have the loop look at what the caller did; it may have ended."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stirred.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
            self._out.put((None, None))
        except BaseException as error:  # handed over: a thread has nobody to tell
            self._out.put((None, error))

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        answer, close = self._open()
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not self._stopping.is_set():
                self._stirred.clear()
                settled = self._begun == self._handed  # before a look at what waits
                while self._waiting and len(under_way) < self._most and self._may_begin():
                    under_way.add(self._begin(answer))
                if settled and not under_way:
                    break
                await self._stirred.wait()
                for task in [task for task in under_way if task.done()]:
                    under_way.remove(task)
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await close()

    def _may_begin(self) -> bool:
        return self._may_ask(self._waiting[0], self._begun == self._handed)

    def _begin(self, answer: Callable[[T], Awaitable[R]]) -> asyncio.Task[None]:
        item = self._waiting.popleft()
        self._begun += 1

        async def ask() -> None:
            self._out.put((await answer(item), None))

        task = asyncio.create_task(ask())
        task.add_done_callback(lambda _: self._stirred.set())
        return task
