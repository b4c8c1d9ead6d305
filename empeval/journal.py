"""Append-only JSONL files: one line a record, flushed as it comes, whole or not at all.

A process can be killed between any two instructions. What is on disk then is a sequence of whole
lines and at most one torn one at the end; opening the journal again repairs that.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import msgspec

from empeval.errors import RunFolderError, StorageError

T = TypeVar("T")


def read_journal(path: Path, record: type[T]) -> list[T]:
    """Read every whole line of a journal; a torn last line (no line end) is left out.

    Raises:
        RunFolderError: a line is no valid record; the message names file and line.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}.") from error
    decoder = msgspec.json.Decoder(record)
    records: list[T] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            records.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RunFolderError(
                f"{path}, line {number}: {error}. The file was changed by something else; "
                "delete that line and run the command again to have the item done anew."
            ) from error
    return records


class Journal(Generic[T]):
    """Appends records to one file.

    Opening repairs a torn last line: it is cut off, and its record will be written anew. Use as
    a context manager.

    Raises:
        StorageError: the file cannot be opened or written (full disk, no permission).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed in close()
            self._repair()
        except OSError as error:
            raise _storage_error(path, error) from error

    def _repair(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        with open(self.path, "rb") as file:
            end = size
            while end > 0:
                start = max(0, end - 65536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
        if end < size:
            self._file.truncate(end)

    def append(self, record: T) -> None:
        """Write one record and hand it to the operating system before returning."""
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
            raise _storage_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
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


def write_whole(path: Path, value: Any) -> None:
    """Replace a JSON file in one step, so that a reader sees the old one or the new one.

    Raises:
        StorageError: it cannot be written.
    """
    _replace(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Replace a JSONL file in one step.

    Raises:
        StorageError: it cannot be written.
    """
    _replace(path, b"".join(msgspec.json.encode(record) + b"\n" for record in records))


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise _storage_error(path, error) from error


def _storage_error(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"{path} cannot be written: the disk is full. What was finished is safe: free some "
            "space and run the same command again to go on."
        )
    return StorageError(f"{path} cannot be written: {error.strerror or error}.")
