"""A verb of empeval in a process forked off this one, which has everything imported already."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from tqdm import tqdm

from empeval.cli import main


class Process(Protocol):
    """What ``subprocess.Popen`` and ``Forked`` have in common."""

    def poll(self) -> int | None:
        """The exit code; ``None`` while it runs."""

    def kill(self) -> None:
        """SIGKILL, if it still runs."""

    def wait(self) -> int:
        """The exit code, when it has ended; negative when a signal ended it."""


Start = Callable[[Sequence[str], Path, Path | None], Process]
"""Starts a verb: its words, the folder it works in, a file for what it prints."""


class Forked:
    """A child of this process, as a ``Process``."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code; ``None`` while it runs."""
        if self._code is None:
            number, status = os.waitpid(self._number, os.WNOHANG)
            if number:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.poll() is None:
            os.kill(self._number, signal.SIGKILL)

    def wait(self) -> int:
        """The exit code, when it has ended; negative when a signal ended it."""
        if self._code is None:
            _, status = os.waitpid(self._number, 0)
            self._code = os.waitstatus_to_exitcode(status)
        return self._code


def fork(words: Sequence[str], folder: Path, output: Path | None = None) -> Process:
    """Start a verb in a child of this process; what it says on standard error is dropped."""
    if threading.active_count() > 1:
        sys.exit("This process has other threads, whose work a child would lack.")
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.fork()
    if not number:
        _work(words, folder, output)
    return Forked(number)


def _work(words: Sequence[str], folder: Path, output: Path | None) -> NoReturn:
    code = 70
    try:
        tqdm.set_lock(threading.RLock())  # its own lets a killed child hold up those after it
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(nothing if output is None else os.open(output, flags, 0o666), 1)
        os.dup2(nothing, 2)
        os.dup2(nothing, 0)
        code = _called(words)
        sys.stdout.flush()
    finally:
        os._exit(code)


def _called(words: Sequence[str]) -> int:
    sys.argv = ["empeval", *words]
    try:
        return main(list(words))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1


def warm_up(verbs: Sequence[tuple[Sequence[str], Callable[[Path], None]]], path: Path) -> None:
    """Run verbs once in this process, so that its children find everything imported.

    Args:
        verbs: words, and what makes the folder that they work in.
        path: of that folder, which is removed.
    """
    tqdm.monitor_interval = 0  # its thread would stand in the way of forking
    here, quiet = Path.cwd(), io.StringIO()
    for words, prepare in verbs:
        shutil.rmtree(path, ignore_errors=True)
        prepare(path)
        os.chdir(path)
        try:
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                _called(words)
        finally:
            os.chdir(here)
    shutil.rmtree(path, ignore_errors=True)
