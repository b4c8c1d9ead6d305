"""Holds what a plugin's code does to the plugin: the one way in which empeval calls it.

Whatever a plugin raises, also what is meant to end a process (``SystemExit``), becomes a
``ContainedError`` that names it; only Ctrl-C goes through. What it prints goes to standard error,
since standard output is empeval's own and may be JSON for a program.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from empeval.errors import EmpevalError
from empeval.extras import missing_package

T = TypeVar("T")

local_files: set[str] = set()
"""Files that a user named and is writing himself: an error that comes from one says its line."""


class ContainedError(EmpevalError):
    """A plugin's code failed.

    Args:
        owner: what failed, with its distribution: ``"scorer 'my-plugin/politeness'"``.
        reason: ``Type: message`` of what it raised.
    """

    code = "plugin-failed"
    objects = ("owner", "reason")

    def __init__(self, owner: str, reason: str) -> None:
        self.owner = owner
        self.reason = reason
        super().__init__(
            f"{owner[:1].upper()}{owner[1:]} fails with {reason}. This is a defect of its plugin; "
            "EMPEVAL_DEBUG=1 shows where.",
            hint="EMPEVAL_DEBUG=1 shows where.",
        )


@contextlib.contextmanager
def contained(owner: str, *, prints: bool = False) -> Iterator[None]:
    """Run a plugin's code.

    Args:
        owner: how errors call it, with its distribution: ``"scorer 'my-plugin/politeness'"``.
        prints: whether standard output is its to write to (a verb of its own).

    Raises:
        EmpevalError: as it was raised, where it is one of empeval's own.
        MissingPackageError: it imports a package of an extra that is not installed.
        ContainedError: in the place of anything else but ``KeyboardInterrupt``.
    """
    aside = contextlib.nullcontext() if prints else contextlib.redirect_stdout(sys.stderr)
    try:
        with aside, same_folder():
            yield
    except (EmpevalError, KeyboardInterrupt):
        raise
    except BaseException as error:
        missing = missing_package(error, owner)
        if missing is not None:
            raise missing from error
        raise ContainedError(owner, reason_of(error) + _line_of(error)) from error


@contextlib.contextmanager
def same_folder() -> Iterator[None]:
    """Come back to the working directory: the user's relative paths are meant from there."""
    try:
        before = os.getcwd()
    except OSError:  # it is gone already
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(before)


def _line_of(error: BaseException) -> str:
    """Where in a user's own file an error comes from; ``""`` for any other."""
    if isinstance(error, SyntaxError):
        return ""  # its message says it
    found = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file in local_files:
            found = f" ({os.path.basename(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def each(owner: str, make: Callable[[], Iterable[T]]) -> Iterator[T]:
    """What a plugin yields, one by one; its code runs contained, the caller's does not.

    Raises:
        ContainedError: as of ``contained``.
    """
    with contained(owner):
        iterator = iter(make())
    while True:
        with contained(owner):
            try:
                value = next(iterator)
            except StopIteration:
                return
        yield value


def reason_of(error: BaseException) -> str:
    """``Type: message`` of an exception, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except BaseException as other:
        if isinstance(other, KeyboardInterrupt):
            raise
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def reason_in(error: EmpevalError) -> str:
    """What an error says, without whose plugin it was where that stands beside it."""
    return error.reason if isinstance(error, ContainedError) else str(error)
