"""How many requests are under way at once, by what the server bears."""

from __future__ import annotations

import asyncio
import random


class Throttle:
    """Lets at most so many in at once, fewer after a server asked to slow down.

    It begins with one, so that a wrong key or name costs one request, and goes to ``most`` when
    that was answered. Each request to slow down halves the number, at most once for the requests
    that were under way together; each answer then adds to it what makes one more a round.

    Args:
        most: the largest number at once.
        before: of the same server in an event loop that has ended; what it has learned stays.

    Attributes:
        limit: the number now. busiest: the largest number that there was. opened: whether a
            request was answered.
    """

    def __init__(self, most: int, before: Throttle | None = None) -> None:
        self.most = most
        self.limit = 1.0
        self.busiest = 0
        self.opened = False
        self._active = 0
        self._until = 0.0
        self._cut = 0.0
        self._freed = asyncio.Event()
        if before is not None:
            self.limit, self.opened, self._cut = before.limit, before.opened, before._cut
            self._until = 0.0 if before._until == float("inf") else before._until

    async def enter(self) -> float:
        """Wait until one more may go; the loop's time, for ``slow_down``."""
        loop = asyncio.get_running_loop()
        while True:
            pause = self._until - loop.time()
            if pause == float("inf"):
                await asyncio.Event().wait()
            elif pause > 0:  # not all in the same moment
                await asyncio.sleep(pause + random.uniform(0, 0.1 * pause))  # noqa: S311
            elif self._active >= int(self.limit):
                self._freed.clear()
                await self._freed.wait()
            else:
                break
        self._active += 1
        self.busiest = max(self.busiest, self._active)
        return loop.time()

    def shut(self) -> None:
        """Let nobody in any more: those that wait go on waiting until they are cancelled."""
        self._until = float("inf")

    def leave(self) -> None:
        """One is done, however it ended."""
        self._active -= 1
        self._freed.set()

    def answered(self) -> None:
        """A request was answered: there may be more at once."""
        if not self.opened:
            self.opened, self.limit = True, float(self.most)
        else:
            self.limit = min(float(self.most), self.limit + 1 / self.limit)
        self._freed.set()

    def slow_down(self, entered: float, wait: float) -> None:
        """The server wants less: half as many, none for ``wait`` seconds.

        Args:
            entered: when the request that was told so had gone.
            wait: seconds.
        """
        now = asyncio.get_running_loop().time()
        self._until = max(self._until, now + wait)
        if entered >= self._cut:
            self.limit = max(1.0, self.limit / 2)
            self._cut = now
