"""Reads the scores that an answer plainly states, however it is laid out, and never guesses.

A score is an emotion's name at the start of a line, list item, table cell or part of a sentence,
a separator, and one number: ``**Remorseful:** 5``, ``remorseful - 7,5``, ``Remorseful (5/10)``,
``| Remorseful | 5 |``, ``{"Remorseful": 5}``. Ranges, percentages, other scales and numbers that
stand in prose are not scores. Every expression here runs in linear time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

_CLOSING = r"""[*_`"'”’»)\]>]*+"""
_OPENING = r"""[*_`"'“‘„«(\[<]*+"""
_SCORE = rf"""
    (?<![^\W_]) (?P<name>%s) (?![^\W_]) {_CLOSING}
    (?: [ \t]*+ (?: (?P<strong> : | ： | = | \| | → | -> | => ) \s*+ )
      | [ \t]++ (?: --? | – | — ) [ \t]++
      | [-–—]
      | [ \t]*+ (?= [(\[<] )
      | [ \t]++ )
    (?P<opening> {_OPENING} \s*+ {_OPENING} )
    (?P<sign> [-−+]? ) (?P<number> \d++ (?: [.,]\d++ )? )
"""
_OUT_OF_TEN = re.compile(
    r"[*_`]*+ [ \t]*+ \(? (?: /[ \t]*+ | (?:out\ of|von)[ \t]++ ) 10 (?! [.,]?\d ) \)?", re.VERBOSE
)
_NO_SCORE = re.compile(
    rf"""
    [^\W_]
  | {_CLOSING} [ \t]*+ [%‰°±+]
  | {_CLOSING} [ \t]*+
    (?: [-–—−~/.,:;|&] | -> | → | to | bis | or | oder | and | und | out\ of | von ) [ \t]*+
    {_OPENING} \d
  | {_CLOSING} [ \t]++ [*_`]*+ \d
    """,
    re.VERBOSE,
)
_PART_ENDS = re.compile(
    rf"{_CLOSING} [ \t]*+ (?: \Z | [\r\n,;|.<}}] | (?: and | und | & ) \b | \( )", re.VERBOSE
)
_LINE_ENDS = re.compile(rf"{_CLOSING} [ \t]*+ [.,;]? [ \t]*+ (?: \Z | [\r\n] )", re.VERBOSE)
_THOUSANDS = re.compile(r"\d{1,3},\d{3}")
_REVISION = re.compile(r"revised\ scores|überarbeitete", re.VERBOSE)
_EVENED_OUT = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")) | {
    0xA0: " ",
    0x2011: "-",
}
_BEGINS_PART = frozenset("\r\n,;:|{}()[].!?")
_CONJUNCTIONS = frozenset({"and", "und"})


class Plain(NamedTuple):
    """Scores as an answer states them.

    Attributes:
        scores: emotion, spelled as in the question, -> intensity, limited to 0-10.
        clamped: how many of the four were outside 0-10.
    """

    scores: dict[str, float]
    clamped: int


def parse_tolerant(text: str, emotions: Collection[str]) -> Plain | None:
    """Read the last full set of scores, or ``None`` when the answer does not plainly give one.

    Names are compared whole and without regard to case. Further labels are passed over. Scores
    before and after a heading for revised scores are never mixed.

    Args:
        text: the answer.
        emotions: the four names.
    """
    spelled = {_fold(name): name for name in emotions}
    names = "|".join(re.escape(name) for name in sorted(spelled, key=len, reverse=True))
    pattern = re.compile(_SCORE % names, re.VERBOSE)
    for part in reversed(_REVISION.split(_fold(text))):
        stated = _last_full_set(part, pattern, len(spelled))
        if stated:
            limited = {spelled[name]: min(max(x, 0.0), 10.0) for name, x in stated.items()}
            return Plain(limited, sum(not 0 <= x <= 10 for x in stated.values()))
    return None


def stated_emotions(text: str, emotions: Collection[str]) -> set[str]:
    """Which of the emotions have a plainly stated score anywhere in the text."""
    return {name for name in emotions if parse_tolerant(text, [name])}


def _fold(text: str) -> str:
    """Take away what only looks different: case, composition, invisible marks, hard spaces."""
    folded = unicodedata.normalize("NFC", text).casefold().translate(_EVENED_OUT)
    return unicodedata.normalize("NFC", folded)


def _last_full_set(text: str, pattern: re.Pattern[str], size: int) -> dict[str, float] | None:
    full: dict[str, float] | None = None
    current: dict[str, float] = {}
    for match in pattern.finditer(text):
        intensity = _intensity(text, match)
        if intensity is None:
            continue
        name = match["name"]
        if name in current and len(current) == size:
            current = {}
        current[name] = intensity
        if len(current) == size:
            full = current
    return full


def _intensity(text: str, match: re.Match[str]) -> float | None:
    """The number of one match, unless something around it makes it other than a plain score."""
    if not _starts_part(text, match.start()):
        return None
    strong, opening, sign, number = match.group("strong", "opening", "sign", "number")
    end = match.end()
    out_of_ten = _OUT_OF_TEN.match(text, end)
    if out_of_ten:
        end = out_of_ten.end()
    if _NO_SCORE.match(text, end) or _THOUSANDS.fullmatch(number):
        return None
    if not strong and (sign or not _PART_ENDS.match(text, end)):
        return None
    if "\n" in match[0] and not _LINE_ENDS.match(text, end):
        return None
    if "<" in opening and not text.startswith(">", end):
        return None
    value = float(number.replace(",", "."))
    return -value if sign in ("-", "−") else value


def _starts_part(text: str, start: int) -> bool:
    """Whether nothing but marks stands between a name and the start of its line or part."""
    while start > 0:
        character = text[start - 1]
        if character in _BEGINS_PART:
            return True
        if character.isalnum():
            break
        start -= 1
    else:
        return True
    word = start
    while word > 0 and start - word < 4 and text[word - 1].isalnum():
        word -= 1
    return text[word:start] in _CONJUNCTIONS
