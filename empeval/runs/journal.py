"""Append-only JSONL files: one line a record, flushed as it comes, whole or not at all.

A process can be killed between any two instructions. What is on disk then is a sequence of whole
lines and at most one torn one at the end; opening the journal again repairs that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

import msgspec

from empeval.errors import RunFolderError
from empeval.files import open_regular, storage_error, sync
from empeval.jsonl import records_in

T = TypeVar("T")

ADVICE = (
    "The file was changed by something else; delete that line and run the command again to have "
    "the item done anew."
)


def read_journal(path: Path, record: type[T]) -> list[T]:
    """Read every whole line of a journal; a torn last line (no line end) is left out.

    Raises:
        RunFolderError: a line is no valid record (the message names file and line), or the file
            is no regular one.
    """
    try:
        with open(open_regular(path), "rb") as file:
            lines = records_in(file, str(path), record, RunFolderError, ADVICE)
            return [line for _, _, line in lines]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}.") from error


class Journal(Generic[T]):
    """Appends records to one file.

    Opening repairs a torn last line: it is cut off, and its record will be written anew. A line
    is handed to the operating system as it comes, so that a process that is killed loses none;
    closing has the file reach the disk. Use as a context manager.

    Args:
        path: the file.
        clean: what to make of a record before it is written.

    Raises:
        StorageError: the file cannot be opened or written (full disk, no permission, a link or
            a FIFO in its place).
    """

    def __init__(self, path: Path, clean: Callable[[T], T] | None = None) -> None:
        self.path = path
        self._clean = clean
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            descriptor = open_regular(path, flags)
            self._file = open(  # noqa: SIM115 - closed in close()
                path, "ab", buffering=0, opener=lambda *_: descriptor
            )
            self._repair(descriptor)
        except OSError as error:
            raise storage_error(path, error) from error

    def _repair(self, descriptor: int) -> None:
        size = self._file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            os.lseek(descriptor, start, os.SEEK_SET)
            newline = os.read(descriptor, end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)

    def append(self, record: T) -> None:
        """Write one record and hand it to the operating system before returning."""
        record = record if self._clean is None else self._clean(record)
        line = msgspec.json.encode(record) + b"\n"
        offset = self._file.seek(0, os.SEEK_END)
        view = memoryview(line)
        try:
            while view:
                written = self._file.write(view)
                view = view[written or 0 :]
        except OSError as error:
            with contextlib.suppress(OSError):  # else repaired when it is opened again
                self._file.truncate(offset)
            raise storage_error(self.path, error) from error

    def close(self) -> None:
        """Have the file reach the disk, once for all of its lines, and close it."""
        try:
            sync(self._file)
        except OSError as error:
            raise storage_error(self.path, error) from error
        finally:
            self._file.close()

    def __enter__(self) -> Journal[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
