"""The program ``llm``: ``llm logs --json``, or its ``logs.db``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from empeval.answers.fields import count_in, text_in
from empeval.answers.records import Placed, Row, SavedAnswer
from empeval.errors import DataError
from empeval.records import Message

NAME = "llm logs"
MAGIC = b"SQLite format 3\x00"

_COLUMNS = ("id", "model", "prompt", "system", "response", "conversation_id", "duration_ms",
            "datetime_utc", "input_tokens", "output_tokens")  # fmt: skip


def fits(row: Row) -> bool:
    """Whether a row is a response in the log."""
    return {"conversation_id", "model", "prompt", "response"} <= row.keys()


def read(rows: Sequence[Placed]) -> Iterator[SavedAnswer]:
    """Responses as answers; what was said before in a conversation stands before the prompt.

    The log's ids are its own and name no item. A conversation is a cluster.

    Raises:
        DataError: a field is not what ``llm`` writes.
    """
    said: dict[str, tuple[Message, ...]] = {}
    for where, row in sorted(rows, key=lambda placed: str(placed.row.get("datetime_utc") or "")):
        prompt, response = text_in(row, "prompt", where), text_in(row, "response", where)
        conversation = text_in(row, "conversation_id", where) or where
        before = said.get(conversation, ())
        system = text_in(row, "system", where)
        if system and not before:
            before = (Message("system", system),)
        messages = (*before, Message("user", prompt or ""))
        said[conversation] = (*messages, Message("assistant", response or ""))
        identifier, duration = row.get("id"), count_in(row, "duration_ms")
        yield SavedAnswer(
            where=where,
            text=response,
            id=None if identifier is None else str(identifier),
            own_id=False,
            messages=messages,
            source=text_in(row, "model", where),
            cluster=conversation,
            prompt_tokens=count_in(row, "input_tokens"),
            completion_tokens=count_in(row, "output_tokens"),
            seconds=None if duration is None else duration / 1000,
        )


def database_rows(path: Path) -> list[Placed]:
    """The responses in a ``logs.db``; it is opened for reading only and never changed.

    Raises:
        DataError: it is damaged, or another program's database.
    """
    import sqlite3

    link = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(link, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("pragma trusted_schema = off")
            there = {row["name"] for row in connection.execute("pragma table_info(responses)")}
            if not {"prompt", "response", "model", "conversation_id"} <= there:
                raise DataError(
                    f"{path} is a database, but none of the program llm's: it has no table "
                    "'responses' with a prompt and a response."
                )
            wanted = ", ".join(column for column in _COLUMNS if column in there)
            rows = connection.execute(f"select {wanted} from responses")  # noqa: S608 - our names
            return [Placed(f"{path}, response {n}", dict(row)) for n, row in enumerate(rows, 1)]
    except sqlite3.Error as error:
        raise DataError(f"{path} cannot be read as a database: {error}.") from error
