"""EQ-Bench's questions: out of data set rows or published files, checked, as items."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from empeval import DataError, Item, Message, read_rows, require_columns
from empeval_tasks.eqbench.likelihood import Mode, blanks
from empeval_tasks.eqbench.parsing import Form, Language
from empeval_tasks.eqbench.prompts import (
    cluster_dialogues,
    find_dialogue,
    prompt_form,
    request,
    without_revision,
)

COLUMNS = ("prompt", "reference_answer_fullscale")


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: its number in the data set, from 1.
        prompt: what the model reads, character for character.
        reference: the four emotions with their reference intensities, 0 to 10.
        form: whether the prompt asks once or for a first pass, a critique and a revision.
    """

    id: str
    prompt: str
    reference: dict[str, float]
    form: Form


def read_question_file(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of questions.

    Args:
        path: ``.json`` as EQ-Bench publishes it, an object of questions by number, or any file of
            rows that a data set may consist of.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    if path.suffix.lower() == ".json":
        try:
            content = msgspec.json.decode(path.read_bytes())
        except (OSError, ValueError):
            content = None  # JSON lines perhaps; otherwise read_rows says what is wrong
        if isinstance(content, dict) and all(isinstance(row, dict) for row in content.values()):
            return [{**row, "question_id": name} for name, row in content.items()]
    return read_rows(path)


def read_questions(rows: Sequence[Mapping[str, Any]], source: str) -> list[Question]:
    """Check rows and turn them into questions, in their order.

    A row's number is its ``question_id`` or, without one, its position.

    Args:
        rows: with ``prompt`` and ``reference_answer_fullscale``, a mapping or its text.
        source: how errors call the data set.

    Raises:
        DataError: columns are missing, a row holds something else, or numbers are given twice.
    """
    require_columns(rows, COLUMNS, source)
    questions = [_question(row, number, source) for number, row in enumerate(rows, 1)]
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise DataError(f"Data set '{source}' has two questions with the id '{question.id}'.")
        seen.add(question.id)
    return questions


def with_form(
    questions: Sequence[Question], form: Form, *, language: Language, source: str
) -> list[Question]:
    """The questions with prompts of the wanted form.

    A plain prompt can be made from one that asks for a revision, not the other way round.

    Raises:
        DataError: a prompt cannot be had in this form.
    """
    if not questions:
        return []
    wording = request(questions[0].prompt, list(questions[0].reference))
    return [_with_form(question, form, wording, language, source) for question in questions]


def question_items(
    questions: Sequence[Question], language: Language, mode: Mode = "generate"
) -> list[Item]:
    """The questions as items; those that share a dialogue share a cluster.

    Args:
        questions: to be asked.
        language: of the answers.
        mode: ``likelihood`` gives them a blank an emotion.
    """
    dialogues = [find_dialogue(question.prompt, list(question.reference)) for question in questions]
    firsts = cluster_dialogues(dialogues)
    items = []
    for question, dialogue, first in zip(questions, dialogues, firsts, strict=True):
        metadata = {"question": question.id}
        if dialogue is not None and dialogue.about is not None:
            metadata["about"] = dialogue.about
        items.append(
            Item(
                id=question.id,
                messages=(Message("user", question.prompt),),
                cluster=f"dialogue-{questions[first].id}",
                target=eqbench_target(question.reference, language=language, form=question.form),
                metadata=metadata,
                blanks=blanks(question.reference) if mode == "likelihood" else (),
            )
        )
    return items


def eqbench_target(
    reference: Mapping[str, float], *, language: Language = "en", form: Form = "plain"
) -> dict[str, Any]:
    """What the scorer ``eqbench`` needs to know of a question: ``Item.target``.

    Args:
        reference: emotion -> reference intensity, 0 to 10.
        language: decides whose headings and number format the official parser expects.
        form: what the prompt asks for.
    """
    return {"eqbench": {"emotions": dict(reference), "language": language, "form": form}}


def _with_form(
    question: Question, form: Form, wording: str, language: Language, source: str
) -> Question:
    if question.form == form:
        return question
    if form == "revise":
        raise DataError(
            f"{source}: the prompt of question {question.id} asks for no revision. Pass the file "
            "with the critique-and-revise prompts as questions=FILE, or leave out prompts=revise."
        )
    prompt = without_revision(
        question.prompt, list(question.reference), wording=wording, language=language
    )
    if prompt is None:
        raise DataError(
            f"{source}: the prompt of question {question.id} asks for a revision and is not built "
            "like EQ-Bench's, so no plain prompt can be made from it. Add prompts=revise to use "
            "it as it is."
        )
    return replace(question, prompt=prompt, form="plain")


def _question(row: Mapping[str, Any], number: int, source: str) -> Question:
    where = f"Data set '{source}', row {number}"
    name = row.get("question_id")
    if name is not None and (isinstance(name, bool) or not isinstance(name, str | int)):
        raise DataError(f"{where}: question_id must be a number or text, not {name!r}.")
    prompt = row["prompt"]
    if not isinstance(prompt, str) or not prompt.strip():
        raise DataError(f"{where}: the prompt is empty or no text.")
    reference = _reference(row["reference_answer_fullscale"], where)
    identifier = str(number if name is None else name)
    return Question(identifier, prompt, reference, prompt_form(prompt, list(reference)))


def _reference(value: Any, where: str) -> dict[str, float]:
    where += ": reference_answer_fullscale"
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise DataError(f"{where} is no mapping of emotions and scores.") from None
    if not isinstance(value, Mapping):
        raise DataError(f"{where} is no mapping of emotions and scores.")
    reference: dict[str, float] = {}
    for number in range(1, 5):
        name, score = (value.get(key) for key in (f"emotion{number}", f"emotion{number}_score"))
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where} has no emotion{number}.")
        reference[name.strip()] = _intensity(score, f"{where}: emotion{number}_score")
    if len({name.casefold() for name in reference}) != 4:
        raise DataError(f"{where} names an emotion twice.")
    return reference


def _intensity(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= 10:
        raise DataError(f"{where} must be a number from 0 to 10, not {value!r}.")
    return number
