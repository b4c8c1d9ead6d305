"""What a person is told on standard error while something runs."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from empeval import colour
from empeval.escaping import plain
from empeval.redacting import redact

PATIENCE = 2.0
"""Seconds after which a person is told what everything waits for."""


def warn(text: object) -> None:
    """Print ``warning: TEXT`` on one line, without secrets and without what steers a terminal."""
    tell(f"warning: {text}")


def tell(text: object) -> None:
    """Print one line."""
    print(colour.message(plain(redact(str(text))), sys.stderr), file=sys.stderr, flush=True)


def tell_of_threads(left: list[threading.Thread]) -> None:
    """Say what the end of the process waits for, if it does so for long."""

    def say() -> None:
        names = sorted({thread.name for thread in left if thread.is_alive()})
        if names:
            tell(
                f"everything is done; a plugin left a thread behind ({', '.join(names)}), and the "
                "process ends when it does. Ctrl-C ends it now."
            )

    timer = threading.Timer(PATIENCE, say)
    timer.daemon = True
    timer.start()


@contextlib.contextmanager
def waiting(what: str, distribution: str | None) -> Iterator[None]:
    """Say what everything waits for while it is imported, and afterwards how long that took.

    Args:
        what: is imported.
        distribution: what to put into ``EMPEVAL_DISABLE_PLUGINS`` to be rid of it.
    """
    started = time.monotonic()
    rid = f" (EMPEVAL_DISABLE_PLUGINS={distribution} leaves it out)" if distribution else ""
    timer = threading.Timer(PATIENCE, tell, [f"still waiting for {what} to be imported{rid}"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        seconds = time.monotonic() - started
        if seconds > PATIENCE:
            warn(f"{what} took {seconds:.1f} s to be imported")
