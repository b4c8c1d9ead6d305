"""Inspect's ``.eval``: a zip that holds a JSON file a sample. Nothing is unpacked to the disk.

Inspect compresses with Zstandard, which Python's own ``zipfile`` does not read before 3.14, so
such entries are read here; everything else about the archive is ``zipfile``'s business. An archive
may come from anybody: sizes are limited by what is really unpacked, not by what a header says.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Any, cast

from empeval.errors import DataError
from empeval.extras import require

MOST_UNPACKED = 1 << 31
"""Bytes of an archive's samples altogether, unpacked."""
MOST_ENTRIES = 200_000

_ZSTANDARD = 93
_UTF8 = 0x800
_LOCAL_HEADER = 30
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
           OSError)  # fmt: skip


def read_archive(file: IO[bytes], label: str, parse: Callable[[bytes, str], Any]) -> dict[str, Any]:
    """An Inspect log out of its archive, in the layout of its ``.json``.

    Args:
        file: the archive, open for reading.
        label: how errors call it.
        parse: bytes, label -> value.

    Raises:
        DataError: it is damaged, too large unpacked, or no log of Inspect's.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise DataError(f"{label} holds {len(entries)} files; more than are read.")
            header = [e for e in entries if e.filename in ("header.json", "_journal/start.json")]
            samples = [e for e in entries if _is_sample(e.filename)]
            if any(entry.filename.startswith("xl/") for entry in entries):
                raise DataError(f"{label} is a spreadsheet; save its sheet as CSV.")
            if not header:
                raise DataError(
                    f"{label} is a zip archive, but no log of Inspect's (it has no header.json)."
                )
            starts = {entry.filename: _start(file, entry) for entry in entries}
            room = MOST_UNPACKED
            held: list[Any] = []
            for entry in (header[-1], *sorted(samples, key=_order)):
                where = f"{label}, {entry.filename}"
                data = _unpacked(archive, file, entry, starts[entry.filename], room, where)
                room -= len(data)
                held.append(parse(data, where))
    except _BROKEN as error:
        raise DataError(
            f"{label} is a damaged archive ({error or type(error).__name__}); get it again."
        ) from error
    head = held[0] if isinstance(held[0], dict) else {}
    return {"version": None, "status": None, "eval": {}, **head, "samples": held[1:]}


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")


def _order(entry: zipfile.ZipInfo) -> tuple[int, str]:
    """Samples that are numbered come in the order of their numbers."""
    number = entry.filename.removeprefix("samples/").split("_")[0]
    return (int(number) if number.isdecimal() and len(number) < 19 else 0, entry.filename)


def _start(file: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Where an entry's data begin, once its own header is seen to agree with the directory."""
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("an entry is not where the directory says")
    length, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    coding = "utf-8" if entry.flag_bits & _UTF8 else "cp437"
    if file.read(length).decode(coding) != entry.orig_filename:
        raise zipfile.BadZipFile("the directory gives an entry another name than its own")
    return entry.header_offset + _LOCAL_HEADER + length + extra


def _unpacked(
    archive: zipfile.ZipFile,
    file: IO[bytes],
    entry: zipfile.ZipInfo,
    start: int,
    room: int,
    where: str,
) -> bytes:
    if entry.compress_type == _ZSTANDARD:
        data = _zstandard(file, entry, start, room)
    else:
        with archive.open(entry) as packed:
            data = packed.read(room + 1)
    if len(data) > room:
        raise DataError(
            f"{where}: unpacked, the archive is larger than {MOST_UNPACKED >> 30} GiB; it is not "
            "read."
        )
    return data


def _zstandard(file: IO[bytes], entry: zipfile.ZipInfo, start: int, room: int) -> bytes:
    require("A log of Inspect's that is packed by Zstandard", "pyarrow")
    import pyarrow

    if start + entry.compress_size > file.seek(0, os.SEEK_END):
        raise EOFError("it is cut off")
    file.seek(start)
    packed = pyarrow.BufferReader(file.read(entry.compress_size))
    with pyarrow.CompressedInputStream(packed, "zstd") as stream:
        data = cast("bytes", stream.read(room + 1))
    if len(data) <= room and (len(data) != entry.file_size or zlib.crc32(data) != entry.CRC):
        raise zipfile.BadZipFile(f"bad CRC-32 for {entry.filename!r}")
    return data
