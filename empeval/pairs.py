"""Reads options of tasks and models as people type them: ``key=value,key="a, b"``, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from empeval.errors import UnknownNameError, UsageError

_COMMA = re.compile(r"(?<!\\),")
_QUOTED = re.compile(
    r"""\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)')\s*(?:,|\Z)""", re.DOTALL
)
_ESCAPED = re.compile(r"\\([\"'\\])")
_END = re.compile(r"\s*(?:,|\Z)")


def parse_pairs(texts: str | Sequence[str] | None, option: str) -> dict[str, str]:
    r"""``key=value,key=value`` as a dict, out of one text or of several.

    A value may hold ``=``. A comma in it is written ``\,``, or the value stands in quotation
    marks (``"`` or ``'``; inside, a backslash goes before a mark or a backslash), or it is a JSON
    object or array. A text that begins with ``{`` is a JSON object of options; what is no text in
    it comes back as JSON.

    Raises:
        UsageError: a part without ``=``, an empty key, a key given twice, or no JSON after all.
    """
    pairs: dict[str, str] = {}
    for text in [texts] if isinstance(texts, str) else texts or ():
        for key, value in _object(text, option) if _is_object(text) else _pairs(text, option):
            if key in pairs:
                raise UsageError(f"{option}: '{key}' is given twice.")
            pairs[key] = value
    return pairs


def _is_object(text: str) -> bool:
    return text.lstrip().startswith("{")


def _object(text: str, option: str) -> list[tuple[str, str]]:
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option}: it begins like JSON and is none: {error}.") from error
    if any(not key.strip() for key, _ in found):
        raise UsageError(f"{option}: a key of the JSON object is empty.")
    return [(key, value if isinstance(value, str) else _json(value)) for key, value in found]


def _json(value: Any) -> str:
    """A JSON value as text, whose objects were read as lists of pairs."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if value and all(isinstance(part, tuple) for part in value):
        return {key: _plain(held) for key, held in value}
    return [_plain(part) for part in value]


def _pairs(text: str, option: str) -> list[tuple[str, str]]:
    found = []
    position = 0
    while position < len(text):
        comma = _COMMA.search(text, position)
        end = comma.start() if comma else len(text)
        part = text[position:end]
        if not part.strip():
            position = end + 1
            continue
        key, equals, _ = part.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option}: {part.strip()!r} is not of the form key=value.")
        value, position = _value(text, position + len(key) + 1)
        found.append((key.strip(), value))
    return found


def _value(text: str, start: int) -> tuple[str, int]:
    """The value that begins at ``start``, and where the next pair begins."""
    if quoted := _QUOTED.match(text, start):
        inside = quoted["double"] if quoted["double"] is not None else quoted["single"]
        return _ESCAPED.sub(r"\1", inside), quoted.end()
    begins = start + len(text[start:]) - len(text[start:].lstrip())
    if text[begins : begins + 1] in ("{", "["):
        try:
            _, end = json.JSONDecoder().raw_decode(text, begins)
        except (ValueError, RecursionError):  # a text that happens to begin like this
            end = -1
        if end > 0 and (after := _END.match(text, end)):
            return text[begins:end], after.end()
    comma = _COMMA.search(text, start)
    end = comma.start() if comma else len(text)
    return text[start:end].strip().replace("\\,", ","), end + 1


def json_object(text: str, option: str, example: str) -> dict[str, Any]:
    """An option that is a JSON object; no text is an empty one.

    Raises:
        UsageError: it is something else.
    """
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{option} is no JSON object; write --model-args '{option}={example}'")
    return found


def split_task_arguments(
    pairs: Mapping[str, str], tasks: Sequence[str]
) -> dict[str, dict[str, str]]:
    """``task.option=value`` pairs by task; with one task, ``option=value`` will do.

    Raises:
        UsageError: a task that is not asked.
    """
    by_task: dict[str, dict[str, str]] = {name: {} for name in tasks}
    for key, value in pairs.items():
        name, dot, option = key.rpartition(".")
        if not dot and len(tasks) == 1:
            name = tasks[0]
        if name not in by_task:
            if not dot:
                raise UsageError(f"--task-args: '{key}' names no task; write TASK.option=value.")
            raise UnknownNameError(
                f"--task-args: '{key}' names task '{name}', which is not among --tasks; write "
                "TASK.option=value.",
                kind="task",
                name=name,
                known=tasks,
            )
        by_task[name][option] = value
    return by_task
