"""Data sets: a local mirror first, then the hub; and the fingerprint of their rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec

from empeval.errors import DataError, UsageError
from empeval.hub import fetch_dataset, few, first_match, hub_failure, list_files
from empeval.tables import read_rows

__all__ = [
    "data_directory",
    "hub_failure",
    "load_rows",
    "read_rows",
    "require_columns",
    "rows_fingerprint",
    "use_data_directory",
]

_chosen: ContextVar[Path | None] = ContextVar("data_directory", default=None)


def load_rows(
    dataset: str, files: Sequence[str], *, revision: str | None = None, rest: str | None = None
) -> list[dict[str, Any]]:
    """Read rows of a data set, from the local mirror if it has them, else from the hub.

    Args:
        dataset: hub id, ``org/name``; a mirror keeps it in the folder ``org/name``.
        files: names or glob patterns inside the data set (``*`` stays within a folder), the
            preferred one first. The first that matches anything wins; all files it matches are
            read, in sorted order. See ``read_rows`` for the formats.
        revision: branch, tag or commit on the hub; a mirror has only one state.
        rest: of a CSV file's rows, a name for what stands after the fields of the header.

    Returns:
        One dict a row. CSV values are text, others have the type that the file gives them.

    Raises:
        UsageError: the data directory is no folder.
        DataError: a file does not hold what its suffix promises.
        HubError: neither the mirror nor the hub has it; the message says what to do.
    """
    what = f"data set '{dataset}'"
    directory = data_directory()
    if directory is not None:
        folder = directory.joinpath(*dataset.split("/"))
        there = list_files(folder)
        found = first_match(there, files)
        if found:
            return [row for name in found for row in read_rows(folder / name, rest=rest)]
        what += f" ({folder} has {few(there)})" if there else f" (not in {directory})"
    paths = fetch_dataset(dataset, files, revision=revision, what=what)
    return [row for path in paths for row in read_rows(path, rest=rest)]


def data_directory() -> Path | None:
    """The folder that mirrors data sets, if one is set: ``--data-dir``, else ``EMPEVAL_DATA``.

    Raises:
        UsageError: it is set but is no folder.
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    variable = os.environ.get("EMPEVAL_DATA")
    return _folder(variable, "EMPEVAL_DATA") if variable else None


@contextmanager
def use_data_directory(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Read data sets from this folder inside the ``with`` block; ``None`` changes nothing.

    Raises:
        UsageError: it is no folder.
    """
    if path is None:
        yield
        return
    token = _chosen.set(_folder(path, "--data-dir"))
    try:
        yield
    finally:
        _chosen.reset(token)


def _folder(path: str | os.PathLike[str], source: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(
            f"{source} {folder} {problem}; name the folder that holds data sets as org/name."
        )
    return Path(os.path.abspath(folder))


def require_columns(
    rows: Sequence[Mapping[str, Any]], columns: Iterable[str], dataset: str
) -> None:
    """Make sure that every row has these columns.

    Raises:
        DataError: there are no rows, or columns are missing; those that exist are named.
    """
    wanted = list(columns)
    if not rows:
        raise DataError(f"Data set '{dataset}' has no rows.")
    for number, row in enumerate(rows, 1):
        missing = [column for column in wanted if column not in row]
        if missing:
            raise DataError(
                f"Data set '{dataset}', row {number}: no column {', '.join(missing)}; it has "
                f"{', '.join(row) or 'none'}."
            )


def rows_fingerprint(rows: Iterable[Any]) -> str:
    """``sha256:<hex>`` over the rows in their order, each as JSON with sorted keys."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(msgspec.json.encode(row, order="sorted") + b"\n")
    return f"sha256:{digest.hexdigest()}"
