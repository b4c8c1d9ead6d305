r"""How EQ-Bench and lm-eval read an answer, to the letter, in linear time.

Their expressions (``(\w+):\s+(\d+)`` and, for German, a run of letters and spaces) take
quadratic time on long text without a colon. Here each colon is found first and its label is
walked back from it, which gives the same pairs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Literal, NamedTuple

Language = Literal["en", "de"]
Form = Literal["plain", "revise"]

_ENGLISH = re.compile(r":\s++(\d++)")
_GERMAN = re.compile(r":\s*+\**+(\d++(?:,\d++)?)\**+")
_GERMAN_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüßÄÖÜ")
_FIRST, _REVISED = "First pass scores:", "Revised scores:"
_FIRST_DE = re.compile("Erste", re.IGNORECASE)
_REVISED_DE = re.compile("Überarbeitete", re.IGNORECASE)
_MOST_DIGITS = 100


class Official(NamedTuple):
    """What EQ-Bench's own parser finds in an answer.

    Attributes:
        form: ``revise`` when the answer gives first-pass and revised scores.
        first: intensities of the first pass, or of the only one; ``None`` when unparsed.
        revised: intensities after the critique; ``None`` when unparsed or not given.
        all_zero: scores were found, but nothing above 0 among them.
    """

    form: Form
    first: dict[str, float] | None
    revised: dict[str, float] | None
    all_zero: bool


def parse_official(
    text: str, emotions: Collection[str], *, language: Language = "en", asked: Form = "plain"
) -> Official:
    """Read an answer as EQ-Bench v2 does.

    A pass counts when exactly four labels with numbers are found and all are the question's own.
    Answers with nothing above 0 are dropped, as EQ-Bench drops them after its retries; one pass
    of zeros beside a pass with more stays, as it does there.

    Args:
        text: the answer.
        emotions: the four names, as the question spells them.
        language: German questions have a parser of their own there.
        asked: the form of the question. An answer with both headings is read as ``revise``
            whatever was asked; one heading alone only when ``revise`` was asked for.
    """
    first_text, revised_text = (_german_passes if language == "de" else _passes)(text)
    headings = [part is not None for part in (first_text, revised_text)]
    read = german_labels if language == "de" else labels
    if all(headings) or (asked == "revise" and (any(headings) or _FIRST in text)):
        form: Form = "revise"
        first = _complete(read(first_text or ""), emotions)
        revised = _complete(read(revised_text or ""), emotions)
    else:
        form = "plain"
        first, revised = _complete(read(text), emotions), None
    found = [scores for scores in (first, revised) if scores is not None]
    if found and not any(any(scores.values()) for scores in found):
        return Official(form, None, None, True)
    return Official(form, first, revised, False)


def parse_lm_eval(text: str, emotions: Collection[str]) -> dict[str, float] | None:
    """Read an answer as lm-eval does: EQ-Bench's pairs in the whole text, the last of each label.

    An answer with a first and a revised pass therefore counts with its revised scores, and zeros
    only are an answer like any other.
    """
    return _complete(labels(text), emotions)


def labels(text: str) -> dict[str, str]:
    """Every word with a colon, space and digits after it; the last number of each word."""
    return dict(_pairs(text, _ENGLISH, lambda c: c == "_" or c.isalnum()))


def german_labels(text: str) -> dict[str, str]:
    """The same for German: labels of letters and spaces, decimal commas, stars, no space needed."""
    pairs = _pairs(text, _GERMAN, lambda c: c in _GERMAN_LETTERS or c.isspace())
    return {label.strip(): number for label, number in pairs}


def _pairs(
    text: str, after: re.Pattern[str], belongs: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    end = 0
    for match in after.finditer(text):
        colon = start = match.start()
        while start > end and belongs(text[start - 1]):
            start -= 1
        if start < colon:
            yield text[start:colon], match[1]
            end = match.end()


def _complete(pairs: dict[str, str], emotions: Collection[str]) -> dict[str, float] | None:
    """The four intensities as numbers, if these pairs are the four and nothing else.

    Numbers too long to compute with make a pass unparsed, and so do decimal commas, on which
    EQ-Bench's own conversion fails.
    """
    if len(pairs) != 4 or any(label not in emotions for label in pairs):
        return None
    if any("," in number or len(number) > _MOST_DIGITS for number in pairs.values()):
        return None
    return {label: float(number) for label, number in pairs.items()}


def _passes(text: str) -> tuple[str | None, str | None]:
    first = revised = None
    start = text.find(_FIRST)
    if start >= 0:
        start += len(_FIRST)
        end = text.find(_REVISED, start)
        first = text[start:end] if end >= 0 else None
    begin = text.find(_REVISED)
    if begin >= 0:
        revised = text[begin + len(_REVISED) :]
    return first, revised


def _german_passes(text: str) -> tuple[str | None, str | None]:
    first = _after_colon(text, _FIRST_DE)
    if first is not None:
        first = _REVISED_DE.split(first, maxsplit=1)[0]
    return first, _after_colon(text, _REVISED_DE)


def _after_colon(text: str, heading: re.Pattern[str]) -> str | None:
    match = heading.search(text)
    colon = text.find(":", match.end()) if match else -1
    return text[colon + 1 :] if colon >= 0 else None
