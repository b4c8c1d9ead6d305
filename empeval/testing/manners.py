# ruff: noqa: S101 - assertions are what a test is made of
"""What every component must leave alone, whatever else it does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

GRACE = 1.0
"""Seconds in which a thread may end by itself."""


class Manners:
    """Watches each test of a contract; every contract is one of its subclasses.

    Standard output is empeval's own and may be JSON for a program. The working directory is what
    the user's paths are meant from. A thread that is left behind keeps the process from ending.
    """

    @pytest.fixture(autouse=True)
    def manners(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Nothing is printed, the folder stays, no thread stays."""
        if not request.function.__module__.startswith("empeval.testing"):
            yield  # a test of your own may print
            return
        watch = None if "capsys" in request.fixturenames else request.getfixturevalue("capfd")
        folder, before = os.getcwd(), set(threading.enumerate())
        yield
        said, here = "" if watch is None else watch.readouterr().out, os.getcwd()
        os.chdir(folder)
        assert not said, (
            f"it printed {said[:60]!r} on standard output; print to sys.stderr, or use logging"
        )
        assert here == folder, f"it went to the folder {here}; use absolute paths instead"
        left = threads_left(before)
        assert not left, f"it left threads behind that keep the process alive: {', '.join(left)}"


def threads_left(before: set[threading.Thread]) -> list[str]:
    """The names of new threads that are no daemons and do not end."""
    until = time.monotonic() + GRACE
    while True:
        new = [t for t in threading.enumerate() if t not in before and not t.daemon]
        if not new or time.monotonic() > until:
            return sorted({thread.name for thread in new})
        time.sleep(0.02)
