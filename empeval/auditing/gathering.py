"""Finds the rated sets that a user names: files, folders of them, or ``esconv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from empeval.auditing import own
from empeval.auditing.layouts import LAYOUTS
from empeval.auditing.rated import RatedSet
from empeval.data import load_rows
from empeval.errors import DataError, UsageError
from empeval.tables import Row, read_rows

ESCONV = "esconv"
DATASET = "thu-coai/esconv"
PARTS = ("test", "all", "train", "validation")
AskedPart = Literal["test", "all", "train", "validation"]

_SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")


class Gathered(msgspec.Struct, frozen=True):
    """A rated set as it is audited.

    Attributes:
        rated: the replies of the part.
        part: which; a user's own file has only ``all``.
    """

    rated: RatedSet
    part: str


def gather(
    sources: Sequence[str],
    *,
    part: AskedPart = "test",
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> tuple[list[Gathered], list[str]]:
    """Read the rated sets that are named.

    Args:
        sources: paths of files and folders, or ``esconv``.
        part: of the published sets.
        columns: our name of a column -> the user's, for his own files.
        limit: the most replies of each set, spread over its dialogues.

    Returns:
        The sets, and sentences about what could not be used.

    Raises:
        UsageError: a source is not there.
        DataError: a file that was named is of no layout, or broken.
        HubError: ``esconv`` is neither in the data folder nor on the hub.
    """
    own.check_map(columns or {})
    found: list[Gathered] = []
    remarks: list[str] = []
    for source in sources:
        for rated, published in _read(source, columns or {}, remarks):
            kept = rated if part == "all" or not published else rated.only(part)
            if not kept.replies:
                remarks.append(f"{rated.name} has no reply in its {part} part")
                continue
            found.append(
                Gathered(_limited(_named(kept, found), limit), part if published else "all")
            )
    return found, remarks


def _read(
    source: str, columns: Mapping[str, str], remarks: list[str]
) -> Iterator[tuple[RatedSet, bool]]:
    path = Path(source).expanduser()
    if source == ESCONV and not path.exists():
        rows = [
            row
            for split in ("validation", "test")
            for row in load_rows(DATASET, [f"{split}.jsonl", f"*{split}*.parquet"])
        ]
        yield _published(rows, DATASET) or _unknown(rows, DATASET), True
    elif path.is_dir():
        files = sorted(
            one for one in path.iterdir() if one.name.removesuffix(".gz").endswith(_SUFFIXES)
        )
        before = len(remarks)
        some = False
        for one in files:
            try:
                yield _file(one, columns)
                some = True
            except DataError as error:
                remarks.append(f"passed over: {error}")
        if not some:
            why = f" (the first was {remarks[before]})" if len(remarks) > before else ""
            raise DataError(f"{path} holds no file of rated replies{why}.")
    elif path.is_file():
        yield _file(path, columns)
    else:
        raise UsageError(
            f"There is no file or folder {source} of rated replies. Name one, or '{ESCONV}'."
        )


def _file(path: Path, columns: Mapping[str, str]) -> tuple[RatedSet, bool]:
    rows = read_rows(path)
    if not rows:
        raise DataError(f"{path} has no rows.")
    published = _published(rows, path.name)
    if published is not None:
        return published, True
    if own.fits(rows[0], columns):
        stem = path.name.removesuffix(".gz").rpartition(".")[0]
        return own.read_own(rows, stem, path.name, columns), False
    return _unknown(rows, str(path)), False


def _published(rows: Sequence[Row], where: str) -> RatedSet | None:
    for layout in LAYOUTS:
        if layout.matches(rows[0]):
            return layout.rated(rows, where)
    return None


def _unknown(rows: Sequence[Row], where: str) -> RatedSet:
    has = ", ".join(map(str, rows[0])) or "none"
    raise DataError(
        f"{where} has the columns {has}. Rated replies need context, response and rating (and may "
        "have rater, dialogue, system): say which of yours are these with --map "
        "response=COLUMN,rating=COLUMN. empeval audit --list-ratings names the published layouts."
    )


def _named(rated: RatedSet, found: Sequence[Gathered]) -> RatedSet:
    """The set under a name that no other has."""
    taken = {one.rated.name for one in found}
    name, number = rated.name, 2
    while name in taken:
        name, number = f"{rated.name}-{number}", number + 1
    return msgspec.structs.replace(rated, name=name)


def _limited(rated: RatedSet, limit: int | None) -> RatedSet:
    if limit is None or len(rated.replies) <= limit:
        return rated
    # by a hash of the dialogue: whole dialogues, the same ones every time
    order = sorted(rated.replies, key=lambda reply: (own.digest(reply.dialogue), reply.id))
    note = f"limited to {limit} of {len(rated.replies)} replies"
    return msgspec.structs.replace(rated, replies=tuple(order[:limit]), notes=(*rated.notes, note))
