"""A training run's folder: what was asked of it, and what came out; so that no two mix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from empeval import UsageError

QUESTION = "question.json"
RESULT = "result.json"


def finished(out: Path, question: dict[str, Any]) -> dict[str, Any] | None:
    """What the finished run in a folder found; ``None`` where it is unfinished or not begun.

    Raises:
        UsageError: the folder holds a run with another question, or a broken file.
    """
    asked = out / QUESTION
    if not asked.is_file():
        return None
    if read_json(asked) != question:
        raise UsageError(
            f"{out} holds a run with another recipe, seed or data. Give another --out, or remove "
            "that folder."
        )
    result = out / RESULT
    return read_json(result) if result.is_file() else None


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file.

    Raises:
        UsageError: the file is broken.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is broken ({error}); remove {path.parent}.") from error
