"""Files of saved answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def write_answers(path: Path, answers: Mapping[str, str]) -> Path:
    """A replay file: id -> answer, a line each."""
    lines = [json.dumps({"id": i, "response": r}) + "\n" for i, r in answers.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path
