"""Saved dialogues as a task: what ``empeval score FILE`` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from empeval.errors import DataError
from empeval.interfaces import Task, TaskCard
from empeval.jsonl import read_objects
from empeval.records import Item, Message, Response

DIALOGUES = "dialogues"


class Dialogues(Task):
    """Dialogues from a file; their answers come with them."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = list(items)
        provides = ["reply"]
        if self._items and all(item.reference is not None for item in self._items):
            provides.append("reference")
        if self._items and all("emotion" in item.target for item in self._items):
            provides.append("emotion")
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


def read_dialogues(path: Path) -> list[tuple[Item, Response]]:
    """Read a JSONL file of dialogues with their answers.

    A line is ``{"id", "context": [str, ...] or "messages": [{"role", "content"}, ...],
    "response", "reference"?, "emotion"?, "cluster"?}``. ``context`` alternates speaker and
    listener and ends with the speaker; ``messages`` end with a user's.

    Raises:
        DataError: naming file and line.
    """
    pairs: list[tuple[Item, Response]] = []
    seen: dict[str, int] = {}
    for number, row in read_objects(path):
        where = f"{path}, line {number}"
        name = _name(row, "id", where)
        if name in seen:
            raise DataError(f"{where}: the id '{name}' stands in line {seen[name]} already.")
        seen[name] = number
        target = {"emotion": _text(row, "emotion", where)} if row.get("emotion") else {}
        item = Item(
            id=name,
            messages=_messages(row, where),
            cluster=name if row.get("cluster") is None else _name(row, "cluster", where),
            reference=None if row.get("reference") is None else _text(row, "reference", where),
            target=target,
            task=DIALOGUES,
        )
        pairs.append((item, Response(name, _text(row, "response", where))))
    if not pairs:
        raise DataError(f"{path} holds no dialogue.")
    return pairs


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
