"""Rows out of files: JSON lines, JSON, CSV and Parquet, with errors that name file and line."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

import msgspec

from empeval.errors import DataError, counted
from empeval.extras import require
from empeval.jsonl import BOM, objects_in

Row = dict[str, Any]

LONGEST_FIELD = 1 << 24
"""Characters of a CSV field; Python's own limit is 131,072, which a long answer exceeds."""


_BATCH, _ROW = 256, 256
"""Rows of a Parquet file that are unpacked at a time, and about the bytes of an empty one."""


def read_rows(path: Path, name: str | None = None, *, rest: str | None = None) -> list[Row]:
    """Read every row of one file; the suffix says the format.

    ``.jsonl`` and ``.json`` hold an object a line or one list of objects, ``.csv`` a header and
    rows with standard quoting (every value is text), each also with ``.gz``; ``.parquet`` is
    Parquet.

    Args:
        path: the file.
        name: how errors call it, when not by its path.
        rest: of a CSV file's rows, a name for what stands after the fields of the header.

    Raises:
        DataError: no such format, or the content is broken; the message names file and line.
    """
    label = name or str(path)
    inner = path.name.removesuffix(".gz")
    suffix = inner[inner.rfind(".") :].lower() if "." in inner else ""
    reader = _READERS.get(suffix)
    if reader is None:
        raise DataError(
            f"{label} is of no known format; rows are read from .jsonl, .json and .csv "
            "(also with .gz) and from .parquet."
        )
    try:
        with _open(path) as file:
            if reader is csv_rows:
                return csv_rows(file, label, rest=rest)
            return reader(file, label)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{label} is no whole gzip file ({error}); get it again.") from error
    except OSError as error:
        raise DataError(f"{label} cannot be read: {error.strerror or error}.") from error


def _open(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return open(path, "rb")


def _json(file: IO[bytes], label: str) -> list[Row]:
    start = file.read(1 << 16).removeprefix(BOM)
    while start and not start.strip():
        start = file.read(1 << 16)
    file.seek(0)
    if start.lstrip().startswith(b"["):
        return _json_list(file.read().removeprefix(BOM), label)
    return [row for _, row in objects_in(file, label)]


def _json_list(data: bytes, label: str) -> list[Row]:
    try:
        data.decode("utf-8")
        rows = msgspec.json.decode(data)
    except UnicodeDecodeError as error:
        raise DataError(f"{label}, line {_line(data, error.start)}: not UTF-8.") from error
    except msgspec.DecodeError as error:
        position = re.search(r"\(byte (\d+)\)", str(error))
        number = _line(data, int(position[1]) if position else len(data.rstrip()))
        raise DataError(f"{label}, line {number}: not valid JSON ({error}).") from error
    return [_object(row, f"{label}, element {number}") for number, row in enumerate(rows, 1)]


def _line(data: bytes, end: int) -> int:
    return data.count(b"\n", 0, end) + 1


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise DataError(f"{where}: a row must be a JSON object, not {type(row).__name__}.")
    return row


def csv_rows(
    file: IO[bytes], label: str, *, delimiter: str = ",", rest: str | None = None
) -> list[Row]:
    """Rows of a CSV file: a header, standard quoting, every value is text.

    Args:
        file: open for reading.
        label: how errors call it.
        delimiter: what parts the fields.
        rest: a name for the list of what stands in a row after the fields that the header names;
            without one such a row is refused. A file that is given one is an old release, in
            which quotation marks may be text: it is read so where quoting does not work out.

    Raises:
        DataError: it is broken; the message names the line.
    """
    csv.field_size_limit(LONGEST_FIELD)
    try:
        return _csv_rows(file, label, delimiter, rest, csv.QUOTE_MINIMAL)
    except DataError as error:
        if rest is None or not isinstance(error.__cause__, csv.Error):
            raise
    file.seek(0)
    return _csv_rows(file, label, delimiter, rest, csv.QUOTE_NONE)


def _csv_rows(
    file: IO[bytes], label: str, delimiter: str, rest: str | None, quoting: Literal[0, 3]
) -> list[Row]:
    reader = csv.reader(_decoded(file, label), strict=True, delimiter=delimiter, quoting=quoting)
    rows: list[Row] = []
    try:
        header = next(reader, None)
        if header is None:
            raise DataError(f"{label} is empty; its first line should name the columns.")
        doubled = sorted({column for column in header if header.count(column) > 1})
        if doubled:
            raise DataError(f"{label}, line 1: the column {doubled[0]!r} comes twice.")
        for fields in reader:
            if not fields:
                continue
            if len(fields) < len(header) or (len(fields) > len(header) and rest is None):
                raise DataError(
                    f"{label}, line {reader.line_num}: {counted(len(fields), 'field')}, but "
                    f"the header names {counted(len(header), 'column')}."
                )
            row: Row = dict(zip(header, fields, strict=False))
            rows.append(row if rest is None else {**row, rest: fields[len(header) :]})
    except csv.Error as error:
        raise DataError(
            f"{label}, line {reader.line_num}: {error}; look for a quotation mark that is never "
            "closed."
        ) from error
    return rows


def _decoded(file: IO[bytes], label: str) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{label}, line {number}: not UTF-8.") from error


def parquet_rows(file: IO[bytes], label: str, *, largest: int | None = None) -> list[Row]:
    """Rows of a Parquet file.

    Args:
        file: open for reading.
        label: how errors call it.
        largest: bytes that it may unpack to; a few may stand for very many.

    Raises:
        MissingPackageError: pyarrow is not installed.
        DataError: it is broken or too large.
    """
    require(f"{label}: reading Parquet", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    # On one thread and out of memory: a thread of pyarrow's pools that still runs when a short
    # process ends can abort it ("terminate called without an active exception").
    source = pyarrow.BufferReader(file.read())
    try:
        opened = pyarrow.parquet.ParquetFile(source, pre_buffer=False)
        if largest is None:
            return cast("list[Row]", opened.read(use_threads=False).to_pylist())
        rows: list[Row] = []
        for batch in opened.iter_batches(_BATCH, use_threads=False):
            largest -= batch.nbytes + _ROW * batch.num_rows
            if largest < 0:
                raise DataError(f"{label} unpacks to more than is read. Split it.")
            rows += batch.to_pylist()
        return rows
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{label} cannot be read as Parquet: {reason}.") from error


_READERS: dict[str, Callable[[IO[bytes], str], list[Row]]] = {
    ".csv": csv_rows,
    ".json": _json,
    ".jsonl": _json,
    ".parquet": parquet_rows,
}
