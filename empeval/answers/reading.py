"""Recognises what a file of answers is, and reads it: one subject of answers a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from empeval.answers import (
    eq_bench,
    inspect_ai,
    llm_logs,
    lm_eval,
    openai_batch,
    plain_rows,
    promptfoo,
    run_folder,
)
from empeval.answers.mapping import Fields
from empeval.answers.opening import Opened, holds_lines, lines_of, open_answers
from empeval.answers.records import DocumentForm, Placed, RowForm, SavedAnswer, SavedAnswers
from empeval.errors import DataError, UnknownNameError, some
from empeval.runs import state_of

DOCUMENTS = (
    DocumentForm(inspect_ai.NAME, inspect_ai.fits, inspect_ai.read),
    DocumentForm(promptfoo.NAME, promptfoo.fits, promptfoo.read),
    DocumentForm(eq_bench.NAME, eq_bench.fits, eq_bench.read),
)
ROWS = (
    RowForm(run_folder.NAME, run_folder.fits, run_folder.read),
    RowForm(lm_eval.NAME, lm_eval.fits, lm_eval.read),
    RowForm(openai_batch.NAME, openai_batch.fits, openai_batch.read),
    RowForm(openai_batch.INPUT, openai_batch.asks, openai_batch.read_input),
    RowForm(promptfoo.NAME, promptfoo.fits_row, promptfoo.read_rows),
    RowForm(llm_logs.NAME, llm_logs.fits, llm_logs.read),
    RowForm(plain_rows.SHAREGPT, plain_rows.fits_sharegpt, plain_rows.read_sharegpt),
    RowForm(plain_rows.MESSAGES, plain_rows.fits_messages, plain_rows.read),
)
"""Formats with a layout of their own. What fits none of them is rows with an id and a response."""

RECOGNISED = 100
"""Rows that are looked at to find a file's format."""


def read_answers(path: Path, fields: Fields | None = None, pick: str | None = None) -> SavedAnswers:
    """A file of answers, whichever program wrote it.

    Args:
        path: the file.
        fields: which field is which, where the user says so; the file is then read as rows.
        pick: of the models or runs in it, the one whose answers are meant.

    Raises:
        DataError: it cannot be read, holds no answer, or may be meant in more than one way; the
            message says where and what to do.
        UsageError: ``pick`` names nothing that is there.
    """
    opened = open_answers(path)
    form, found, notices = _recognised(opened, fields or Fields(), path)
    answers = list(found)
    if not answers:
        raise DataError(f"{path} holds no answer.")
    answers, said = _picked(answers, pick, path)
    notices += said
    first = _first_of_repeats(answers)
    if len(first) < len(answers):
        notices.append(
            f"{path} answers questions more than once on purpose; the first answer to each of "
            f"{len(first)} is read, {len(answers) - len(first)} others are not."
        )
        answers = first
    unread = [answer.unread for answer in answers if answer.unread is not None]
    if unread:
        notices.append(
            f"{path}: the questions beside {len(unread)} of {len(answers)} answers are not used, "
            f"for they cannot be read ({unread[0].removeprefix(f'{path}, ')})"
        )
    notices += _left_out(sum(answer.left_out > 0 for answer in answers), len(answers), path)
    return SavedAnswers(path, form, tuple(answers), tuple(notices))


class OwnLines:
    """A JSONL file in our own layout, read again whenever its answers are walked.

    Args:
        path: the file.

    Attributes:
        form: the format in words.
        notices: what a person should know of the reading; whole after the first walk.
        sources: models that the rows name; known after the first walk.
    """

    form = plain_rows.NAME

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = state_of(path)
        self.notices: list[str] = []
        self.sources: set[str | None] = set()

    def __iter__(self) -> Iterator[SavedAnswer]:
        count = left = 0
        for answer in plain_rows.read(lines_of(self._path)):
            count += 1
            left += answer.left_out > 0
            self.sources.add(answer.source)
            yield answer
        if state_of(self._path) != self._state:
            raise DataError(f"{self._path} was changed while it was read; try again.")
        self.notices = _left_out(left, count, self._path)


