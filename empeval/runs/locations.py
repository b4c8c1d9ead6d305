"""Where runs lie, and where a new one may."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from empeval.errors import RunFolderError, UsageError


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a run's manifest, be it one that can be read or not."""
    return os.path.lexists(Path(path) / "run.json")


KEPT = frozenset(
    {"run.json", "metrics.json", "gate.json", "responses", "turns", "scores", "judgements"}
)
"""What a run keeps in its folder, by the first part of its path there."""


def document_path(path: str | os.PathLike[str], option: str) -> Path:
    """Where a document goes that somebody asked for: anywhere but over what a run keeps.

    Args:
        path: of a file or a folder, as it was given.
        option: what it was given by, for the message.

    Raises:
        UsageError: a run keeps something of its own there.
    """
    folder = keeper_of(path)
    if folder is not None:
        raise UsageError(
            f"{option} {path} would overwrite what the run {folder} keeps; name another place."
        )
    return Path(path)


def document_file(path: str | os.PathLike[str], option: str) -> Path:
    """Where a document that is one file goes: a ``document_path`` that is no folder.

    Args:
        path: as it was given.
        option: what it was given by, for the message.

    Raises:
        UsageError: a run keeps something of its own there, or it is a folder.
    """
    found = document_path(path, option)
    if found.is_dir():
        raise UsageError(f"{option} {path} is a folder; name a file.")
    return found


FOREIGN = frozenset({
    ".doc", ".docx", ".htm", ".html", ".json", ".jsonl", ".md", ".ods", ".odt", ".pdf", ".png",
    ".svg", ".tex", ".txt", ".xls", ".zip",
})  # fmt: skip
"""Endings of files that somebody expects to be what they say."""


def check_ending(
    path: str | os.PathLike[str], option: str, own: Collection[str], said: str
) -> None:
    """Refuse a name that promises another kind of file than the one that would be written.

    Args:
        path: as it was given.
        option: what it was given by.
        own: endings that are right.
        said: what is written instead, as the end of the sentence.

    Raises:
        UsageError: it does.
    """
    ending = Path(path).suffix.lower()
    if ending in FOREIGN and ending not in own and not Path(path).is_dir():
        raise UsageError(f"{option} {path}: nothing here ends in {ending}; {said}")


def keeper_of(path: str | os.PathLike[str]) -> Path | None:
    """The run that keeps something of its own at a path or around it, if one does."""
    absolute = Path(os.path.abspath(path))
    for folder in absolute.parents:
        first = absolute.relative_to(folder).parts[0].casefold()
        if is_run(folder) and (first in KEPT or first.startswith(".run.json")):
            return folder
    return None


def check_apart(paths: Mapping[str, Path]) -> None:
    """Refuse files of which one would overwrite another.

    Args:
        paths: by the option that named each.

    Raises:
        UsageError: two are one.
    """
    taken: dict[str, str] = {}
    for option, path in paths.items():
        other = taken.setdefault(os.path.realpath(path), option)
        if other != option:
            raise UsageError(f"{other} and {option} are both {path}; name another file.")


def check_free(path: Path) -> None:
    """Make sure that a new run may be written to ``path``, without writing.

    Raises:
        RunFolderError: the path is a file, not empty, among the files of another run, or not
            writable.
    """
    folder = keeper_of(path)
    if folder is not None:
        raise RunFolderError(f"--out {path} is among the files of the run {folder}.")
    try:
        if path.exists() and not path.is_dir():
            raise RunFolderError(f"--out {path} is a file; name a folder.")
        if path.is_dir() and any(not e.name.startswith(".") for e in path.iterdir()):
            raise RunFolderError(
                f"--out {path} holds something that is no run of empeval; name an empty folder."
            )
        parent = path
        while not parent.exists():
            parent = parent.parent
    except OSError as error:  # too long a name, a folder that may not be read
        raise RunFolderError(f"--out {path} cannot be written: {error.strerror}.") from error
    if not parent.is_dir():
        raise RunFolderError(f"--out {path} cannot be written: {parent} is a file.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RunFolderError(f"--out {path} cannot be written: no permission in {parent}.")


def run_folders(root: Path) -> list[Path]:
    """The run folders in a folder, damaged ones too, by name; hidden ones are none.

    Raises:
        UsageError: there is no such folder.
    """
    if not root.is_dir():
        raise UsageError(f"There is no folder {root} of runs; give --runs FOLDER.")
    try:
        every = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(f"{root} cannot be read: {error.strerror}.") from error
    return [path for path in every if path.is_dir() and is_run(path)]
