"""What a question's prompt is made of, found by its shape and in any language.

A prompt is blocks between blank lines: an instruction, the dialogue with a closing mark in
brackets, a line about one of its speakers with the four emotions below it, what to do, the form
of the answer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from empeval_tasks.eqbench.parsing import Form, Language

_ALIKE = 0.5
_ANSWER_CUE: dict[Language, str] = {"en": "Your answer:", "de": "Ihre Antwort:"}


class Dialogue(NamedTuple):
    """The dialogue of a question.

    Attributes:
        turns: one line a turn, ``Name: what they say``.
        about: the speaker whose feelings are asked for, if one is named.
    """

    turns: tuple[str, ...]
    about: str | None

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speaker of every turn."""
        return tuple(turn.partition(":")[0].strip() for turn in self.turns)


def find_dialogue(prompt: str, emotions: Sequence[str]) -> Dialogue | None:
    """Cut the dialogue out of a prompt; ``None`` when it is not of the usual shape."""
    blocks = _blocks(prompt)
    index = _question_at(blocks, emotions)
    if index is None:
        return None
    turns = [line for block in blocks[1:index] for line in block.split("\n")]
    if turns and re.fullmatch(r"\[.*\]\s*", turns[-1]):
        turns.pop()
    dialogue = Dialogue(tuple(turns), None)
    question = blocks[index].split("\n")[0]
    named = [name for name in dialogue.speakers if _names(question, name)]
    # of names of one length the last one: "In reaction to Bo's words, Di would feel"
    about = max(named, key=lambda name: (len(name), question.rfind(name)), default=None)
    return dialogue._replace(about=about) if turns else None


def cluster_dialogues(dialogues: Sequence[Dialogue | None]) -> list[int]:
    """Find which dialogues go on from an earlier one.

    One goes on from another when the same speakers take the same turns and say the same or, in
    translations that were made line by line, nearly the same (more than half of the words).

    Returns:
        For each dialogue the index of the first one of its kind, from 0.
    """
    firsts: list[int] = []
    for index, dialogue in enumerate(dialogues):
        earlier = (firsts[i] for i in range(index) if _goes_on(dialogues[i], dialogue))
        firsts.append(next(earlier, index))
    return firsts


def _goes_on(start: Dialogue | None, whole: Dialogue | None) -> bool:
    if start is None or whole is None:
        return False
    count = len(start.turns)
    if start.speakers != whole.speakers[:count]:
        return False
    if start.turns == whole.turns[:count]:
        return True
    before, after = (" ".join(turns).split() for turns in (start.turns, whole.turns[:count]))
    return difflib.SequenceMatcher(None, before, after, autojunk=False).ratio() > _ALIKE


def prompt_form(prompt: str, emotions: Sequence[str]) -> Form:
    """Whether a prompt asks once or, with ``revise``, for a first pass, a critique and a revision.

    The latter shows the lines of the answer twice.
    """
    lines = [line.strip() for line in prompt.split("\n")]
    shown = [sum(line.startswith(f"{name}:") for line in lines) for name in emotions]
    return "revise" if min(shown, default=0) > 1 else "plain"


def request(prompt: str, emotions: Sequence[str]) -> str:
    """The first sentence of the block after the emotions: what to do with them."""
    blocks = _blocks(prompt)
    index = _question_at(blocks, emotions)
    if index is None or index + 1 == len(blocks):
        return ""
    return re.split(r"(?<=\.) ", blocks[index + 1], maxsplit=1)[0]


def without_revision(
    prompt: str, emotions: Sequence[str], *, wording: str, language: Language
) -> str | None:
    """Turn a critique-and-revise prompt into the plain one, as EQ-Bench's own code does.

    Args:
        prompt: a prompt that ``prompt_form`` calls ``revise``.
        emotions: its four emotions.
        wording: the request for scores without the one for a revision. EQ-Bench gives all
            German questions the wording of the first.
        language: of the cue at the end.

    Returns:
        The plain prompt, or ``None`` when the prompt is not of the usual shape.
    """
    blocks = _blocks(prompt)
    index = _question_at(blocks, emotions)
    forms = [i for i, block in enumerate(blocks) if _shows_form(block, emotions)]
    if index is None or len(forms) != 2 or not index + 1 < forms[0]:
        return None
    first, revised = forms
    form = blocks[first].split("\n")[-len(emotions) :]
    kept = [
        *blocks[: index + 1],
        wording,
        *blocks[index + 2 : first],
        "\n".join(form) + "\n",
        *blocks[revised + 1 :],
        _ANSWER_CUE[language],
    ]
    return "\n\n".join(kept)


def _question_at(blocks: Sequence[str], emotions: Sequence[str]) -> int | None:
    """The block with the emotions below a line; one of the German ones spells one differently."""
    for index, block in enumerate(blocks):
        below = [line.strip() for line in block.split("\n")[1:]]
        if len(below) == len(emotions) and len(set(below) & set(emotions)) >= len(emotions) - 1:
            return index
    return None


def _shows_form(block: str, emotions: Sequence[str]) -> bool:
    lines = block.split("\n")[-len(emotions) :]
    return len(lines) == len(emotions) and all(
        line.startswith(f"{name}:") for line, name in zip(lines, emotions, strict=True)
    )


def _names(question: str, speaker: str) -> bool:
    return re.search(rf"\b{re.escape(speaker)}(?:['’]?s)?\b", question) is not None


def _blocks(prompt: str) -> list[str]:
    return re.split(r"\n\s*\n", prompt.strip())
