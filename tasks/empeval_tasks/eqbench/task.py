"""The tasks ``eqbench`` and ``eqbench-de``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from empeval import (
    DataError,
    Item,
    Sampling,
    Task,
    TaskCard,
    UsageError,
    data_directory,
    load_rows,
)
from empeval_tasks.eqbench.likelihood import Mode, with_likelihood
from empeval_tasks.eqbench.parsing import Form, Language
from empeval_tasks.eqbench.questions import (
    question_items,
    read_question_file,
    read_questions,
    with_form,
)

DATASET = "pbevan11/EQ-Bench"
FILES = ("validation.jsonl", "data/validation-*.parquet", "*.jsonl", "*.parquet")
REPOSITORY = "EQ-bench/EQ-Bench"
"""Where the German questions and the critique-and-revise prompts are published, on GitHub."""

CITATION = (
    "Paech 2023: EQ-Bench: An Emotional Intelligence Benchmark for Large Language Models. "
    "arXiv 2312.06281."
)
_REVISE_TOKENS = 1000


class EQBench(Task):
    """EQ-Bench v2: 171 questions on 50 dialogues.

    Args:
        prompts: ``plain`` asks for four scores, ``revise`` for scores, a critique of them and
            revised scores, as older reports did.
        questions: a file of questions instead of the data set: ``.json`` as published in the
            repository EQ-bench/EQ-Bench, or rows as in the data set. Its critique-and-revise
            prompts serve both forms.
        mode: ``generate`` has the model write; ``likelihood`` reads how likely it finds each
            intensity from 0 to 10 behind each emotion's name.
    """

    card = TaskCard(
        version="1",
        summary="Predict how strongly a character feels four emotions (EQ-Bench v2, English).",
        provides=("eqbench",),
        scorers=("eqbench",),
        license="MIT",
        sampling=Sampling(max_tokens=80),
        dataset=DATASET,
        citation=CITATION,
        fingerprints={
            "prompts=plain": (
                "sha256:e75825366599d9c2023d99f23e46858d7a520d09e8e231bcfc2a95ae6ea9c171",
            ),
            "prompts=revise": (
                "sha256:0c401d8d5aa40eb7e8eb3906ab400d750c2399fe4d657f8c617c8d97712faf75",
            ),
        },
    )
    language: ClassVar[Language] = "en"
    published: ClassVar[str] = "data/eq_bench_v2_questions_171.json"
    """The file in ``REPOSITORY``."""
    mirrored: ClassVar[dict[Form, str]] = {
        "plain": "v2_en.jsonl",
        "revise": "v2_en_with_revision.jsonl",
    }
    """Further names that a mirror's folder ``EQ-bench/EQ-Bench`` may have it under."""

    def __init__(
        self,
        *,
        prompts: Form = "plain",
        questions: str | None = None,
        mode: Mode = "generate",
    ) -> None:
        self.prompts: Form = prompts
        self.questions = questions
        self.mode: Mode = mode
        if mode == "likelihood":
            if prompts == "revise":
                raise UsageError(
                    "mode=likelihood fills the form once and revises nothing; leave out "
                    "prompts=revise."
                )
            self.card = with_likelihood(type(self).card)
        if prompts == "revise":
            sampling = Sampling(max_tokens=_REVISE_TOKENS)
            self.card = msgspec.structs.replace(type(self).card, sampling=sampling)

    def items(self) -> Iterator[Item]:
        """Yield the questions in the order of the data set.

        Raises:
            DataError: rows are not what they should be, or the prompts are not to be had.
            HubError: the data set cannot be fetched.
        """
        source, rows = self._rows()
        questions = with_form(
            read_questions(rows, source), self.prompts, language=self.language, source=source
        )
        yield from question_items(questions, self.language, self.mode)

    def data_key(self) -> str:
        """Name the choice of rows."""
        likelihood = ",mode=likelihood" if self.mode == "likelihood" else ""
        return f"prompts={self.prompts}{likelihood}" + (",questions=file" if self.questions else "")

    def _rows(self) -> tuple[str, list[dict[str, Any]]]:
        if self.questions is None and self.prompts == "plain":
            return DATASET, load_rows(DATASET, FILES)
        return self._file_rows()

    def _file_rows(self) -> tuple[str, list[dict[str, Any]]]:
        path = Path(self.questions).expanduser() if self.questions else self._mirrored()
        return str(path), read_question_file(path)

    def _mirrored(self) -> Path:
        directory = data_directory()
        if directory is not None:
            for name in (self.mirrored[self.prompts], self.published):
                path = directory.joinpath(*REPOSITORY.split("/"), *name.split("/"))
                if path.is_file():
                    return path
        what = "German questions" if self.language == "de" else "critique-and-revise prompts"
        raise DataError(
            f"EQ-Bench's {what} are not on the hub. Get {self.published} from "
            f"https://github.com/{REPOSITORY} and pass it as questions=FILE, or put it into the "
            f"data directory (--data-dir or EMPEVAL_DATA) as {REPOSITORY}/{self.published}."
        )


class EQBenchGerman(EQBench):
    """EQ-Bench v2 in German: translations of the same 171 questions.

    Args:
        prompts: as for ``eqbench``.
        mode: as for ``eqbench``.
        questions: as for ``eqbench``; without it they are looked for in the data directory, since
            they are on no hub.
    """

    card = TaskCard(
        version="1",
        summary="Predict how strongly a character feels four emotions (EQ-Bench v2, German).",
        provides=("eqbench",),
        scorers=("eqbench",),
        license="MIT",
        sampling=Sampling(max_tokens=80),
        dataset=f"https://github.com/{REPOSITORY}",
        language="de",
        citation=CITATION,
        fingerprints={
            "prompts=plain": (
                "sha256:a7800674fcae3e4becf3f24c05b82b9b8da1570c370996e6e5b574aa5717c7d1",
            ),
        },
    )
    language: ClassVar[Language] = "de"
    published: ClassVar[str] = "data/eq_bench_v2_questions_171_de.json"
    mirrored: ClassVar[dict[Form, str]] = {
        "plain": "v2_de.jsonl",
        "revise": "v2_de_with_revision.jsonl",
    }

    def _rows(self) -> tuple[str, list[dict[str, Any]]]:
        return self._file_rows()
