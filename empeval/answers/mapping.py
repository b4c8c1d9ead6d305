"""Which field of a row is which: ours by name, others' by a short list, the rest by ``--map``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from empeval.answers.records import Placed, Row
from empeval.errors import DataError, UnknownNameError, UsageError

NAMES = ("id", "response", "task", "prompt", "context", "messages", "reference", "emotion",
         "cluster", "model", "reasoning")  # fmt: skip
"""What a row may hold, by our names."""

ROWS = "rows"
"""What ``--map`` calls the path of the rows inside a JSON object."""

OTHERS = {
    "id": ("item_id", "question_id", "qid", "custom_id", "sample_id"),
    "response": ("output", "completion", "prediction", "generation", "generated_text",
                 "model_output", "model_response", "reply", "answer"),
    "prompt": ("question", "instruction", "query", "input"),
}  # fmt: skip
"""Names that other programs use. One is taken where ours is not there and no other one is."""

_PLUS = re.compile(r"^(.*?)\s*\+\s*(\d{1,9})$")


class Fields:
    """Our names of fields -> where a row has them.

    A path is a field's name, or steps through objects and lists (``response.body.choices.0``).
    To ``id`` a whole number may be added (``doc_id+1``). Nothing after a name
    (``task=``) leaves that field unread.

    Args:
        paths: by our names, those that differ.

    Raises:
        UsageError: a name that is not ours.
    """

    def __init__(self, paths: Mapping[str, str] | None = None) -> None:
        self.paths = dict(paths or {})
        for name in self.paths:
            if name not in (*NAMES, ROWS):
                raise UnknownNameError(
                    f"--map: there is no field '{name}'.",
                    kind="field",
                    name=name,
                    known=(*NAMES, ROWS),
                )
        self.rows = self.paths.pop(ROWS, None)
        self._added = 0
        if plus := _PLUS.match(self.paths.get("id", "")):
            self.paths["id"] = plus[1]
            self._added = int(plus[2])

    @classmethod
    def parsed(cls, text: str | None) -> Fields:
        """Fields out of ``id=...,response=...``.

        Raises:
            UsageError: a part without ``=``, a name that is not ours or that comes twice.
        """
        paths: dict[str, str] = {}
        for part in (text or "").split(","):
            name, equals, path = (piece.strip() for piece in part.partition("="))
            if not (name or equals):
                continue
            if not equals or name in paths:
                what = "comes twice" if name in paths else "needs '=' and the field's name"
                raise UsageError(f"--map: '{name}' {what}; write it like id=key,response=output.")
            paths[name] = path
        return cls(paths)

    def __bool__(self) -> bool:
        return bool(self.paths or self.rows or self._added)

    def guessed(self, row: Row) -> tuple[Fields, list[str]]:
        """These fields, and other programs' names for those that a row does not have.

        Returns:
            Fields, and a line for a person about each name that was taken.

        Raises:
            DataError: more than one field may be meant.
        """
        paths, lines = dict(self.paths), []
        for name, others in OTHERS.items():
            if name in paths or name in row:
                continue
            there = [other for other in others if other in row]
            if name == "prompt" and ("messages" in row or "context" in row):
                continue
            if len(there) > 1:
                raise DataError(
                    f"{' and '.join(repr(t) for t in there)} may each hold the {name}; say which "
                    f"with --map {name}={there[0]}."
                )
            if there:
                paths[name] = there[0]
                lines.append(f"the field '{there[0]}' is read as the {name}")
        found = Fields(paths)
        found.rows, found._added = self.rows, self._added
        return found, lines

    def of(self, row: Row) -> Row:
        """A row by our names; a field that it does not have is not in it."""
        mapped = {name: row[name] for name in NAMES if name in row and name not in self.paths}
        for name, path in self.paths.items():
            found, value = _follow(row, path)
            if path and found:
                mapped[name] = value
        if self._added:
            mapped["id"] = self._sum(mapped.get("id"))
        return mapped

    def has(self, row: Row, name: str) -> bool:
        """Whether a row has a field."""
        return _follow(row, self.paths.get(name, name))[0]

    def _sum(self, value: Any) -> Any:
        try:
            return int(value) + self._added
        except (TypeError, ValueError):
            raise DataError(
                f"--map: +{self._added} cannot be added to the id {value!r:.60}, which is no "
                "whole number."
            ) from None

    def rows_of(self, document: Any, label: str) -> list[Placed]:
        """The rows inside a JSON object, at the path that ``rows`` names.

        Raises:
            DataError: there is no list of objects.
        """
        found, value = _follow(document, self.rows or "")
        if not found or not isinstance(value, list):
            raise DataError(f"{label}: --map rows={self.rows} names no list in it.")
        return placed(value, label, "element")


def placed(rows: Sequence[Any], label: str, what: str) -> list[Placed]:
    """Rows and where they stand, ``what`` and a number from 1 each.

    Raises:
        DataError: one is no object.
    """
    made = []
    for number, row in enumerate(rows, 1):
        where = f"{label}, {what} {number}"
        if not isinstance(row, dict):
            raise DataError(f"{where}: not a JSON object; each {what} holds one {{...}}.")
        made.append(Placed(where, row))
    return made


def _follow(value: Any, path: str) -> tuple[bool, Any]:
    if isinstance(value, dict) and path in value:  # a name may hold dots itself
        return True, value[path]
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and re.fullmatch(r"-?\d{1,9}", step):
            try:
                value = value[int(step)]
            except IndexError:
                return False, None
        else:
            return False, None
    return True, value
