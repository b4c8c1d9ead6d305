"""Saved dialogues as a task: what ``empeval score FILE`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from empeval.answers import Fields, SavedAnswer, own_lines, read_answers
from empeval.cards import TaskCard
from empeval.errors import DataError
from empeval.interfaces import Task
from empeval.records import Item, Response
from empeval.roles import playing

DIALOGUES = "dialogues"


class Dialogues(Task):
    """Dialogues from a file; their answers come with them.

    Args:
        items: which are walked whenever they are asked for.

    Attributes:
        size: how many there are. clusters: what they were cut from.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.size, self.clusters = 0, set[str]()
        offered = {"reference", "emotion"}
        for item in items:
            self.size += 1
            self.clusters.add(item.cluster)
            if item.reference is None:
                offered.discard("reference")
            if "emotion" not in item.target:
                offered.discard("emotion")
        provides = ["reply", *(name for name in ("reference", "emotion") if name in offered)]
        self.card = TaskCard(
            version="1",
            summary="Dialogues from a file.",
            provides=tuple(provides),
            scorers=tuple(playing("dialogues")),
            license="as the file's owner says",
        )

    def items(self) -> Iterator[Item]:
        """Yield the dialogues in the order of the file."""
        return iter(self._items)


class Read:
    """The dialogues of a file with their answers, as often as they are walked.

    Args:
        answers: of the file, held in memory or read anew whenever they are walked.
        path: the file.
        form: its format in words.

    Attributes:
        notices: what a person should know of the reading.

    Raises:
        DataError: naming file and line.
    """

    def __init__(
        self, answers: Iterable[SavedAnswer], path: Path, form: str, notices: Iterable[str] = ()
    ) -> None:
        self._answers, self._path, self._form = answers, path, form
        self.notices = list(notices)
        seen: dict[str, int] = {}
        for number, (item, _) in enumerate(self):
            if seen.setdefault(item.id, number) != number:
                first, second = (
                    answer.where
                    for index, answer in enumerate(answers)
                    if index in (seen[item.id], number)
                )
                there = first.removeprefix(f"{path}, ")
                raise DataError(f"{second}: the id '{item.id}' stands in {there} already.")

    def __iter__(self) -> Iterator[tuple[Item, Response]]:
        for number, answer in enumerate(self._answers, 1):
            item = _item(answer, str(number), self._form)
            yield item, answer.response(item.id, self._path.name)

    @property
    def items(self) -> Iterable[Item]:
        """The dialogues alone, as often as they are walked."""
        return _Items(self)


class _Items:
    def __init__(self, pairs: Read) -> None:
        self._pairs = pairs

    def __iter__(self) -> Iterator[Item]:
        return (item for item, _ in self._pairs)


def read_dialogues(path: Path, fields: Fields | None = None, pick: str | None = None) -> Read:
    """Read a file of dialogues with their answers, whichever program wrote it.

    Our own is JSONL, ``{"id", "context": [str, ...] or "messages": [{"role", "content"}, ...],
    "response", "reference"?, "emotion"?, "cluster"?}`` a line. ``context`` alternates speaker and
    listener and ends with the speaker; ``messages`` end with a user's, or with the answer where
    there is no ``response``. A dialogue without an id is called after its number. A file in our
    own layout may have any size, for it is read again whenever its dialogues are walked; others
    are held in memory.

    Args:
        path: the file.
        fields: which field is which, where the user says so.
        pick: of the models or runs in it, the one whose answers are meant.

    Raises:
        DataError: naming file and line.
    """
    lines = None if fields or pick is not None else own_lines(path)
    if lines is not None:
        read = Read(lines, path, lines.form)
        if len(lines.sources - {None}) < 2:
            read.notices += lines.notices
            return read
    saved = read_answers(path, fields, pick)
    return Read(saved.answers, path, saved.form, saved.notices)


def _item(answer: SavedAnswer, number: str, form: str) -> Item:
    if answer.unread is not None:
        raise DataError(answer.unread)
    if not answer.messages:
        raise DataError(
            f"{answer.where}: there is an answer, but not what was said before it ({form}). A "
            "dialogue needs 'context' or 'messages'; answers alone are scored with 'empeval run "
            "--model replay:FILE --tasks NAME', which has the questions."
        )
    if answer.messages[-1].role != "user":
        raise DataError(f"{answer.where}: what was said must end with the speaker (role user).")
    name = number if answer.id is None else answer.id
    return Item(
        id=name,
        messages=answer.messages,
        cluster=name if answer.cluster is None else answer.cluster,
        reference=answer.reference,
        target={} if answer.emotion is None else {"emotion": answer.emotion},
        task=DIALOGUES,
    )
