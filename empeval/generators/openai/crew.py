"""Keeps many questions under way and hands their answers over as they come."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOOKED_AFTER = 0.02
"""Seconds between two looks at whether one more may be asked."""


class Crew(Generic[T, R]):
    """An event loop in a thread of its own, and workers in it that take one item each.

    So answers go on arriving while the caller writes the last one down, and Ctrl-C reaches the
    caller alone, never the inside of the loop.

    Args:
        items: in the order in which they are begun.
        most: workers.
        open_worker: called inside of the loop; gives what answers an item, and what is awaited
            at the end.
        may_ask: whether an item may be asked now; told whether no other is under way.
        handed: called with each result once the caller has done with it.
    """

    def __init__(
        self,
        items: Sequence[T],
        most: int,
        open_worker: Callable[
            [], tuple[Callable[[T], Awaitable[R]], Callable[[], Coroutine[Any, Any, None]]]
        ],
        may_ask: Callable[[T, bool], bool],
        handed: Callable[[R], None],
    ) -> None:
        self._waiting = deque(items)
        self._most = min(most, len(items))
        self._open = open_worker
        self._may_ask = may_ask
        self._done_with = handed
        self._out: queue.SimpleQueue[tuple[R | None, BaseException | None]] = queue.SimpleQueue()
        self._begun = 0  # counted in the loop's thread
        self._handed = 0  # counted in the caller's
        self._stopping = threading.Event()
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
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
            self._out.put((None, None))
        except BaseException as error:  # handed over: a thread has nobody to tell
            self._out.put((None, error))

    async def _work(self) -> None:
        answer, close = self._open()
        workers = [asyncio.create_task(self._worker(answer)) for _ in range(self._most)]
        try:
            while workers:
                done, _ = await asyncio.wait(
                    workers, timeout=LOOKED_AFTER, return_when=asyncio.FIRST_COMPLETED
                )
                for worker in done:
                    workers.remove(worker)
                    worker.result()
                if self._stopping.is_set():
                    break
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await close()

    async def _worker(self, answer: Callable[[T], Awaitable[R]]) -> None:
        while self._waiting and not self._stopping.is_set():
            alone = self._begun == self._handed
            if not self._may_ask(self._waiting[0], alone):
                if alone:
                    return
                await asyncio.sleep(LOOKED_AFTER)
                continue
            item = self._waiting.popleft()
            self._begun += 1
            self._out.put((await answer(item), None))
