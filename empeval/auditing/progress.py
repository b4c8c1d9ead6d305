"""Bars where a person watches, a line a minute in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from empeval.notices import tell

EVERY = 60.0
"""Seconds between two lines where nobody watches."""


class Lines:
    """In the place of a bar: a line a minute on standard error."""

    def __init__(self, total: int, done: int, label: str) -> None:
        self._total, self._done, self._label = total, done, label
        self._last = time.monotonic()
        self._said = done

    def update(self, count: int = 1) -> None:
        """Count so many more."""
        self._done += count
        now = time.monotonic()
        if now - self._last >= EVERY:
            # the rate of the last minute: the first one holds the loading of the scorer
            rate = (self._done - self._said) / (now - self._last)
            left = (self._total - self._done) / rate / 60
            self._last, self._said = now, self._done
            say(f"{self._label}: {self._done} of {self._total}, about {left:.0f} minutes left")

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""


def progress_bar(total: int, done: int, label: str, progress: bool) -> Any:
    """A bar with rate and remaining time, or lines where standard error is no terminal."""
    from empeval.runner import bar

    if progress and not sys.stderr.isatty():
        return Lines(total, done, label)
    return bar(total, done, label, progress)


def say(text: str) -> None:
    """Print a line on standard error."""
    tell(text)
