"""What the library says while something runs: log records, which the command line prints.

Whoever calls empeval from Python gets them from the standard library's ``logging``, by its rules:
``logging.getLogger("empeval")`` and its children, one a module, take warnings and, at the level
INFO, what goes on (a download, a wait). Nobody set up anything: warnings go to standard error.
No text holds a secret or what steers a terminal. ``logging`` is imported when there is something to
say, so that looking around stays fast; a progress bar is none of it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from empeval import colour

if TYPE_CHECKING:
    import logging

PATIENCE = 2.0
"""Seconds after which a person is told what everything waits for."""
LOGGER = "empeval"


def warn(text: object) -> None:
    """Log a warning, in the name of the module that calls."""
    _log("WARNING", text)


def tell(text: object) -> None:
    """Log what goes on, at the level INFO."""
    _log("INFO", text)


def show(text: object) -> None:
    """Print one line on standard error: what the command line itself says."""
    print(colour.message(_line(text), sys.stderr), file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def printed() -> Iterator[None]:
    """Print what is logged, as the command line does: ``warning: TEXT``, or the text alone.

    Handlers of the root logger get nothing meanwhile, so that nothing is printed twice.
    """
    if _printing.wanted:
        yield
        return
    _printing.wanted = True
    try:
        if "logging" in sys.modules:
            _printing.begin()
        yield
    finally:
        _printing.wanted = False
        _printing.end()


class _Printing:
    """The handler that prints; it is there from the first record on that could need it."""

    def __init__(self) -> None:
        self.wanted = False
        self._undo: Callable[[], None] | None = None

    def begin(self) -> None:
        if self._undo is not None:
            return
        import logging

        class Printed(logging.Handler):
            """Prints a record as the command line says things."""

            def emit(self, record: logging.LogRecord) -> None:
                """Print it; a warning and an error say what they are."""
                show(_prefix(record) + record.getMessage())

        logger, handler = logging.getLogger(LOGGER), Printed()
        level, propagate = logger.level, logger.propagate

        def undo() -> None:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate

        logger.addHandler(handler)
        logger.setLevel(min(level or logging.INFO, logging.INFO))
        logger.propagate = False
        self._undo = undo

    def end(self) -> None:
        if self._undo is not None:
            self._undo()
            self._undo = None


_printing = _Printing()


def _prefix(record: logging.LogRecord) -> str:
    if record.levelname == "WARNING":
        return "warning: "
    return "error: " if record.levelname in ("ERROR", "CRITICAL") else ""


def _log(level: str, text: object) -> None:
    """Log a line for the caller's caller, whose module is the logger's name."""
    import logging

    if _printing.wanted:
        _printing.begin()
    module = str(sys._getframe(2).f_globals.get("__name__", ""))
    ours = module == LOGGER or module.startswith(f"{LOGGER}.")
    logger = logging.getLogger(module if ours else f"{LOGGER}.{module}")
    logger.log(logging.getLevelNamesMapping()[level], _line(text), stacklevel=3)


def _line(text: object) -> str:
    """A line without secrets and without what steers a terminal."""
    from empeval.escaping import plain
    from empeval.redacting import redact

    return plain(redact(str(text)))


def tell_of_threads(left: list[threading.Thread]) -> None:
    """Print what the end of the process waits for, if it does so for long."""

    def say() -> None:
        names = sorted({thread.name for thread in left if thread.is_alive()})
        if names:
            show(
                f"everything is done; a plugin left a thread behind ({', '.join(names)}), and the "
                "process ends when it does. Ctrl-C ends it now."
            )

    _later(say)


@contextlib.contextmanager
def waiting(what: str, distribution: str | None) -> Iterator[None]:
    """Say what everything waits for while it is imported, and afterwards how long that took.

    Args:
        what: is imported.
        distribution: what to put into ``EMPEVAL_DISABLE_PLUGINS`` to be rid of it.
    """
    started = time.monotonic()
    rid = f" (EMPEVAL_DISABLE_PLUGINS={distribution} leaves it out)" if distribution else ""

    def say() -> None:
        tell(f"still waiting for {what} to be imported{rid}")

    timer = _later(say)
    try:
        yield
    finally:
        timer.cancel()
        seconds = time.monotonic() - started
        if seconds > PATIENCE:
            warn(f"{what} took {seconds:.1f} s to be imported")


def _later(say: Callable[[], None]) -> threading.Timer:
    """Call a function after ``PATIENCE``, unless the timer is cancelled before."""
    timer = threading.Timer(PATIENCE, say)
    timer.daemon = True
    timer.start()
    return timer
