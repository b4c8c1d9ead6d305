"""Labelled examples and GoEmotions as the Trainer's data sets and batches."""

from __future__ import annotations

import copy
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgspec

from empeval import DataError, UsageError, load_rows, require_columns
from empeval.files import write_text
from empeval.jsonl import read_objects
from empeval_empathy.views import Dialogue, Row, ViewBuilder
from empeval_training.examples import HUMAN, Example
from empeval_training.scales import row as row_of

GOEMOTIONS = "google-research-datasets/go_emotions"
GOEMOTIONS_CLASSES = 28
Tensors = Callable[[Sequence[Row]], dict[str, Any]]
"""Rows of tokens -> what an encoder reads, each of shape (rows, longest, ...)."""

RATED = "rated"
"""The file of rated replies that every trained model is measured on."""
PEOPLE = "people"
"""The part of a run's figures that are Spearman's correlations with people's ratings."""
VALIDATION = "people-validation"
"""The same on the rated sets' validation part, by which recipes are compared."""

NO_EMOTION = -100
"""The class number of an example without an emotion: it counts for no emotion loss."""


class Prepared(msgspec.Struct, frozen=True):
    """``prepared.json`` beside the examples: what they are and what made them."""

    fingerprint: str
    emotions: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    seed: int
    conversations: dict[str, int | None]
    labeller: str
    licenses: dict[str, str]


def read_prepared(folder: Path) -> Prepared:
    """What ``prepare-ed`` wrote beside its examples.

    Raises:
        UsageError: it is no such folder.
    """
    path = folder / "prepared.json"
    if not path.is_file():
        raise UsageError(
            f"{folder} holds no prepared data. Make it with: empeval train prepare-ed --out "
            f"{folder}"
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=Prepared)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not what prepare-ed writes: {error}.") from error


def read_examples(folder: Path, split: str) -> list[Example]:
    """The labelled examples of a split.

    Raises:
        DataError: a line is no labelled example; its number is named.
    """
    path = folder / f"{split}.jsonl"
    examples = []
    for number, row in read_objects(path):
        try:
            example = msgspec.convert(row, Example)
        except msgspec.ValidationError as error:
            raise DataError(f"{path}, line {number}: {error}.") from error
        in_range = example.empathy is None or 1 <= example.empathy <= 5
        if not in_range or not example.context or not example.reply.strip():
            raise DataError(f"{path}, line {number}: it needs a context, a reply and a label 1-5.")
        examples.append(example)
    if not examples:
        raise DataError(f"{path} has no examples.")
    return examples


def only_humans(examples: Sequence[Example]) -> list[Example]:
    """The human replies among them, or where there are none those that people rated."""
    humans = [example for example in examples if example.variant == HUMAN]
    return humans or [example for example in examples if example.variant.startswith("rated:")]


def draw(examples: Sequence[Any], count: int | None, seed: int) -> list[Any]:
    """At most ``count`` of them, drawn by the seed."""
    if count is None or count >= len(examples):
        return list(examples)
    return random.Random(seed).sample(list(examples), count)  # noqa: S311 - no secret


def class_weights(labels: Sequence[int], classes: int) -> list[float]:
    """Inverse frequency with add-one smoothing, of mean 1 over the examples."""
    counts = Counter(label for label in labels if label != NO_EMOTION)
    raw = [1 / (counts[c] + 1) for c in range(classes)]
    total = sum(raw[c] * n for c, n in counts.items())
    scale = sum(counts.values()) / total if total else 1.0
    return [scale * weight for weight in raw]


class Labelled:
    """Examples as a map-style data set: views, labels, ratings by scale, emotion, length."""

    def __init__(
        self, examples: Sequence[Example], views: ViewBuilder, emotions: Sequence[str]
    ) -> None:
        number = {emotion: place for place, emotion in enumerate(emotions)}
        built = views.build([Dialogue(e.context, e.reply) for e in examples])
        self.rows: list[dict[str, Any]] = [
            {
                "views": view,
                "empathy": math.nan if example.empathy is None else example.empathy,
                "mechanisms": example.mechanisms or (math.nan,) * 3,
                "ratings": row_of(example.ratings),
                "emotion": number.get(example.emotion, NO_EMOTION),
                "human": example.variant == HUMAN,
            }
            for view, example in zip(built, examples, strict=True)
        ]
        self._measure()

    def _measure(self) -> None:
        self.lengths = [len(row["views"].full.ids) for row in self.rows]
        self.emotion_labels = [row["emotion"] for row in self.rows]

    def with_emotion(self) -> Labelled:
        """The replies of people among them to a speaker whose emotion is known."""
        part = copy.copy(self)
        part.rows = [r for r in self.rows if r["emotion"] != NO_EMOTION and r["human"]]
        part._measure()
        return part

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


