"""Saved dialogues as a task: what ``empeval score FILE`` reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from empeval.errors import DataError
from empeval.interfaces import Task, TaskCard
from empeval.jsonl import read_objects
from empeval.records import Item, Message, Response
from empeval.runs import state_of

DIALOGUES = "dialogues"


class Dialogues(Task):
    """Dialogues from a file; their answers come with them.

    Args:
        items: which are walked whenever they are asked for.

    Attributes:
        size: how many there are. clusters: what they were cut from.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.size, self.clusters = 0, set[str]()
        offered = {"reference", "emotion"}
        for item in items:
            self.size += 1
            self.clusters.add(item.cluster)
            if item.reference is None:
                offered.discard("reference")
            if "emotion" not in item.target:
                offered.discard("emotion")
        provides = ["reply", *(name for name in ("reference", "emotion") if name in offered)]
        self.card = TaskCard(
            version="1",
            summary="Dialogues from a file.",
            provides=tuple(provides),
            scorers=("mvc", "stm", "baseline", "surface", "similarity"),
            license="as the file's owner says",
        )

    def items(self) -> Iterator[Item]:
        """Yield the dialogues in the order of the file."""
        return iter(self._items)


def file_fingerprint(path: Path) -> str:
    """``sha256:<hex>`` of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


class DialogueFile:
    """The dialogues of a file with their answers, read again whenever they are walked.

    Args:
        path: the file; see ``read_dialogues``.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._path = Path(os.path.abspath(path))  # a plugin may go to another folder
        self._state = state_of(self._path)

    def __iter__(self) -> Iterator[tuple[Item, Response]]:
        yield from read_dialogues(self._path, self._name)
        if state_of(self._path) != self._state:
            raise DataError(f"{self._name} was changed while it was read; try again.")

    @property
    def items(self) -> Iterable[Item]:
        """The dialogues alone, as often as they are walked."""
        return _Items(self)


class _Items:
    def __init__(self, pairs: DialogueFile) -> None:
        self._pairs = pairs

    def __iter__(self) -> Iterator[Item]:
        return (item for item, _ in self._pairs)


def read_dialogues(path: Path, name: str | None = None) -> Iterator[tuple[Item, Response]]:
    """Yield the dialogues of a JSONL file with their answers.

    A line is ``{"id", "context": [str, ...] or "messages": [{"role", "content"}, ...],
    "response", "reference"?, "emotion"?, "cluster"?}``. ``context`` alternates speaker and
    listener and ends with the speaker; ``messages`` end with a user's.

    Args:
        path: the file.
        name: how errors call it, when not by its path.

    Raises:
        DataError: naming file and line.
    """
    seen: dict[str, int] = {}
    label = name or str(path)
    for number, row in read_objects(path, label):
        where = f"{label}, line {number}"
        identifier = _name(row, "id", where)
        if identifier in seen:
            first = seen[identifier]
            raise DataError(f"{where}: the id '{identifier}' stands in line {first} already.")
        seen[identifier] = number
        target = {"emotion": _text(row, "emotion", where)} if row.get("emotion") else {}
        item = Item(
            id=identifier,
            messages=_messages(row, where),
            cluster=identifier if row.get("cluster") is None else _name(row, "cluster", where),
            reference=None if row.get("reference") is None else _text(row, "reference", where),
            target=target,
            task=DIALOGUES,
        )
        yield item, Response(identifier, _text(row, "response", where))
    if not seen:
        raise DataError(f"{label} holds no dialogue.")


def _name(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: '{key}' must be text or a whole number.")
    return str(value)


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise DataError(f"{where}: '{key}' must be text.")
    return value


def _messages(row: dict[str, Any], where: str) -> tuple[Message, ...]:
    context, messages = row.get("context"), row.get("messages")
    if (context is None) == (messages is None):
        raise DataError(f"{where}: needs either 'context' or 'messages'.")
    if context is not None:
        if not (isinstance(context, list) and context and all(isinstance(t, str) for t in context)):
            raise DataError(f"{where}: 'context' must be a list of texts, not empty.")
        if len(context) % 2 == 0:
            raise DataError(
                f"{where}: 'context' has {len(context)} turns; it must end with the speaker, so "
                "their number is odd."
            )
        return tuple(
            Message("user" if i % 2 == 0 else "assistant", t) for i, t in enumerate(context)
        )
    if not (isinstance(messages, list) and messages):
        raise DataError(f"{where}: 'messages' must be a list, not empty.")
    turns: list[Message] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise DataError(
                f"{where}: a message must have a 'role' (system, user or assistant) and a text "
                "as 'content'."
            )
        turns.append(Message(role, content))
    if turns[-1].role != "user":
        raise DataError(f"{where}: 'messages' must end with the speaker (role user).")
    return tuple(turns)
