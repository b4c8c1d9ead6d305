"""What any judge must beat: length, the word "sorry", chance, and what plugins add."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from empeval.asked import AskedScorer
from empeval.auditing.asking import Text, check_scorer
from empeval.errors import EmpevalError
from empeval.installed import OURS
from empeval.roles import playing

SORRY = re.compile(r"\bsorry\b", re.IGNORECASE)


def words(text: str) -> int:
    """Words between blanks."""
    return len(text.split())


def rival_scorers() -> tuple[list[AskedScorer], list[str]]:
    """The installed scorers that every other is held against, and why some are left out."""
    found: list[AskedScorer] = []
    left_out: list[str] = []
    for name in playing("rival"):
        try:
            found.append(check_scorer(name, OURS))
        except EmpevalError as error:
            left_out.append(f"the rival '{name}' is left out: {error}")
    return found, left_out


def trivial_rivals(texts: Sequence[Text]) -> dict[str, np.ndarray]:
    """Rival -> its score of each text: words, count of "sorry", a hash of the reply."""
    return {
        "length": np.array([float(words(text.reply)) for text in texts]),
        "sorry": np.array([float(len(SORRY.findall(text.reply))) for text in texts]),
        "random": np.array([_chance(text.reply) for text in texts]),
    }


def _chance(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
