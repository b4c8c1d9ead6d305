"""What counts as a word and as a sentence, in any script and in linear time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

_UNSPACED = (
    "\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\uff66-\uff9d"  # halfwidth kana
    "\U00020000-\U0003ffff"  # Han beyond the first plane
)
_LETTER = rf"[^\W_{_UNSPACED}]"
_JOINERS = "'’\\-‐‑\u200c\u200d"
# The lookbehind and the possessive run keep this linear on a hundred thousand dots.
_ENDS = re.compile(rf"(?<![.!?…])[.!?…]++(?!{_LETTER})|[。！？｡．؟۔।॥‽⸮]+|\n+")
_QUESTION = frozenset("?？؟‽⸮")


@cache
def _pattern() -> re.Pattern[str]:
    # \w leaves out combining marks, without which words of most Indic scripts, pointed Hebrew
    # and vocalised Arabic would fall to pieces.
    marks = "".join(
        char for char in map(chr, range(0x300, 0x10000)) if unicodedata.category(char)[0] == "M"
    )
    inside = rf"(?:{_LETTER}|[{marks}])*"
    return re.compile(rf"[{_UNSPACED}]|{_LETTER}{inside}(?:[{_JOINERS}]{_LETTER}{inside})*")


def words(text: str) -> list[str]:
    """The words of a text, in order, as they are written.

    A word is a run of letters, digits and their combining marks, which may have single
    apostrophes, hyphens or zero-width (non-)joiners inside: ``don't`` and ``well-being`` are one
    word each. Han characters and kana, written without spaces, are one word each. Korean,
    Arabic and Hebrew are split at spaces like Latin; a run of Thai, Lao, Khmer or Burmese counts
    as one word. Emoji, punctuation and underscores are no words.
    """
    return _pattern().findall(text)


def sentences(text: str) -> tuple[int, int]:
    """How many sentences a text has, and how many of them are questions.

    A sentence ends at a line break, at a run of ``.``, ``!``, ``?`` or ``…`` that no letter or
    digit follows directly (so ``3.5`` and ``example.com`` do not end one), at a run of their
    Chinese, Japanese, Arabic, Urdu and Devanagari counterparts, or where the text ends. It has
    at least one word. It is a question when a question mark is among its closing marks.
    Abbreviations (``Dr. Lee``) end a sentence too many.
    """
    count = questions = 0
    starts = (match.start() for match in _pattern().finditer(text))
    next_word = next(starts, None)
    for end, closing in _ends(text):
        has_word = next_word is not None and next_word < end
        while next_word is not None and next_word < end:
            next_word = next(starts, None)
        if has_word:
            count += 1
            questions += not _QUESTION.isdisjoint(closing)
    return count, questions


def _ends(text: str) -> Iterator[tuple[int, str]]:
    for match in _ENDS.finditer(text):
        yield match.start(), match.group()
    yield len(text), ""