def own_lines(path: Path) -> OwnLines | None:
    """A file that can be read row by row, whatever its size: JSONL in our own layout.

    Returns:
        ``None`` for every other file, which ``read_answers`` holds in memory: one row alone (it
        may be a document), rows of another program, rows whose fields have to be guessed.

    Raises:
        DataError: it cannot be opened, or one of its first rows is no object.
    """
    if not holds_lines(path):
        return None
    sample = list(islice(lines_of(path), RECOGNISED))
    if len(sample) < 2 or any(form.fits(row) for form in ROWS for _, row in sample):
        return None
    try:
        guessed, _ = Fields().guessed(sample[0].row)
    except DataError:
        return None
    return None if guessed else OwnLines(path)


def _left_out(count: int, of: int, path: Path) -> list[str]:
    if not count:
        return []
    return [
        f"{path}: in {count} of {of} conversations turns of tools, or parts that are "
        "no text, were left out."
    ]


def _recognised(
    opened: Opened, fields: Fields, path: Path
) -> tuple[str, Iterable[SavedAnswer], list[str]]:
    """The format in words, the answers, and what to tell of it."""
    if fields:
        rows = opened.rows
        if fields.rows is not None:
            rows = fields.rows_of(opened.document, str(path))
        _check_fields(fields, rows, path)
        return _plain(rows, fields, path)
    if opened.document is not None:
        document = opened.document
        fits = [form for form in DOCUMENTS if form.fits(document)]
        _check_one([form.name for form in fits], path)
        if fits:
            return fits[0].name, fits[0].read(document, str(path)), []
    sample = opened.rows[:RECOGNISED]
    those = [form for form in ROWS if any(form.fits(row) for _, row in sample)]
    if those:
        form = those[0]
        other = next((where for where, row in opened.rows if not form.fits(row)), None)
        if other is not None and form.name != plain_rows.MESSAGES:
            raise DataError(f"{other}: the file is {form.name}, but this is none of it.")
        _check_one([one.name for one in those], path)
        return form.name, form.read(opened.rows), []
    return _plain(opened.rows, fields, path)


def _plain(
    rows: Sequence[Placed], fields: Fields, path: Path
) -> tuple[str, Iterable[SavedAnswer], list[str]]:
    if not rows:
        return plain_rows.NAME, (), []
    try:
        fields, lines = fields.guessed(rows[0].row)
    except DataError as error:
        raise error.reworded(f"{rows[0].where}: {error}") from error
    read = plain_rows.read(rows, fields)
    return plain_rows.NAME, read, [f"{path}: {line}." for line in lines]


def _check_one(names: Sequence[str], path: Path) -> None:
    if len(set(names)) > 1:
        raise DataError(
            f"{path} may be {' or '.join(names)}; say with --map which field is which "
            "(--map id=...,response=...)."
        )


def _check_fields(fields: Fields, rows: Sequence[Placed], path: Path) -> None:
    """Make sure that a path that the user names is in at least one row."""
    for name, steps in fields.paths.items():
        if steps and rows and not any(fields.has(row, name) for _, row in rows):
            there = sorted({key for _, row in rows[:RECOGNISED] for key in row})
            raise DataError(
                f"--map {name}={steps}: no row of {path} has that field. "
                f"The first have {some(there, 12) or 'none'}."
            )


def _first_of_repeats(answers: Sequence[SavedAnswer]) -> list[SavedAnswer]:
    """The answers without those that repeat another on purpose."""
    least: dict[tuple[str | None, str | None], int] = {}
    for answer in answers:
        key = (answer.source, answer.id)
        least[key] = min(answer.repeat, least.get(key, answer.repeat))
    return [a for a in answers if a.repeat == least[a.source, a.id]]


def _picked(
    answers: list[SavedAnswer], pick: str | None, path: Path
) -> tuple[list[SavedAnswer], list[str]]:
    """The answers of one model or run, where a file has those of several to the same question."""
    sources = list(dict.fromkeys(a.source for a in answers if a.source is not None))
    if pick is not None:
        if pick not in sources:
            raise UnknownNameError(
                f"--pick: {path} holds no answers of '{pick}'.",
                kind="source",
                name=pick,
                known=sources,
            )
        return [answer for answer in answers if answer.source == pick], []
    if len(sources) < 2:
        return answers, []
    questions = [(a.task, a.repeat, key) for a in answers for key in (a.id, a.messages) if key]
    if max(Counter(questions).values()) > 1:
        raise DataError(
            f"{path} holds answers of {len(sources)} models or runs to the same questions: "
            f"{some(sources)}. Say which with --pick NAME."
        )
    return answers, [f"{path} holds answers of {len(sources)} models: {some(sources)}."]
