"""Rows of EmoBench in the layouts in which it was published.

The hub and the repository have a row a question and language, with plain columns. The repository's
first version had both languages in one row and other names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from empeval import DataError, load_rows, read_rows, require_columns

DATASET = "SahandSab/EmoBench"
Part = Literal["EU", "EA"]
COLUMNS: dict[Part, tuple[str, ...]] = {
    "EU": (
        "scenario",
        "subject",
        "emotion_choices",
        "emotion_label",
        "cause_choices",
        "cause_label",
    ),
    "EA": ("scenario", "subject", "choices", "label"),
}

Row = Mapping[str, Any]


def emobench_rows(part: Part, file: str | None) -> list[dict[str, Any]]:
    """The English rows of a part, in the columns of the hub.

    Args:
        part: ``EU`` or ``EA``.
        file: read this file instead of the data set.

    Raises:
        DataError: they are not what they should be.
        HubError: they cannot be had.
    """
    if file is None:
        names = (
            f"{part}.jsonl",
            f"data/{part}.jsonl",
            f"{part}.en.jsonl",
            f"data/{part}/data.json",
        )
        rows = load_rows(DATASET, names)
    else:
        rows = read_rows(Path(file).expanduser())
    found = [_flat(row, part) for row in rows if row.get("language", "en") == "en"]
    require_columns(found, COLUMNS[part], file or DATASET)
    return found


def options(row: Row, column: str, where: str) -> tuple[str, ...]:
    """A row's options.

    Raises:
        DataError: they are no list of texts.
    """
    value = row[column]
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return tuple(str(text).strip() for text in value)
    raise DataError(f"Data set '{DATASET}', {where}: '{column}' must be a list of texts.")


_OLD: dict[Part, dict[str, tuple[str, ...]]] = {
    "EU": {
        "finegrained_category": ("Category",),
        "scenario": ("Scenario",),
        "subject": ("Subject",),
        "emotion_choices": ("Emotion", "Choices"),
        "emotion_label": ("Emotion", "Label"),
        "cause_choices": ("Cause", "Choices"),
        "cause_label": ("Cause", "Label"),
    },
    "EA": {
        "scenario": ("Scenario",),
        "subject": ("Subject",),
        "question type": ("Question",),
        "choices": ("Choices",),
        "label": ("Label_str",),
    },
}
"""Where the repository's first version has what the hub has in a column."""


def _flat(row: Row, part: Part) -> dict[str, Any]:
    """A row in the columns of the hub, whichever it came in; what it lacks is left out."""
    if "Scenario" not in row:
        return dict(row)
    found = {column: _english(row, path) for column, path in _OLD[part].items()}
    if part == "EA":
        found["category"] = f"{row.get('Relationship', '')}-{row.get('Problem', '')}"
    return {column: value for column, value in found.items() if value is not None}


def _english(row: Any, path: Sequence[str]) -> Any:
    for name in (*path, "en"):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row
