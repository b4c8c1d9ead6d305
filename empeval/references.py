"""Components by file: ``my_scorer.py:Thanks`` and ``./my_task.yaml`` where a name may stand.

A reference is ``FILE.py:ATTRIBUTE``, or ``FILE.yaml`` for a task, perhaps with ``:TARGET`` behind.
What a file holds is identified by the hash of its bytes, so a changed file is a changed component.
"""

from __future__ import annotations

import os
import re
import sys
import types
from pathlib import Path
from typing import NamedTuple

from empeval.contained import contained, local_files
from empeval.errors import UsageError
from empeval.files import open_regular

LARGEST = 4 << 20
"""Bytes of a file that is read as source."""

_REFERENCE = re.compile(
    r"(?P<file>(?:[A-Za-z]:[\\/])?[^:]+\.(?P<suffix>py|ya?ml))"
    r"(?::(?P<attribute>[A-Za-z_][\w.]*)?)?(?::(?P<target>.*))?",
    re.DOTALL,
)


class Reference(NamedTuple):
    """A component in a file.

    Attributes:
        path: of the file, absolute.
        attribute: the name in a Python file; ``""`` stands for the only component in it.
        target: what stands behind it, if anything does.
        python: whether the file is Python.
    """

    path: Path
    attribute: str
    target: str | None
    python: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.attribute}" if self.attribute else str(self.path)


class Source(NamedTuple):
    """The text of a file and 12 hex digits of its hash."""

    data: bytes
    digest: str


def parse_reference(text: str) -> Reference | None:
    """The reference that a text is, or ``None`` where it is a name."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    path = Path(os.path.abspath(os.path.expanduser(found["file"])))
    return Reference(path, found["attribute"] or "", found["target"], found["suffix"] == "py")


def split_target(spec: str) -> tuple[str, str | None]:
    """``NAME:TARGET`` or ``FILE.py:ATTRIBUTE:TARGET`` in two; ``None`` where there is no target.

    Of ``NAME?option=value`` all from the ``?`` on is the target, as of ``NAME:?option=value``.
    """
    found = parse_reference(spec)
    if found is None:
        name, _, target = spec.partition(":")
        if "?" in name and "=" in name:
            name = name.partition("?")[0]
            return name, spec.removeprefix(name)
        return name, target or None
    if not found.target:
        return spec, None
    return spec.removesuffix(f":{found.target}"), found.target


def anchored(spec: str, folder: Path) -> str:
    """A reference with its file below ``folder``, unless it is absolute; a name as it is."""
    if parse_reference(spec) is None:
        return spec
    return str(folder / os.path.expanduser(spec))


def read_source(path: Path) -> Source:
    """The bytes of a file that a reference names.

    Raises:
        UsageError: it is not there, is no regular file, is too large, or cannot be read.
    """
    try:
        with open(open_regular(path, follow=True), "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(data) > LARGEST:
        raise UsageError(f"{path} has more than {LARGEST >> 20} MiB; that is no plugin.")
    return Source(data, digest(data))


def digest(data: bytes) -> str:
    """12 hex digits that identify a file's bytes."""
    return _hex(data)[:12]


def _hex(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def import_file(path: Path, source: Source) -> types.ModuleType:
    """The module of a Python file; the same bytes are run once in a process.

    Modules beside it can be imported by it; no ``__pycache__`` is written, and what runs is what
    was hashed.

    Raises:
        ContainedError: the file raises, with the line where it does.
    """
    path_hash = _hex(str(path).encode())[:8]
    stem = re.sub(r"\W", "_", path.stem)
    name = f"empeval_file_{stem}_{path_hash}_{source.digest}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # behind everything that is installed
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and type hints look their module up
    local_files.add(str(path))
    try:
        with contained(f"the file {path}"):
            exec(compile(source.data, str(path), "exec"), module.__dict__)  # noqa: S102 - asked for
    except BaseException:
        del sys.modules[name]
        raise
    return module
