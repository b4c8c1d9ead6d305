"""Standard input, output and error as a verb may rely on them, whatever the shell made of them.

A stream that is closed (``>&-``, ``<&-``) reads and writes nothing, and so does one whose reader
has gone (``| head``): the verb goes on and its exit code says what it says without them.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Patient(io.FileIO):
    """A descriptor that nobody need read from: a broken pipe is replaced by nothing."""

    def write(self, data: Any, /) -> int:
        """Write; where the reader has gone, everything counts as written."""
        try:
            return super().write(data)
        except BrokenPipeError:
            forget(self.fileno())
            return memoryview(data).nbytes


def forget(descriptor: int) -> None:
    """Let what is written to a descriptor go nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    if nowhere != descriptor:
        os.close(nowhere)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make the streams fit for use; they are put back at the end.

    Text that the terminal's encoding lacks is replaced rather than raised.
    """
    for descriptor in (0, 1, 2):  # a file that is opened later must not become one of them
        try:
            os.fstat(descriptor)
        except OSError:
            forget(descriptor)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _patient(sys.stdout, 1), _patient(sys.stderr, 2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _patient(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # it was closed when Python started
        return open(descriptor, "w", encoding="utf-8", errors="replace", closefd=False)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    try:
        own = isinstance(stream, io.TextIOWrapper) and stream.fileno() == descriptor
    except (OSError, ValueError):
        own = False
    if not own:
        return stream  # of a test or a notebook
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Patient(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=bool(stream.line_buffering) or descriptor == 2,
    )
