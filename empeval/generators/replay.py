"""``replay:FILE`` answers from a file: JSONL, an object a line with ``id`` and ``response``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from empeval.dialogues import file_fingerprint
from empeval.errors import DataError, UsageError, some
from empeval.interfaces import Generator, ModelCard
from empeval.jsonl import read_objects
from empeval.records import Item, Response, Sampling


class Replay(Generator):
    """Saved answers.

    A line holds ``id`` (the item's, text or a whole number), ``response`` (text) and optionally
    ``task``; a line without ``task`` answers that id in every task. Of several answers to one
    item the last counts. Missing, doubled and unknown ids are reported; an item without an
    answer gets status ``missing``, one whose answer is ``null`` status ``error``.
    """

    summary = "saved answers: a JSONL file with id, response and optionally task"
    reads_prompts = False

    def __init__(self, target: str) -> None:
        if not target:
            raise UsageError("'replay:' needs a file: replay:answers.jsonl")
        self._path = Path(os.path.expanduser(target))  # the shell leaves the ~ of replay:~/a alone
        if os.path.isdir(self._path):
            raise UsageError(f"{target} is a folder; 'replay:' takes a JSONL file.")
        if not os.path.exists(self._path):
            raise UsageError(f"There is no file {target}.")
        if not os.path.isfile(self._path):
            raise UsageError(f"{target} is a pipe or device; 'replay:' takes a JSONL file on disk.")
        self._answers, self._doubled = _read(self._path)

    @property
    def card(self) -> ModelCard:
        """Its card; the fingerprint is the file's."""
        return ModelCard(name=self._path.stem, fingerprint=file_fingerprint(self._path))

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """Compare the file's ids with the questions'.

        Returns:
            One warning each for missing, doubled and unknown ids, with counts and names.

        Raises:
            DataError: the file answers none of the questions.
        """
        asked = {(task, item.id) for task, items in questions.items() for item in items}
        used = {key for task, i in asked for key in ((task, i), (None, i)) if key in self._answers}
        if not used:
            raise DataError(
                f"{self._path} answers none of the questions of {', '.join(questions)}. Its ids "
                f"are {some([i for _, i in self._answers])}; the items' ids are "
                f"{some(sorted(i for _, i in asked))}."
            )
        warnings = []
        for task, items in questions.items():
            missing = [i.id for i in items if self._key(i) is None]
            if missing:
                warnings.append(f"{task}: {_count(missing, 'has', 'have')} no answer: "
                                f"{some(missing)}.")  # fmt: skip
        if self._doubled:
            warnings.append(
                f"{self._path}: {_count(self._doubled, 'comes', 'come')} more than once, the last "
                f"answer counts: {some(self._doubled)}."
            )
        unknown = [i if task is None else f"{task}/{i}" for task, i in self._answers.keys() - used]
        if unknown:
            warnings.append(
                f"{self._path}: {_count(unknown, 'belongs', 'belong')} to no item that was asked: "
                f"{some(sorted(unknown))}."
            )
        return warnings

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield the saved answers."""
        for item in items:
            key = self._key(item)
            answer = None if key is None else self._answers[key]
            if key is None:
                note = f"no answer in {self._path.name}"
                yield Response(item.id, "", "missing", note=note)
            elif answer is None:
                yield Response(item.id, "", "error", note=f"null in {self._path.name}")
            else:
                yield Response(item.id, answer)

    def _key(self, item: Item) -> tuple[str | None, str] | None:
        keys = ((item.task, item.id), (None, item.id))
        return next((key for key in keys if key in self._answers), None)


def _read(path: Path) -> tuple[dict[tuple[str | None, str], str | None], list[str]]:
    """Answers by (task, id), and the ids that came more than once."""
    answers: dict[tuple[str | None, str], str | None] = {}
    counts: Counter[tuple[str | None, str]] = Counter()
    for number, row in read_objects(path):
        where = f"{path}, line {number}"
        identifier, response, task = row.get("id"), row.get("response"), row.get("task")
        if isinstance(identifier, bool) or not isinstance(identifier, str | int):
            raise DataError(f"{where}: needs an 'id' (text or a whole number).")
        if "response" not in row or not isinstance(response, str | None):
            raise DataError(f"{where}: needs a 'response' (text, or null where it failed).")
        if task is not None and not isinstance(task, str):
            raise DataError(f"{where}: 'task' must be a task's name.")
        key = (task, str(identifier))
        answers[key] = response
        counts[key] += 1
    if not answers:
        raise DataError(f"{path} holds no answer.")
    return answers, [
        i if task is None else f"{task}/{i}" for (task, i), n in counts.items() if n > 1
    ]


def _count(ids: Sequence[str], one: str, many: str) -> str:
    return f"1 id {one}" if len(ids) == 1 else f"{len(ids)} ids {many}"
