"""Rated replies of our own making, as a user would bring them."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = (
    "alas",
    "I feel for you",
    "really",
    "that sounds hard",
    "go on",
    "and then?",
    "sorry",
    "ok",
)


def rows(count: int = 120, raters: int = 1) -> list[dict[str, object]]:
    """Rated replies: two of a dialogue, longer ones rated higher, with some noise."""
    made: list[dict[str, object]] = []
    for k in range(count):
        length = 1 + (k * 7) % 11
        reply = " ".join(WORDS[(k + j * 3) % len(WORDS)] for j in range(length))
        for rater in range(raters):
            row: dict[str, object] = {
                "context": f"This is what happened to me on day {k // 2}.",
                "response": f"{reply} {k}.",
                "rating": 1 + min(4, max(0, (length + (k * 5 + rater * 3) % 4 - 1) // 3)),
                "dialogue": f"d{k // 2}",
                "system": "human" if k % 2 else "robot",
            }
            if raters > 1:
                row["rater"] = f"r{rater}"
            made.append(row)
    return made


def write(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
