"""What any judge must beat: length, the word "sorry", chance, and being on the subject."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from empeval.auditing.asking import Text

SORRY = re.compile(r"\bsorry\b", re.IGNORECASE)
SIMILARITY = "similarity"


def words(text: str) -> int:
    """Words between blanks."""
    return len(text.split())


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
