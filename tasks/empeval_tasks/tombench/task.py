"""The task ``tombench-emotion``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from empeval import (
    DataError,
    Item,
    Sampling,
    Task,
    TaskCard,
    data_directory,
    read_rows,
    require_columns,
)
from empeval_tasks.multiple_choice.questions import PROVIDES, Mode, Question, choice_item, spread

REPOSITORY = "zhchen18/ToMBench"
"""Where the questions are published, on GitHub; they are on no hub."""

PARTS = ("Discrepant Emotions", "Emotion Regulation", "Hidden Emotions", "Moral Emotions")
"""The files of ToMBench that ask about emotions."""

_LETTERS = "ABCD"
_NUMBERED = re.compile(r"^[A-D]\s*[.)．、]\s*")


class ToMBenchEmotion(Task):
    """ToMBench's English questions about emotions: 180 on short stories.

    Args:
        seed: of the options' order.
        folder: where the files are; by default the data directory's ``zhchen18/ToMBench``.
        mode: ``likelihood`` takes the likeliest letter; nothing is written.
    """

    card = TaskCard(
        version="1",
        summary="Choose what people in short stories feel, hide or do about it (ToMBench).",
        provides=(PROVIDES,),
        scorers=("choices",),
        license="MIT; for evaluation only, never for training",
        sampling=Sampling(max_tokens=64),
        dataset=f"https://github.com/{REPOSITORY}",
        citation=(
            "Chen et al. 2024: ToMBench: Benchmarking Theory of Mind in Large Language Models. "
            "ACL 2024, arXiv 2402.15052."
        ),
        fingerprints={
            "seed=0": ("sha256:b14c60bcef181c64c767ce62b547df6be9687276b44e4a174b89d1d44e418f7d",)
        },
    )

    def __init__(
        self, *, seed: int = 0, folder: str | None = None, mode: Mode = "generate"
    ) -> None:
        self.seed = seed
        self.folder = folder
        self.mode: Mode = mode

    def items(self) -> Iterator[Item]:
        """Yield the questions, part by part.

        Raises:
            DataError: the files are not there, or rows are not what they should be.
        """
        files = [self._file(part) for part in PARTS]
        first: dict[str, str] = {}
        for part, path in zip(PARTS, files, strict=True):
            slug = part.lower().replace(" ", "_")
            rows = read_rows(path)
            columns = ("STORY", "QUESTION", *(f"OPTION-{letter}" for letter in _LETTERS))
            require_columns(rows, columns, str(path))
            for number, row in enumerate(rows, 1):
                identifier = f"{slug}-{number}"
                story = str(row["STORY"]).strip()
                yield choice_item(
                    identifier,
                    story,
                    [_question(row, f"{path}, row {number}")],
                    seed=self.seed,
                    cluster=first.setdefault(story, identifier),
                    metadata={"category": slug},
                    mode=self.mode,
                )

    def select(self, items: Sequence[Item], limit: int, seed: int) -> list[Item]:
        """Choose questions at even distances, so that every category is there."""
        return spread(items, limit)

    def data_key(self) -> str:
        """Name the choice of rows."""
        return f"seed={self.seed}" + (",mode=likelihood" if self.mode == "likelihood" else "")

    def _file(self, part: str) -> Path:
        directory = data_directory()
        if self.folder is not None:
            base = Path(self.folder).expanduser()
        elif directory is not None:
            base = directory.joinpath(*REPOSITORY.split("/"))
        else:
            base = None
        names = (f"{part}.jsonl", f"{part.lower().replace(' ', '_')}.jsonl")
        for folder in () if base is None else (base, base / "data"):
            for name in names:
                if (folder / name).is_file():
                    return folder / name
        raise DataError(
            f"ToMBench's questions '{part}' are on no hub. Get data/{names[0]} and its neighbours "
            f"from https://github.com/{REPOSITORY} and pass the folder as folder=FOLDER, or put "
            f"them into the data directory (--data-dir or EMPEVAL_DATA) as {REPOSITORY}/data."
        )


def _question(row: Mapping[str, Any], where: str) -> Question:
    right = next((str(v).strip() for key, v in row.items() if key.endswith("ANSWER")), "")
    if right not in _LETTERS or not right:
        raise DataError(f"{where}: the answer is {right!r}; it must be one of A, B, C and D.")
    options = {a: _NUMBERED.sub("", str(row[f"OPTION-{a}"]).strip()) for a in _LETTERS}
    return Question("answer", str(row["QUESTION"]).strip(), tuple(options.values()), options[right])