class Collator:
    """Rows of ``Labelled`` as a batch of padded tensors.

    Args:
        tensors: makes tensors of rows of tokens: the tokens, or their states above frozen layers.
        context: whether the batch holds the context view too (MVC).
        reply: whether it holds the view of the reply alone, and the context's with it.
    """

    def __init__(self, tensors: Tensors, *, context: bool, reply: bool = False) -> None:
        self._tensors = tensors
        self._context = context or reply
        self._reply = reply

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The arguments of a model's ``forward`` for rows."""
        import torch

        views = [row["views"] for row in rows]
        batch: dict[str, Any] = {
            "full": self._tensors([v.full for v in views]),
            "emotion_labels": torch.tensor([row["emotion"] for row in rows]),
            "rating_labels": torch.tensor([row["ratings"] for row in rows], dtype=torch.float32),
        }
        if self._context:
            batch["context"] = self._tensors([v.context for v in views])
        if self._reply:
            batch["reply"] = self._tensors([v.reply for v in views])
        return batch


class Comments:
    """GoEmotions comments as a map-style data set: a view and its classes.

    Args:
        split: ``train``, ``validation`` or ``test``.
        count: at most so many, drawn by the seed; ``None``: all.
        seed: of the draw.
        views: makes rows of tokens of the texts.

    Raises:
        DataError: a row is no comment with classes 0-27; its number is named.
        HubError: the data set cannot be fetched.
    """

    def __init__(self, split: str, count: int | None, seed: int, views: ViewBuilder) -> None:
        files = (f"{split}.jsonl", f"{split}.jsonl.gz", f"*/{split}-*.parquet")
        rows = draw(check_comments(load_rows(GOEMOTIONS, files)), count, seed)
        built = views.build([Dialogue((row["text"],), "") for row in rows])
        self.rows: list[dict[str, Any]] = [
            {"views": view, "classes": list(row["labels"])}
            for view, row in zip(built, rows, strict=True)
        ]
        self.lengths = [len(row["views"].context.ids) for row in self.rows]

    def shares(self) -> list[float]:
        """The share of the comments that have each class, shape (28,), in [0, 1]."""
        counts = Counter(c for row in self.rows for c in set(row["classes"]))
        return [counts[c] / len(self.rows) for c in range(GOEMOTIONS_CLASSES)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


def check_comments(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Refuse rows that are no GoEmotions comments.

    Raises:
        DataError: a row without text or with classes other than 0-27; its number is named.
    """
    require_columns(rows, ("text", "labels"), GOEMOTIONS)
    known = range(GOEMOTIONS_CLASSES)
    for number, row in enumerate(rows, 1):
        text, labels = row["text"], row["labels"]
        if not (isinstance(text, str) and isinstance(labels, list)):
            raise DataError(f"{GOEMOTIONS}, row {number}: it needs a text and a list of labels.")
        if not all(isinstance(label, int) and label in known for label in labels):
            raise DataError(
                f"{GOEMOTIONS}, row {number}: the labels are {labels}; they must be whole numbers "
                f"from 0 to {known[-1]}."
            )
    return rows


class CommentCollator:
    """Rows of ``Comments`` as a batch: the context view, and 28 zeros and ones."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The arguments of ``Pretraining``'s ``forward`` for rows."""
        import torch

        labels = torch.zeros(len(rows), GOEMOTIONS_CLASSES)
        for place, row in enumerate(rows):
            labels[place, row["classes"]] = 1
        return {"rows": self._tensors([r["views"].context for r in rows]), "labels": labels}


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs: indented, keys in their order; whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def make_folder(folder: Path) -> None:
    """Make a folder to write into, before work that would be lost without it.

    Raises:
        UsageError: it cannot be made or written into.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{folder} cannot be written into: {error.strerror or error}.") from error
