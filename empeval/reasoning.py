"""Separates what a model thought aloud from what it answered.

Models mark their thoughts in many ways. The table here holds those that are known; a user adds
others with ``--reasoning-tags``. Whoever reads answers (a model, a file, a server) splits them with
``split_reasoning``, so that one answer is scored alike wherever it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from empeval.errors import UsageError

BETWEEN = "..."
"""Stands between opening and closing where tags are written as one text."""


class Tags(NamedTuple):
    """What stands before and after a thought."""

    opening: str
    closing: str

    def __str__(self) -> str:
        return f"{self.opening}{BETWEEN}{self.closing}"


def _named(*names: str) -> tuple[Tags, ...]:
    return tuple(Tags(f"<{name}>", f"</{name}>") for name in names)


KNOWN = (
    *_named("think", "thinking", "reasoning", "thought"),
    *_named("seed:think", "mm:think", "longcat_think"),
    Tags("[THINK]", "[/THINK]"),
    Tags("<|begin_of_thought|>", "<|end_of_thought|>"),
    Tags("<|START_THINKING|>", "<|END_THINKING|>"),
    Tags("<|inner_prefix|>", "<|inner_suffix|>"),
    Tags("<|channel>thought", "<channel|>"),
    Tags("◁think▷", "◁/think▷"),
)
"""The tags that are always looked for, in this order; upper and lower case are the same."""

HARMONY = "harmony channels"
"""How records call the format in which every message names its channel and ``final`` answers."""

_HARMONY = frozenset(
    f"<|{name}|>" for name in ("start", "channel", "constrain", "message", "end", "return", "call")
)
_CHANNEL = "<|channel|>"
_HEADER = re.compile(r"<\|channel\|>\s*+(\w*+)[^<]*+(?:<\|constrain\|>[^<]*+)?<\|message\|>")
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_OPENED_CHANNEL = re.compile(r"<\|channel\|>\s*+\w++[^<]*+<\|message\|>\s*\Z")
_BARE_CHANNELS = re.compile(r"\s*analysis(.*?)assistantfinal(.*)", re.DOTALL)
"""Channels after a program dropped the special tokens: only their names are left."""


def parse_tags(text: str) -> Tags:
    """Tags as a user writes them.

    Args:
        text: ``<name>`` or ``[NAME]``, closed by the same name behind a slash, or
            ``OPENING...CLOSING``.

    Raises:
        UsageError: it is neither.
    """
    if BETWEEN in text:
        opening, _, closing = (part.strip() for part in text.partition(BETWEEN))
        if opening and closing and opening.lower() != closing.lower():
            return Tags(opening, closing)
    elif re.fullmatch(r"<[^<>/\s]+>|\[[^\[\]/\s]+\]", text.strip()):
        name = text.strip()
        return Tags(name, f"{name[0]}/{name[1:]}")
    raise UsageError(
        f"--reasoning-tags: {text!r} names no tags; write <name>, [NAME] or OPEN{BETWEEN}CLOSE."
    )


@lru_cache(maxsize=64)
def table(extra: tuple[str, ...] = ()) -> tuple[Tags, ...]:
    """The known tags, with a user's own before them.

    Raises:
        UsageError: some of the user's cannot be read.
    """
    own = [parse_tags(text) for text in extra]
    return tuple(dict.fromkeys((*own, *KNOWN)))


def recorded(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The whole table as text, for the record of a run: other tags may give other answers."""
    return (*map(str, table(tuple(extra))), HARMONY)


def split_reasoning(text: str, tags: Sequence[Tags] = KNOWN) -> tuple[str, str | None, bool]:
    """Take a model's thoughts out of its answer.

    A closing tag without an opening one means that the chat template opened it: all before it is
    reasoning. An opening tag that is never closed means that the model was cut off while
    thinking: all after it is reasoning. Of several kinds of tags the first in the table counts,
    so that a thought may mention the others. Where messages name their channels, ``final`` is the
    answer and all others are reasoning.

    Args:
        text: with the special tokens that mark thoughts, if the model marks them so.
        tags: what to look for, see ``table``.

    Returns:
        (answer, reasoning or ``None``, whether every block was closed). The answer loses the
        blank space that stood between a block and it; a text without blocks comes back as is.
    """
    if (headers := list(_HEADER.finditer(text))) or text.lstrip().startswith(_CHANNEL):
        return _split_channels(text, headers)
    if (bare := _BARE_CHANNELS.match(text)) is not None:
        return bare[2].strip(), bare[1].strip(), True
    if _any_of(tuple(tags)).search(text) is None:
        return text, None, True
    for pair in tags:
        opening, closing = _pattern(pair.opening), _pattern(pair.closing)
        if opening.search(text) or closing.search(text):
            return _split(text, opening, closing)
    return text, None, True


def opened_at_end(prompt: str, tags: Sequence[Tags] = KNOWN) -> str:
    """The opening tag with which a prompt ends and the space behind it, or ``""``."""
    if (channel := _OPENED_CHANNEL.search(prompt)) is not None:
        return channel[0]
    bare = prompt.rstrip()
    for pair in tags:
        if bare.lower().endswith(pair.opening.lower()):
            return prompt[len(bare) - len(pair.opening) :]
    return ""


def marks(tokens: Iterable[str], tags: Sequence[Tags] = KNOWN) -> set[str]:
    """Those of an answer's special tokens that belong to a thought's marks."""
    there = set(tokens)
    kept = {t for t in there if any(t in pair.opening or t in pair.closing for pair in tags)}
    return kept | (there & _HARMONY) if _CHANNEL in there else kept


@lru_cache(maxsize=256)
def _pattern(mark: str) -> re.Pattern[str]:
    return re.compile(re.escape(mark), re.IGNORECASE)


@lru_cache(maxsize=64)
def _any_of(tags: tuple[Tags, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(m) for pair in tags for m in pair), re.IGNORECASE)


def _split(
    text: str, opening: re.Pattern[str], closing: re.Pattern[str]
) -> tuple[str, str | None, bool]:
    answer: list[str] = []
    thoughts: list[str] = []
    closed = True
    first_close, first_open = closing.search(text), opening.search(text)
    position = 0
    if first_close and (first_open is None or first_close.start() < first_open.start()):
        thoughts.append(text[: first_close.start()])
        position = first_close.end()
    while (start := opening.search(text, position)) is not None:
        answer.append(text[position : start.start()])
        end = closing.search(text, start.end())
        if end is None:
            thoughts.append(text[start.end() :])
            position = len(text)
            closed = False
            break
        thoughts.append(text[start.end() : end.start()])
        position = end.end()
    answer.append(text[position:])
    reasoning = "\n\n".join(t.strip() for t in thoughts)
    return "".join(answer).lstrip(), reasoning, closed


def _split_channels(text: str, headers: Sequence[re.Match[str]]) -> tuple[str, str | None, bool]:
    """Messages of the harmony format: ``<|channel|>NAME<|message|>...<|end|>``.

    What stands before the first header goes on a message that the prompt has begun.
    """
    starts = [*(header.start() for header in headers), len(text)]
    thoughts = [_message(text, 0, starts[0])]
    answers: list[str] = []
    for header, end in zip(headers, starts[1:], strict=True):
        body = _message(text, header.end(), end)
        (answers if header[1].lower() == "final" else thoughts).append(body)
    reasoning = "\n\n".join(t for t in thoughts if t)
    closed = bool(answers)
    return "\n\n".join(answers), reasoning if reasoning or not closed else None, closed


def _message(text: str, start: int, end: int) -> str:
    stop = _MESSAGE_END.search(text, start, end)
    return text[start : stop.start() if stop else end].strip()
