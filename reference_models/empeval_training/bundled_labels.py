"""A teacher's labels of EmpatheticDialogues as numbers, no text; no file of them ships yet.

The teacher weighs 400 MB and the ratings that it learned from are not on the hub; its word on the
data set's replies is four numbers a reply. A label is found by a hash of the reply's id and text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from empeval import DataError
from empeval.files import replacing
from empeval_training.examples import Example
from empeval_training.teacher.labelling import with_labels

BUNDLED = Path(__file__).parent / "labels.safetensors"


def key(example: Example) -> int:
    """The hash that a label is found by."""
    digest = hashlib.sha256(f"{example.id}\0{example.reply}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def write_labels(examples: Sequence[Example], path: Path) -> None:
    """Keep the labels of examples: ``keys`` (n,) int64 and ``labels`` (n, 4) float16."""
    rows = sorted({key(e): (e.empathy, *(e.mechanisms or ())) for e in examples}.items())
    keys = np.array([k for k, _ in rows], dtype=np.int64)
    labels = np.array([values for _, values in rows], dtype=np.float16)
    with replacing(path) as part:
        save_file({"keys": keys, "labels": labels}, part)


class KeptLabels:
    """Labels from a file.

    Args:
        path: what ``write_labels`` wrote.

    Raises:
        DataError: there is no such file, or it is none of ours.
    """

    def __init__(self, path: Path = BUNDLED) -> None:
        try:
            arrays = load_file(path)
            keys = arrays["keys"].tolist()
            self._labels = dict(zip(keys, arrays["labels"].tolist(), strict=True))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise DataError(f"{path} holds no labels: {error}. Give --ratings.") from error

    def has(self, example: Example) -> bool:
        """Whether there is a label of this reply."""
        return key(example) in self._labels

    def label(self, examples: Sequence[Example]) -> list[Example]:
        """Those that have a label, with it."""
        found = [(e, self._labels[key(e)]) for e in examples if self.has(e)]
        return [with_labels(e, values[0], values[1:]) for e, values in found]
