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
        self._said: int | None = None

    def update(self, count: int = 1) -> None:
        """Count so many more."""
        self._done += count
        now = time.monotonic()
        if now - self._last >= EVERY:
            text = f"{self._label}: {self._done} of {self._total}"
            if self._said is not None:
                # The rate since the last line: before the first one a scorer is loaded, and a first
                # group of replies may have been read of which one is counted yet.
                rate = (self._done - self._said) / (now - self._last)
                left = (self._total - self._done) / rate / 60
                text += f", about {left:.0f} minutes left"
            self._last, self._said = now, self._done
            say(text)

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
