"""``replay:FILE`` answers from a file that any program may have written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from empeval.answers import Fields, Joined, check_joined, join, read_answers
from empeval.answers.plain_rows import NAMELESS
from empeval.cards import ModelCard
from empeval.errors import DataError, UsageError, some
from empeval.files import fingerprint_of
from empeval.interfaces import Generator
from empeval.records import Item, Response, Sampling


class Replay(Generator):
    """Saved answers.

    The file is JSONL with ``id``, ``response`` and optionally ``task`` a line, or another
    program's (docs/saved-answers.md lists them). Where it repeats the questions, answers are
    joined with the items by their text, else by id. A line without ``task`` answers that id in
    every task. Of several answers to one item the last counts. Missing, doubled and unknown ids
    are reported; an item without an answer gets status ``missing``, one whose answer is ``null``
    status ``error``.

    Args:
        target: the file.
        map: which field is which, ``id=...,response=...``, for rows that name them otherwise.
        pick: of the models or runs in the file, the one whose answers are meant.
    """

    summary = "saved answers of any program: JSONL with id and response, logs, CSV, Parquet ..."
    reads_prompts = False
    counts_tokens = False

    def __init__(self, target: str, *, map: str | None = None, pick: str | None = None) -> None:
        if not target:
            raise UsageError("'replay:' needs a file: replay:answers.jsonl")
        self._path = Path(os.path.expanduser(target))  # the shell leaves the ~ of replay:~/a alone
        if os.path.isdir(self._path):
            raise UsageError(f"{target} is a folder; 'replay:' takes a file of answers.")
        if not os.path.exists(self._path):
            raise UsageError(f"There is no file {target}.")
        if not os.path.isfile(self._path):
            raise UsageError(f"{target} is a pipe or device; 'replay:' takes a file on disk.")
        self._saved = read_answers(self._path, Fields.parsed(map), pick)
        nameless = next((a for a in self._saved.answers if a.id is None and not a.messages), None)
        if nameless is not None:
            raise DataError(f"{nameless.where}: {NAMELESS}")
        self._joined: Joined | None = None

    @property
    def card(self) -> ModelCard:
        """Its card; the fingerprint is the file's."""
        return ModelCard(name=self._path.stem, fingerprint=fingerprint_of(self._path, follow=True))

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """Find out which answer belongs to which item.

        Returns:
            One warning each for what is unusual about the file, and for missing, doubled and
            unknown ids, with counts and names.

        Raises:
            DataError: the file answers none of the questions, or its ids count from 0.
        """
        joined = self._joined = join(self._saved, questions)
        check_joined(self._saved, joined, questions)
        warnings = list(self._saved.notices)
        for task, items in questions.items():
            missing = [i.id for i in items if (task, i.id) not in joined.answers]
            if missing:
                warnings.append(f"{task}: {_count(missing, 'has', 'have')} no answer: "
                                f"{some(missing)}.")  # fmt: skip
        said = (
            (joined.doubled, "comes", "come", "more than once, the last answer counts"),
            (joined.unknown, "belongs", "belong", "to no item that was asked"),
            (joined.renamed, "stands", "stand", "beside another item's question, which counts"),
            (joined.alike, "has", "have", "a question that another item asks in the same words; "
             "such answers are taken in the order of the file"),
            (joined.reworded, "is", "are", "joined by id alone, for the question beside the answer "
             "is worded otherwise than the one asked"),
        )  # fmt: skip
        for ids, one, many, what in said:
            if ids:
                counted = _count(ids, one, many)
                warnings.append(f"{self._path}: {counted} {what}: {some(sorted(ids))}.")
        return warnings

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield the saved answers."""
        joined = self._joined
        if joined is None:
            tasks = dict.fromkeys(item.task for item in items)
            joined = join(self._saved, {t: [i for i in items if i.task == t] for t in tasks})
        for item in items:
            answer = joined.answers.get((item.task, item.id))
            if answer is None:
                note = f"no answer in {self._path.name}"
                yield Response(item.id, "", "missing", note=note)
            else:
                yield answer.response(item.id, self._path.name)

    def runtime(self) -> dict[str, Any]:
        """As what the file was read, and how many answers were joined by their question's text."""
        by_text = self._joined.by_text if self._joined is not None else 0
        return {"read as": self._saved.form, "joined by text": by_text}


def _count(ids: Sequence[str], one: str, many: str) -> str:
    return f"1 id {one}" if len(ids) == 1 else f"{len(ids)} ids {many}"
