"""Holds what a plugin's code does to the plugin: the one way in which empeval calls it.

Whatever a plugin raises, also what is meant to end a process (``SystemExit``), becomes a
``ContainedError`` that names it; only Ctrl-C goes through. What it prints goes to standard error,
since standard output is empeval's own and may be JSON for a program.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from empeval.errors import EmpevalError

T = TypeVar("T")


class ContainedError(EmpevalError):
    """A plugin's code failed.

    Attributes:
        reason: ``Type: message`` of what it raised.
    """

    def __init__(self, owner: str, reason: str) -> None:
        super().__init__(
            f"{owner[:1].upper()}{owner[1:]} fails with {reason}. This is a defect of its plugin; "
            "EMPEVAL_DEBUG=1 shows where."
        )
        self.reason = reason


@contextlib.contextmanager
def contained(owner: str, *, prints: bool = False) -> Iterator[None]:
    """Run a plugin's code.

    Args:
        owner: how errors call it, with its distribution: ``"scorer 'my-plugin/politeness'"``.
        prints: whether standard output is its to write to (a verb of its own).

    Raises:
        EmpevalError: as it was raised, where it is one of empeval's own.
        ContainedError: in the place of anything else but ``KeyboardInterrupt``.
    """
    aside = contextlib.nullcontext() if prints else contextlib.redirect_stdout(sys.stderr)
    try:
        with aside:
            yield
    except (EmpevalError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ContainedError(owner, reason_of(error)) from error


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
