"""Separates what a model thought aloud from what it answered."""

from __future__ import annotations

_TAGS = ("think", "thinking", "reasoning")


def split_reasoning(text: str) -> tuple[str, str | None, bool]:
    """Take ``<think>`` (``<thinking>``, ``<reasoning>``) blocks out of an answer.

    A closing tag without an opening one means that the chat template opened it: all before it is
    reasoning. An opening tag that is never closed means that the model was cut off while
    thinking: all after it is reasoning.

    Returns:
        (answer, reasoning or ``None``, whether every block was closed). The answer loses the
        blank space that stood between a block and it; a text without blocks comes back as is.
    """
    for tag in _TAGS:
        opening, closing = f"<{tag}>", f"</{tag}>"
        if opening in text or closing in text:
            return _split(text, opening, closing)
    return text, None, True


def _split(text: str, opening: str, closing: str) -> tuple[str, str | None, bool]:
    answer: list[str] = []
    thoughts: list[str] = []
    closed = True
    first_close = text.find(closing)
    first_open = text.find(opening)
    position = 0
    if first_close >= 0 and (first_open < 0 or first_close < first_open):
        thoughts.append(text[:first_close])
        position = first_close + len(closing)
    while (start := text.find(opening, position)) >= 0:
        answer.append(text[position:start])
        end = text.find(closing, start)
        if end < 0:
            thoughts.append(text[start + len(opening) :])
            position = len(text)
            closed = False
            break
        thoughts.append(text[start + len(opening) : end])
        position = end + len(closing)
    answer.append(text[position:])
    reasoning = "\n\n".join(t.strip() for t in thoughts)
    return "".join(answer).lstrip(), reasoning, closed
