"""The lines of one of a run's files: checked once, then read again whenever they are asked for.

What is kept in memory of a line is its id, its status and its position, so that a run of any size
can be walked. A small file's bytes are kept as well; a large one stays open and is read from the
disk.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from sys import intern
from typing import IO, Any, Generic, Protocol, TypeVar, overload
from weakref import finalize

import msgspec

from empeval.errors import RunFolderError
from empeval.files import open_regular
from empeval.jsonl import UNREADABLE, records_in
from empeval.runs.index import Index
from empeval.runs.journal import ADVICE

HELD = 1 << 22
"""Bytes of a file that is kept whole in memory; of a larger one, ``BUFFER`` at a time are."""
BUFFER = 1 << 14


class Known(Protocol):
    """A record with an id and a status."""

    @property
    def id(self) -> str:
        """The item's id."""

    @property
    def status(self) -> str:
        """How it came about."""


T = TypeVar("T", bound=Known)
Whole = TypeVar("Whole")
Made = TypeVar("Made")


class Stored:
    """A JSONL file of a run folder as it was when it was checked.

    Args:
        path: the file; one that is not there holds nothing, and a torn last line is left out.
        record: the type of every line.

    Attributes:
        index: of its lines.
        models: (model that a line names, its status) -> how many lines.
        state: what the file was, so that a change can be noticed.

    Raises:
        RunFolderError: a line is no such record (the message names file and line), or the file is
            no regular one.
    """

    def __init__(self, path: Path, record: type[Known]) -> None:
        self.path = path
        self.index = Index.of([])
        self.models: Counter[tuple[str, str]] = Counter()
        self._statuses = bytearray()
        self._kinds: list[str] = []
        self._starts = array("q", [0])
        self._file: IO[bytes] = BytesIO()
        self.state: tuple[int, ...] | None = None
        try:
            opened = open(open_regular(path), "rb", buffering=BUFFER)  # noqa: SIM115 - see below
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunFolderError(f"{path} cannot be read: {error.strerror}.") from error
        finalize(self, opened.close)
        try:
            facts = os.fstat(opened.fileno())
            self.state = _state(facts)
            self._file = opened
            if facts.st_size <= HELD:
                with opened:
                    self._file = BytesIO(opened.read())
            self._check(record)
        except OSError as error:
            raise RunFolderError(f"{path} cannot be read: {error.strerror}.") from error

    def _check(self, record: type[Known]) -> None:
        kinds: dict[str, int] = {}
        lines = records_in(self._file, str(self.path), record, RunFolderError, ADVICE)
        ids = []
        for _, size, line in lines:
            ids.append(intern(line.id))  # other files name the same items
            self._statuses.append(kinds.setdefault(line.status, len(kinds)))
            self._starts.append(self._starts[-1] + size)
            if model := getattr(line, "model", None):
                self.models[model, line.status] += 1
        self._kinds = list(kinds)
        self.index = Index.of(ids)

    def status(self, row: int) -> str:
        """The status of a line."""
        return self._kinds[self._statuses[row]]

    def raw(self, row: int) -> bytes:
        """The bytes of a line, with its end.

        Raises:
            RunFolderError: they are no longer there.
        """
        start, end = self._starts[row], self._starts[row + 1]
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) != end - start:
            raise self.changed()
        return data

    def changed(self) -> RunFolderError:
        """What to say when the file is not as it was checked."""
        return RunFolderError(f"{self.path} was changed while it was read; try again.")


def state_of(path: Path) -> tuple[int, ...] | None:
    """What a file is now; ``None``: it is not there."""
    try:
        return _state(os.stat(path))
    except OSError:
        return None


def _state(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


class Lines(Sequence[T], Generic[T]):
    """Lines of a file as records, made anew whenever they are asked for.

    Args:
        stored: the file.
        record: what they are read as; it may have fewer fields than they.
        rows: which of them; ``None``: all, in the order of the file.
    """

    def __init__(self, stored: Stored, record: type[T], rows: Sequence[int] | None = None) -> None:
        self.stored = stored
        self.record = record
        self.rows = range(len(stored.index.ids)) if rows is None else rows
        self._decode = _decoder(record).decode

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Lines[T]: ...
    def __getitem__(self, index: int | slice) -> T | Lines[T]:
        if isinstance(index, slice):
            return Lines(self.stored, self.record, self.rows[index])
        return self.at(self.rows[index])

    def __iter__(self) -> Iterator[T]:
        return map(self.at, self.rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def at(self, row: int) -> T:
        """The record in a row of the file.

        Raises:
            RunFolderError: it is no longer what it was.
        """
        try:
            found: T = self._decode(self.stored.raw(row))
        except UNREADABLE as error:
            raise self.stored.changed() from error
        if found.id != self.stored.index.ids[row]:
            raise self.stored.changed()
        return found

    @property
    def ids(self) -> list[str]:
        """Their ids, without reading anything."""
        return [self.stored.index.ids[row] for row in self.rows]

    @property
    def statuses(self) -> Iterator[str]:
        """Their statuses, without reading anything."""
        return map(self.stored.status, self.rows)

    def ids_of(self, wanted: Callable[[str], bool]) -> set[str]:
        """The ids of those with a wanted status, without reading anything."""
        pairs = zip(self.ids, self.statuses, strict=True)
        return {name for name, status in pairs if wanted(status)}

    @property
    def by_id(self) -> ById[T]:
        """The file's lines by id, without those whose id comes twice."""
        return ById(self.stored, self.record)


class ById(Mapping[str, T], Generic[T]):
    """A file's lines by id, in the natural order of ids; without those whose id comes twice: which
    of them holds, nobody knows.

    The order of the lines is that in which answers came, which is another one the next time: what
    is drawn at random over items must not hang on it.
    """

    def __init__(self, stored: Stored, record: type[T]) -> None:
        self.stored = stored
        self._index = stored.index
        self._lines = Lines(stored, record)

    def __getitem__(self, identifier: str) -> T:
        if identifier in self._index.doubled:
            raise KeyError(identifier)
        return self._lines.at(self._index.rows[identifier])

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._index.rows and identifier not in self._index.doubled

    def __iter__(self) -> Iterator[str]:
        names, doubled = self._index.ids, self._index.doubled
        return (names[row] for row in self._index.natural if names[row] not in doubled)

    def __len__(self) -> int:
        return len(self._index.rows) - len(self._index.doubled)

    def status_of(self, identifier: str) -> str | None:
        """The status of an id's line, without reading it; ``None``: there is no such line."""
        return self.stored.status(self._index.rows[identifier]) if identifier in self else None

    def of(self, ids: Iterable[str]) -> Lines[T]:
        """The lines of these ids, in their order.

        Raises:
            KeyError: there is none of an id.
        """
        rows = array("q", map(self._index.rows.__getitem__, ids))
        return Lines(self.stored, self._lines.record, rows)


class Mapped(Sequence[Made], Generic[Whole, Made]):
    """What a function makes of each element of a sequence, made anew whenever it is asked for."""

    def __init__(self, of: Sequence[Whole], make: Callable[[Whole], Made]) -> None:
        self._of = of
        self._make = make

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, index: int) -> Made: ...
    @overload
    def __getitem__(self, index: slice) -> Mapped[Whole, Made]: ...
    def __getitem__(self, index: int | slice) -> Made | Mapped[Whole, Made]:
        if isinstance(index, slice):
            return Mapped(self._of[index], self._make)
        return self._make(self._of[index])

    def __iter__(self) -> Iterator[Made]:
        return map(self._make, self._of)


@cache
def _decoder(record: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(record)
