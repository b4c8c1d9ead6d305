"""Where every file of a run is opened, read and replaced.

A run folder may come from anybody. So nothing is read or written through a symbolic link inside
it, only regular files are opened (a FIFO is never waited for), and what is written whole reaches
the disk before it takes its name: a reader, or a power cut, finds the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from empeval.errors import RunFolderError, StorageError

T = TypeVar("T")

LINK = "it is a symbolic link, and nothing is read or written through one here"

_KINDS = (
    (stat.S_ISDIR, "it is a folder, not a file"),
    (stat.S_ISFIFO, "it is a FIFO, not a regular file"),
    (stat.S_ISSOCK, "it is a socket, not a regular file"),
    (stat.S_ISCHR, "it is a device, not a regular file"),
    (stat.S_ISBLK, "it is a device, not a regular file"),
)


def inside(root: Path, *names: str) -> Path:
    """The path of a file below a folder, after a look at what lies on the way to it.

    Args:
        root: the folder, which may itself be named through a link.
        names: folders below it, then the file; not the user's text.

    Raises:
        RunFolderError: one of them is a symbolic link, or a folder's place is taken by a file.
    """
    path = root
    for number, name in enumerate(names, 1):
        path = path / name
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue  # not there yet; opening it says the rest
        if stat.S_ISLNK(mode):
            raise RunFolderError(f"{path} cannot be used: {LINK}. Put what it stands for there.")
        if number < len(names) and not stat.S_ISDIR(mode):
            raise RunFolderError(f"{path} cannot be used: it is no folder.")
    return path


def open_regular(path: Path, flags: int = os.O_RDONLY, *, follow: bool = False) -> int:
    """Open a regular file without ever waiting; returns its descriptor.

    Args:
        path: the file.
        flags: of ``os.open``.
        follow: whether a symbolic link is followed, as in the files that people name themselves.

    Raises:
        OSError: it cannot be opened, or is no regular file; ``strerror`` says what it is.
    """
    check_regular(path, follow=follow)
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", *(() if follow else ("O_NOFOLLOW",))):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise OSError(errno.ELOOP, LINK, str(path)) from error
        raise
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def check_regular(path: Path, *, follow: bool = False) -> None:
    """Raise ``OSError`` when something is there that is no regular file."""
    with contextlib.suppress(FileNotFoundError):
        _check_kind(path, (os.stat if follow else os.lstat)(path).st_mode)


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    what = LINK if stat.S_ISLNK(mode) else "it is no regular file"
    what = next((said for of_kind, said in _KINDS if of_kind(mode)), what)
    raise OSError(errno.EINVAL, what, str(path))


def read_json(path: Path, record: type[T], what: str = "", advice: str = "") -> T:
    """The record in a JSON file that anybody may have written.

    Args:
        path: the file, which is no link.
        record: its type.
        what: what it cannot be read as, such as ``"as a manifest"``.
        advice: what to do then, a sentence.

    Raises:
        RunFolderError: it cannot be read, or is no such record.
    """
    try:
        return msgspec.json.decode(read_regular(path), type=record)
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        said = " ".join(f"{path} cannot be read {what}".split())
        raise RunFolderError(f"{said}: {why}.", path=path, hint=advice) from error


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file; raises ``OSError`` as ``open_regular`` does."""
    with open(open_regular(path), "rb") as file:
        return file.read()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside its path; when the block ends well it takes its name.

    Yields:
        The file to write, which exists and is empty. It is on the disk before it is renamed, and
        gone when the block raises.

    Raises:
        StorageError: it cannot be written, or its place is taken by what is no regular file.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        check_regular(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_parts(path)
        os.close(open_regular(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            yield part
            _sync(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def _remove_parts(path: Path) -> None:
    """Remove what processes left that were killed while they wrote this file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = left.name.split(".")[-2]
        if number.isdecimal() and (int(number) == os.getpid() or not _alive(int(number))):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()


def _alive(number: int) -> bool:
    if os.name != "posix":
        return True  # asking would end it
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file in one step.

    Raises:
        StorageError: it cannot be written, or its place is taken by what is no regular file.
    """
    with replacing(path) as part, open(part, "wb") as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 file in one step; what UTF-8 cannot hold (lone surrogates) becomes ``?``.

    Raises:
        StorageError: as ``write_bytes``.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step.

    Raises:
        StorageError: as ``write_bytes``.
    """
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def sync(file: IO[bytes]) -> None:
    """Have a file that is open for writing reach the disk, and its name with it.

    Raises:
        OSError: the disk refuses.
    """
    os.fsync(file.fileno())
    _sync(Path(file.name).parent)


def _sync(path: Path) -> None:
    """Have a file or folder reach the disk; folders where the system can."""
    folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        if folder:
            return  # Windows opens no folder
        raise
    try:
        os.fsync(descriptor)
    except OSError:
        if not folder:  # a network's file system may know nothing of folders
            raise
    finally:
        os.close(descriptor)


def storage_error(path: Path, error: OSError) -> StorageError:
    """What to say when a file cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"{path} cannot be written: the disk is full. What was finished is safe: free some "
            "space and run the same command again to go on."
        )
    if isinstance(error, PermissionError):
        return StorageError(
            f"{path} cannot be written: permission denied. Is it open in another program, or its "
            "folder write-protected?"
        )
    return StorageError(f"{path} cannot be written: {error.strerror or error}.")


def fingerprint_of(path: Path, *, follow: bool = False) -> str:
    """``sha256:<hex>`` of a regular file's bytes.

    Args:
        path: the file.
        follow: as of ``open_regular``.

    Raises:
        OSError: it cannot be read.
    """
    import hashlib

    with open(open_regular(path, follow=follow), "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
