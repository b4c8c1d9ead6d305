"""The one reader of JSONL, a JSON value a line, and what it says of a line that it cannot read.

A line ends with LF and is UTF-8; what is no JSON (``NaN``) is refused, and every refusal names
file and line. Two kinds of file differ in what is forgiven. Files that people bring
(``read_objects``, ``objects_in``) hold objects; a byte order mark, blank lines and a last line
without its end are taken, and text that UTF-8 cannot hold again (lone surrogates) becomes ``?``.
Files that empeval appended to itself (``records_in``) hold records of one type; nothing is
forgiven but a torn last line, which a process that was killed leaves, and which is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from empeval.errors import DataError, RunFolderError
from empeval.files import open_regular

T = TypeVar("T")

BOM = b"\xef\xbb\xbf"

UNREADABLE = (ValueError, RecursionError)
"""What reading JSON that anybody may have written can raise: msgspec's, json's and codecs' errors
are of these."""


def read_objects(
    path: Path, name: str | None = None, *, nan: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a file that somebody brings.

    Args:
        path: the file.
        name: how errors call it, when not by its path.
        nan: whether ``NaN`` and ``Infinity`` are taken, which are no JSON and which much of what
            Python programs log holds.

    Raises:
        DataError: the file cannot be read (a FIFO is refused, never waited for), or a line is not
            UTF-8, not JSON, cut off or no object; the message names file and line.
    """
    label = name or str(path)
    try:
        with open(open_regular(path, follow=True), "rb") as file:
            yield from objects_in(file, label, nan=nan)
    except OSError as error:
        raise DataError(f"{label} cannot be read: {error.strerror}.", path=path) from error


def objects_in(
    lines: Iterable[bytes], label: str, *, nan: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What ``read_objects`` yields, of lines out of any file; ``label`` is its name in errors."""
    for number, _, row in _each(_forgiven(lines), label, partial(_object, nan=nan), DataError, ""):
        yield number, row


def records_in(
    lines: Iterable[bytes],
    label: str,
    record: type[T],
    error: type[DataError | RunFolderError],
    advice: str,
) -> Iterator[tuple[int, int, T]]:
    """Yield (line number from 1, length in bytes, record) of a file that empeval appended to.

    Args:
        lines: of the file, with their ends.
        label: the file's name in errors.
        record: the type of every line.
        error: what is raised for a line that is no such record.
        advice: the end of its message, a sentence.
    """
    whole = (line for line in lines if line.endswith(b"\n"))
    yield from _each(enumerate(whole, 1), label, msgspec.json.Decoder(record).decode, error, advice)


def _each(
    numbered: Iterable[tuple[int, bytes]],
    label: str,
    decode: Callable[[bytes], T],
    problem: type[DataError | RunFolderError],
    advice: str,
) -> Iterator[tuple[int, int, T]]:
    for number, line in numbered:
        try:
            value = decode(line)
        except UNREADABLE as error:
            why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            said = " ".join(f"{label}, line {number}: {why}. {advice}".split())
            raise problem(said, path=label, line=number, hint=advice) from error
        yield number, len(line), value


def _forgiven(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, without blank ones and a byte order mark."""
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(BOM) if number == 1 else raw
        if line.strip():
            yield number, line


def _object(line: bytes, nan: bool) -> dict[str, Any]:
    """The object in a line.

    Raises:
        ValueError: it is none, with the reason as a clause.
    """
    try:
        value = msgspec.json.decode(line)
    except ValueError:  # it is not strict JSON; find out why, or what stands in it
        value = _lenient(line, nan)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object; each line holds one {...}")
    return value


def _lenient(line: bytes, nan: bool) -> Any:
    try:
        text = line.decode()
        if nan:
            return clean(json.loads(text))
        return clean(json.loads(text, parse_constant=_no_number, parse_float=_number))
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} of the line"
        raise ValueError(f"not UTF-8 ({where}); save the file as UTF-8") from error
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise ValueError(
                "not valid JSON, and the last line has no line end: the file seems cut off"
            ) from error
        raise ValueError(f"not valid JSON ({getattr(error, 'msg', error)})") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON; write null")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def clean(value: Any) -> Any:
    """A value whose texts UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [clean(v) for v in value]
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items()}
    return value
