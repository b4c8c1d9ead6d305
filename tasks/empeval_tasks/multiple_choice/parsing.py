"""Reads which options an answer chooses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from empeval_tasks.multiple_choice.questions import LETTERS, Choice

_MARKUP = " \t\"'`*_([{<“”‘’"
_LABEL_END = r"[\"'*_`\s]*(?:\bis\b|[:=：]|-(?!\w))"
_CHOOSING = re.compile(r"(?i)\b(?:choose|choice|option|pick|select)\b(?:\s+is\b)?\s*[:：]?")
_LETTER = re.compile(r"([A-Za-z])(?![A-Za-z0-9’'])")
_BULLET = re.compile(r"\s*(?:[-*•]\s+|\d+[.)]\s+)?")
_MORE = re.compile(r"[\s)\]*_`\"']*(?:or|and|,|/|&)\s*[(*\"']*([A-Za-z])(?![A-Za-z0-9’'])")
_BOTH = "?"
"""What stands for a choice of two options."""

_WORDS = re.compile(r"\w+")


def read_choices(text: str, choices: Sequence[Choice]) -> list[str | None]:
    """The letters that an answer chooses, ``None`` where that cannot be told.

    Understood are the form that was asked for (``Cause: B``; the last one of a name counts) in
    Markdown or JSON, an option's text in the place of its letter and, where one question was
    asked, a bare letter, a letter before its option and phrases such as "the answer is B". Two
    letters for one question are no answer.
    """
    return [None if letter == _BOTH else letter for letter in _read(text, choices)]


def _read(text: str, choices: Sequence[Choice]) -> list[str | None]:
    named = [_after_label(text, choice) for choice in choices]
    if any(named):
        return named
    lines = [line for line in text.splitlines() if line.strip()]
    if len(choices) > 1:
        if len(lines) != len(choices):
            return named
        return [_in_order(line, choice) for line, choice in zip(lines, choices, strict=True)]
    return [_alone(text, lines, choices[0])]


def _after_label(text: str, choice: Choice) -> str | None:
    """What stands behind the question's name, the last time that it says something."""
    label = re.compile(rf"(?i)(?<![A-Za-z]){re.escape(choice.name)}{_LABEL_END}")
    found = None
    for match in label.finditer(text):
        rest = text[match.end() :].lstrip("\n" + _MARKUP).partition("\n")[0]
        found = _chosen(rest, choice, strict=False) or found
    return found


def _in_order(line: str, choice: Choice) -> str | None:
    """The choice in a line without a name.

    What follows its letter must be that option, or the line may repeat another question's.
    """
    letter = _chosen(line, choice, strict=True)
    words = _plain(_BULLET.sub("", line, count=1)).split(" ", 1)[1:]
    if letter in (None, _BOTH) or not words or words[0].startswith(_plain(_option(choice, letter))):
        return letter
    return letter if _plain(line) == _plain(_option(choice, letter)) else None


def _option(choice: Choice, letter: str) -> str:
    return choice.options[LETTERS.index(letter)]


def _alone(text: str, lines: Sequence[str], choice: Choice) -> str | None:
    for match in reversed(list(_CHOOSING.finditer(text))):
        rest = text[match.end() :].partition("\n")[0]
        if (found := _chosen(rest, choice, strict=False)) is not None:
            return found
    letters = {found for line in lines if (found := _chosen(line, choice, strict=True))}
    if len(letters) == 1:
        return letters.pop()
    if letters:
        return None
    said = _plain(text)
    named = [
        letter
        for letter, option in zip(choice.letters(), choice.options, strict=True)
        if f" {_plain(option)} " in f" {said} "
    ]
    return named[0] if len(named) == 1 else None


def _chosen(text: str, choice: Choice, *, strict: bool) -> str | None:
    """The letter at the start of a line, that of the option that the line repeats, or ``_BOTH``.

    Args:
        text: the line, or what is left of it.
        choice: its options.
        strict: a letter counts only before punctuation, before its option or at the end.
    """
    line = text[_BULLET.match(text).end() :].lstrip(_MARKUP)  # type: ignore[union-attr]
    found = _LETTER.match(line)
    if found and found[1].upper() in choice.letters():
        letter, rest = found[1].upper(), line[found.end() :]
        if (more := _MORE.match(rest)) and more[1].upper() in choice.letters():
            return _BOTH
        behind = _plain(rest)
        if behind in {_plain(o) for o in choice.options if o != _option(choice, letter)}:
            return _BOTH  # one option's letter and another's text
        option = _plain(_option(choice, letter))
        ends = not behind or rest[:1] in ").:,;]*_`\"'}>" or behind.startswith(option)
        if ends or (not strict and found[1].isupper() and letter not in "AI"):
            return letter
    said = _plain(line)
    same = [
        letter
        for letter, option in zip(choice.letters(), choice.options, strict=True)
        if said == _plain(option)
    ]
    return same[0] if len(same) == 1 else None


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))
