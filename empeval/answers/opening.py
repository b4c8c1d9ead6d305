"""A file of any kind as rows or as one object. What a file is, its first bytes say."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from empeval.answers.archives import read_archive
from empeval.answers.mapping import NAMES, OTHERS, placed
from empeval.answers.records import Placed, Row
from empeval.errors import DataError
from empeval.files import open_regular
from empeval.jsonl import BOM, clean, read_objects
from empeval.tables import csv_rows, parquet_rows

LARGEST = 1 << 31
"""Bytes of a file that is read, packed and unpacked: it is held in memory."""

_DATABASE = b"SQLite format 3\x00"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}
_DELIMITERS = (",", ";", "\t")
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Opened:
    """What a file holds.

    Attributes:
        rows: its rows. document: the one object that it is, if it may be one.
        table: whether it is CSV or Parquet.
    """

    rows: list[Placed] = field(default_factory=list)
    document: Row | None = None
    table: bool = False


def open_answers(path: Path) -> Opened:
    """Read a file as what it is: JSONL, JSON, CSV, Parquet or an archive.

    Raises:
        DataError: it cannot be read, is too large or damaged, or is none of these.
    """
    label = str(path)
    try:
        with open(open_regular(path, follow=True), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST:
                raise DataError(
                    f"{label} has {size / (1 << 30):.1f} GiB; what another program wrote is held "
                    f"in memory and read up to {LARGEST >> 30} GiB. 'empeval score' reads lines of "
                    "JSON in empeval's own layout (id, messages, response) one by one, however "
                    "many; cut other files at line ends, as 'split -C 1G FILE' does."
                )
            return _opened(file, path, label)
    except OSError as error:
        raise DataError(f"{label} cannot be read: {error.strerror or error}.") from error


def _opened(file: IO[bytes], path: Path, label: str) -> Opened:
    head = file.read(len(_DATABASE))
    file.seek(0)
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
    if packed is not None:
        raise DataError(f"{label} is packed with {packed}; unpack it first.")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Opened(document=read_archive(file, label, parsed))
    if head.startswith(b"PAR1"):
        rows = parquet_rows(file, label, largest=LARGEST)
        return Opened(placed(rows, label, "row"), table=True)
    if head == _DATABASE:
        raise DataError(
            f"{label} is a database; write its answers to a file of rows first (of the program "
            "llm: 'llm logs --json -n 0 > answers.json')."
        )
    if head.startswith(_UTF16):
        raise DataError(f"{label}, line 1: not UTF-8 but UTF-16, it seems; save it as UTF-8.")
    return _text(file, path, label)


def _text(file: IO[bytes], path: Path, label: str) -> Opened:
    first = _first_line(file)
    if first.startswith(b"["):
        return _list(file, label)
    if first.startswith(b"{"):
        if _begins_lines(first, file):
            return _lines(path)
        file.seek(0)
        document = parsed(file.read(), label)
        return Opened(placed([document], label, "element"), document)
    delimiter = _delimiter(first, path)
    if delimiter is None:
        return _lines(path)
    file.seek(0)
    return Opened(placed(csv_rows(file, label, delimiter=delimiter), label, "row"), table=True)


def _begins_lines(first: bytes, file: IO[bytes]) -> bool:
    """Whether a file whose first line begins an object is JSONL, not one object over lines."""
    alone = not file.read(1)
    return _is_object(first) or alone or _is_object(_first_line(file))


def holds_lines(path: Path) -> bool:
    """Whether a file can be read line by line, as JSONL.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        with open(open_regular(path, follow=True), "rb") as file:
            first = _first_line(file)
            return first.startswith(b"{") and _begins_lines(first, file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def lines_of(path: Path) -> Iterator[Placed]:
    """The rows of a JSONL file, one at a time."""
    for number, row in read_objects(path, nan=True):
        yield Placed(f"{path}, line {number}", row)


def _first_line(file: IO[bytes]) -> bytes:
    """The next line that is not blank, without a byte order mark."""
    while line := file.readline():
        line = line.removeprefix(BOM)
        if line.strip():
            return line.lstrip()
    return b""


def _lines(path: Path) -> Opened:
    rows = list(lines_of(path))
    return Opened(rows, rows[0].row if len(rows) == 1 else None)


def _list(file: IO[bytes], label: str) -> Opened:
    file.seek(0)
    value = parsed(file.read(), label)
    if not isinstance(value, list):
        raise DataError(f"{label} is no list of objects.")
    return Opened(placed(value, label, "element"))


def parsed(data: bytes, label: str) -> Any:
    """A JSON value.

    Raises:
        DataError: it is not UTF-8 or not JSON; the message names the line.
    """
    try:
        return clean(json.loads(data.removeprefix(BOM).decode("utf-8")))
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        said = f"{label}, line {number}: not UTF-8; save the file as UTF-8."
        raise DataError(said, path=label, line=number) from error
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip())
        detail = "the file seems cut off" if cut else error.msg
        said = f"{label}, line {error.lineno}: not valid JSON ({detail})."
        raise DataError(said, path=label, line=error.lineno) from error
    except RecursionError:
        raise DataError(f"{label}, line 1: nested too deeply.", path=label, line=1) from None
    except ValueError as error:
        raise DataError(f"{label}: not valid JSON ({error}).") from error


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _delimiter(first: bytes, path: Path) -> str | None:
    """What parts the columns, if the first line may name columns; ``None``: it is no table."""
    try:
        header = first.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    known = {*NAMES, *(name for names in OTHERS.values() for name in names)}
    split = {d: next(csv.reader(io.StringIO(header), delimiter=d), []) for d in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda d: (len(known & set(split[d])), len(split[d])))
    if path.suffix.lower() in _TABLES:
        return best
    return best if len(split[best]) > 1 and known & set(split[best]) else None
