"""Whether a text looks English, which is all that the models were trained on."""

from __future__ import annotations

import re

COMMON = frozenset(
    """
    a about after all also always am an and any are as at back be because been before being but by
    can can't could did didn't do does don't even ever every for from get go good got great had
    has have he her here him his how i i'd i'll i'm i've if in is isn't it it's just know like lot
    made make many me more much my never no not now of off on one only or other our out over
    really right say see she so some sorry still sure take than that that's the their them then
    there they thing things think this time to too up us very was wasn't way we well were what
    when where which who why will with wonderful would yes you you're your yourself
    """.split()
)
"""The commonest words of English conversations, as we chose them."""

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

FEWEST_WORDS = 6
"""Shorter texts are taken for English when their letters are Latin."""
LOWEST_SHARE = 0.15


def looks_english(text: str) -> bool:
    """Whether at least 15 % of the words are among the commonest of English.

    A text of fewer than six words only needs mostly Latin letters; one without any letter
    (emoji, digits) is not English.
    """
    words = WORD.findall(text[:20_000].lower().replace("’", "'"))
    letters = "".join(words)
    if not letters:
        return False
    if sum(char.isascii() for char in letters) < 0.7 * len(letters):
        return False
    if len(words) < FEWEST_WORDS:
        return True
    return sum(word in COMMON for word in words) >= LOWEST_SHARE * len(words)
