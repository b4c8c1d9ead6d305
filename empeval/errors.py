"""Errors that speak to the person at the keyboard, and to the program that called.

A person gets a sentence: ``error: MESSAGE [CODE]`` and no traceback. A program gets what the
sentence is made of: a ``code`` that stays the same from version to version, a ``hint``, and the
objects that it is about as attributes; ``to_dict`` gives all of them as JSON can hold them. The
exit code tells two kinds apart: 2, invalid input, ends the same way until the command or a file is
changed; 1, a runtime failure (network, disk, memory, a plugin), may pass when tried again.

``docs/errors.md`` lists every code; ``python docs/error_codes.py`` writes that list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

E = TypeVar("E", bound="EmpevalError")

GENERAL = ("runtime-failure", "invalid-input")
"""Codes that say no more than the exit code does; a person is not shown them."""


class EmpevalError(Exception):
    """A runtime failure: something went wrong that the user can do something about.

    ``str(error)`` is one or two sentences: what was wrong, where, what to do.

    Args:
        said: the message.
        hint: what to do, a sentence; it ends the message unless that holds it already.
        code: one of ``finer``, instead of the class's own.

    Attributes:
        code: a stable name of what went wrong, such as ``"unknown-name"``.
        hint: the part of the message that says what to do; ``""`` where it is not apart.
        exit_code: of the command line.
        finer: other codes that errors of this class may have -> when they do.
        objects: names of the attributes that hold what the error is about.
    """

    exit_code: ClassVar[int] = 1
    code: str = "runtime-failure"
    hint: str = ""
    finer: ClassVar[Mapping[str, str]] = {}
    objects: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *said: object, hint: str = "", code: str = "") -> None:
        if hint:
            self.hint = hint = hint.strip()
            text = " ".join(map(str, said))
            said = (text if hint in text else f"{text} {hint}",)
        if code:
            self.code = code
        super().__init__(*said)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as it is: what ``__init__`` takes is not what the message is."""
        return _again, (type(self), self.args, self.__dict__)

    def reworded(self, said: str) -> Self:
        """The same error with another message: code, hint and objects stay."""
        return _again(type(self), (said,), self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """``code``, ``message``, ``hint`` and the objects, in values that JSON has."""
        told = {"code": self.code, "message": str(self), "hint": self.hint}
        return told | {name: _builtin(getattr(self, name, None)) for name in self.objects}


class UsageError(EmpevalError):
    """Invalid input: a bad name, value, file or combination."""

    exit_code = 2
    code = "invalid-input"


class UnknownNameError(UsageError):
    """There is nothing of the name that was given.

    Args:
        said: the message, to which the names that are close and those that there are get added.
        kind: of what: ``"task"``, ``"scorer"``, ``"option"``, ``"metric"`` ...
        name: what was given.
        known: the names that there are.
        hint: in the place of what is added to the message.
    """

    code = "unknown-name"
    objects = ("kind", "name", "known", "close")

    def __init__(
        self, said: str, *, kind: str, name: str, known: Iterable[str], hint: str = ""
    ) -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(set(known))
        self.close = close_to(name, self.known)
        super().__init__(said, hint=hint or nearest(name, self.known))


class NotComparableError(UsageError):
    """Two runs cannot be compared, or only by force.

    Args:
        said: the message.
        base: the folder of one run.
        candidate: that of the other.
        problems: what differs, or what they do not share.
        hint: what to do.
    """

    code = "not-comparable"
    objects = ("base", "candidate", "problems")

    def __init__(
        self,
        said: str,
        *,
        base: str | os.PathLike[str],
        candidate: str | os.PathLike[str],
        problems: Sequence[str],
        hint: str = "",
    ) -> None:
        self.base = os.fspath(base)
        self.candidate = os.fspath(candidate)
        self.problems = list(problems)
        super().__init__(said, hint=hint)


class _PlacedError(UsageError):
    """Something is wrong with a file, perhaps at a line of it.

    Args:
        said: the message.
        path: the file, as the message calls it.
        line: of the file, from 1.
        hint: what to do.
    """

    objects: ClassVar[tuple[str, ...]] = ("path", "line")

    def __init__(
        self,
        *said: object,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        hint: str = "",
        code: str = "",
    ) -> None:
        self.path = None if path is None else os.fspath(path)
        self.line = line
        at_line = next(iter(self.finer), "") if line is not None else ""
        super().__init__(*said, hint=hint, code=code or at_line)


class DataError(_PlacedError):
    """A file or data set does not hold what it should; the message names file and line."""

    code = "data"
    finer: ClassVar[Mapping[str, str]] = {
        "data-line": "A line of a file cannot be read: no JSON, cut off, not UTF-8."
    }


class RunFolderError(_PlacedError):
    """A folder is no run folder, or cannot be read or used as one."""

    code = "run-folder"
    finer: ClassVar[Mapping[str, str]] = {
        "run-line": "A line of a run folder's file is damaged; deleted, it is done anew."
    }


class IncompleteRunError(RunFolderError):
    """A run is unfinished, or lacks what it says it holds.

    Args:
        said: the message.
        run: the folder.
        answered: items that have a line.
        wanted: items that were asked.
        lacking: what is not there, a clause for each task and scorer.
        hint: what to do.
    """

    code = "run-incomplete"
    finer: ClassVar[Mapping[str, str]] = {}
    objects = ("run", "answered", "wanted", "lacking")

    def __init__(
        self,
        said: str,
        *,
        run: str | os.PathLike[str],
        answered: int,
        wanted: int,
        lacking: Sequence[str],
        hint: str = "",
    ) -> None:
        self.run = os.fspath(run)
        self.answered = answered
        self.wanted = wanted
        self.lacking = list(lacking)
        super().__init__(said, path=run, hint=hint)


class ChangedRunError(RunFolderError):
    """A file of a finished run was changed since, so its metrics are of something else.

    Args:
        said: the message.
        run: the folder.
        file: the one that was changed.
        hint: what to do.
    """

    code = "run-changed"
    finer: ClassVar[Mapping[str, str]] = {}
    objects = ("run", "file")

    def __init__(
        self,
        said: str,
        *,
        run: str | os.PathLike[str],
        file: str | os.PathLike[str],
        hint: str = "",
    ) -> None:
        self.run = os.fspath(run)
        self.file = os.fspath(file)
        super().__init__(said, path=file, hint=hint)


class OtherRunSpecError(RunFolderError):
    """The folder that a run would go to holds a run of another run spec.

    Args:
        said: the message.
        run: the folder.
        differences: what is asked otherwise, a clause each: there -> now.
        hint: what to do.
    """

    code = "other-run-spec"
    finer: ClassVar[Mapping[str, str]] = {}
    objects = ("run", "differences")

    def __init__(
        self, said: str, *, run: str | os.PathLike[str], differences: Sequence[str], hint: str = ""
    ) -> None:
        self.run = os.fspath(run)
        self.differences = list(differences)
        super().__init__(said, path=run, hint=hint)


class HubError(EmpevalError):
    """A model or data set could not be fetched: from the hub, or from the package index.

    Args:
        said: the message.
        repo: ``org/name``, or the name of a packaged model.
        hint: what to do.
        code: one of ``finer``.
    """

    code = "hub"
    finer: ClassVar[Mapping[str, str]] = {
        "hub-unreachable": "The hub or the package index does not answer, or is not to be asked.",
        "hub-not-found": "It has no such repository, revision or file, or does not show it.",
        "hub-refused": "It wants a token, or its terms accepted.",
        "hub-damaged": "What came is cut off or is not what the hub states; try again.",
    }
    objects = ("repo",)

    def __init__(
        self, *said: object, repo: str | None = None, hint: str = "", code: str = ""
    ) -> None:
        self.repo = repo
        super().__init__(*said, hint=hint, code=code)


class StorageError(EmpevalError):
    """Something could not be written (full disk, lost permission), most often the run folder."""

    code = "storage"


class SeveralError(EmpevalError):
    """More than one scorer or metric failed, each for a reason of its own.

    Args:
        errors: what they raised.
    """

    code = "several"
    objects = ("errors",)

    def __init__(self, errors: Sequence[EmpevalError]) -> None:
        self.errors = list(errors)
        super().__init__(" ".join(map(str, errors)))


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Say which known names are close to ``name``, as a clause that can end an error message.

    Returns "" when nothing is known, otherwise text such as
    ``" Did you mean 'stories'? Known: small-talk, stories."``.
    """
    names = sorted(set(known))
    if not names:
        return ""
    close = close_to(name, names)[:count]
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."


def close_to(name: str, names: Sequence[str]) -> list[str]:
    """Names that look alike, then those that begin or end with it; case does not count."""
    import difflib

    folded = {known.casefold(): known for known in names}
    wanted = name.casefold()
    found = difflib.get_close_matches(wanted, folded, n=max(1, len(folded)), cutoff=0.5)
    if len(wanted) > 1:
        found += [f for f in folded if f.startswith(wanted) or f.endswith(wanted)]
    return [folded[f] for f in dict.fromkeys(found)]


def counted(number: int, noun: str, more: str = "", *, spec: str = "") -> str:
    """How many there are: ``1 cluster``, ``2 clusters``, ``9 replies``.

    Args:
        number: of them.
        noun: what one is called.
        more: what others than one are called, where that is not ``noun`` and an s.
        spec: how the number is written: ``","`` for 1,032.
    """
    return f"{number:{spec}} {noun if number == 1 else more or noun + 's'}"


def some(names: Sequence[str], most: int = 5) -> str:
    """A few of many names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _again(cls: type[E], said: tuple[object, ...], held: Mapping[str, Any]) -> E:
    error = cls.__new__(cls, *said)
    error.__dict__.update(held)
    return error


def _builtin(value: object) -> Any:
    """A value as JSON has it; what it has not as text."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, EmpevalError):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): _builtin(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_builtin(held) for held in value]
    return str(value)
