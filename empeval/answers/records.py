"""One answer of somebody's, whatever file it came in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from empeval.records import Message, Response, ResponseStatus

Row = dict[str, Any]


class Placed(NamedTuple):
    """An object of a file and where it stands: ``answers.jsonl, line 3``."""

    where: str
    row: Row


@dataclass(frozen=True, kw_only=True)
class SavedAnswer:
    """An answer as a file holds it.

    Attributes:
        where: file and line, element, row or sample, for messages.
        text: the answer with its reasoning, as saved; ``None`` where there is none.
        id: what the file calls the question.
        own_id: whether ``id`` may be taken for an item's. ``False``: it counts the rows of the
            other program's data set (lm-eval's ``doc_id``), so only the question's text can say
            which item was answered.
        task: the task that the answer names.
        messages: the question as it was asked, with roles where the file has them; empty where
            the file does not repeat it.
        source: the model, run or provider that answered, for files that hold several.
        repeat: which of several answers to the same question it is, from 0.
        reference, emotion, cluster: as in ``Item``.
        status, note: how the answer came about, where the file says so.
        reasoning, stop, prompt_tokens, completion_tokens, seconds: as in ``Response``.
        left_out: turns and parts of the question that are no text of speaker or listener (a
            tool's, an image).
        unread: why the question beside the answer could not be read; it has an id then.
    """

    where: str
    text: str | None
    id: str | None = None
    own_id: bool = True
    task: str | None = None
    messages: tuple[Message, ...] = ()
    source: str | None = None
    repeat: int = 0
    reference: str | None = None
    emotion: str | None = None
    cluster: str | None = None
    status: ResponseStatus | None = None
    note: str | None = None
    reasoning: str | None = None
    stop: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    left_out: int = 0
    unread: str | None = None

    def response(self, identifier: str, file: str) -> Response:
        """The response to an item. One that is ``null`` has status ``error`` and says where.

        Args:
            identifier: the item's id.
            file: name of the file, for the note.
        """
        if self.text is None:
            status: ResponseStatus = self.status if self.status not in (None, "ok") else "error"
            note = self.note or f"null in {file}"
            return Response(identifier, "", status, reasoning=self.reasoning, note=note)
        return Response(
            id=identifier,
            response=self.text,
            status=self.status or "ok",
            reasoning=self.reasoning,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            seconds=self.seconds,
            stop=self.stop,
            note=self.note,
        )


@dataclass(frozen=True)
class SavedAnswers:
    """A file's answers, each question once a task.

    Attributes:
        path: the file. form: the format it was read as, in words.
        answers: in the order of the file. notices: what a person should know of the reading.
    """

    path: Path
    form: str
    answers: tuple[SavedAnswer, ...]
    notices: tuple[str, ...] = field(default=())


class RowForm(NamedTuple):
    """A format in which each row is an answer.

    Attributes:
        name: in words. fits: whether a row is of it. read: all rows -> answers.
    """

    name: str
    fits: Callable[[Row], bool]
    read: Callable[[Sequence[Placed]], Iterable[SavedAnswer]]


class DocumentForm(NamedTuple):
    """A format in which one object holds all answers.

    Attributes:
        name: in words. fits: whether an object is of it. read: object, label of the file ->
            answers.
    """

    name: str
    fits: Callable[[Row], bool]
    read: Callable[[Row, str], Iterable[SavedAnswer]]
