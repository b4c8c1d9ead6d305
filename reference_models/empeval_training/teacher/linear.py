"""Ratings by ridge regression on a frozen encoder's embedding of the reply.

One person's rating of a reply says little of the next person's, and layers that train on a few
thousand of them learn who said what. A linear map on embeddings that nobody changed has no room
for that; it does not see the context, which the network does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from empeval.auditing.rated import RatedSet
from empeval.files import replacing
from empeval_text.encoder import Encoder, Text
from empeval_training.networks import encoder_folder
from empeval_training.teacher.targets import TeacherRow

LEARNED = {"exchanges-linear": "exchanges-1-5", "ratings-linear": "ratings-1-3"}
"""The numbers, and the rated set that each learns."""
ALPHAS = (5.0, 15.0, 50.0, 150.0)
"""Ridge penalties, on embeddings of length 1, of which cross-validation by dialogue chooses."""
FOLDS = 5


class LinearHeads:
    """The fitted maps.

    Args:
        encoder: whose embeddings are read.
        sets: the rated sets; their training part alone is fitted on.
        kept: a file that keeps embeddings from one command to the next, in half precision.
    """

    def __init__(self, encoder: str, sets: Sequence[RatedSet], kept: Path) -> None:
        self._encoder_name, self._kept = encoder, kept
        self._encoder: Encoder | None = None
        self._known = _read(kept) if kept.is_file() else {}
        by_name = {rated.name: rated for rated in sets}
        self._maps = [self._fit(by_name[name].only("train")) for name in LEARNED.values()]

    def __call__(self, rows: Sequence[TeacherRow]) -> np.ndarray:
        """Expected ratings, shape (rows, 2), in the order of ``LEARNED``; not cut to the scales."""
        x = self._embed([row.reply for row in rows])
        return np.stack([one.predict(x) for one in self._maps], axis=1)

    def _fit(self, rated: RatedSet) -> Any:
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GridSearchCV, GroupKFold

        x = self._embed([reply.reply for reply in rated.replies])
        said = [reply.mean("empathy") for reply in rated.replies]
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=GroupKFold(FOLDS))
        search.fit(x, said, groups=[reply.dialogue for reply in rated.replies])
        return search.best_estimator_

    def _embed(self, replies: Sequence[str]) -> np.ndarray:
        keys = [_key(reply) for reply in replies]
        new = {key: r for key, r in zip(keys, replies, strict=True) if key not in self._known}
        if new:
            if self._encoder is None:
                self._encoder = Encoder(encoder_folder(self._encoder_name))
            made = self._encoder.encode([Text(reply) for reply in new.values()])
            for key, found in zip(new, made, strict=True):
                self._known[key] = found.vector.astype(np.float16)
            _write(self._known, self._kept)
        return np.stack([self._known[key] for key in keys]).astype(np.float32)


def _key(reply: str) -> int:
    return int.from_bytes(hashlib.sha256(reply.encode()).digest()[:8], "big", signed=True)


def _read(path: Path) -> dict[int, np.ndarray]:
    arrays = load_file(path)
    return dict(zip(arrays["keys"].tolist(), arrays["vectors"], strict=True))


def _write(known: Mapping[int, np.ndarray], path: Path) -> None:
    keys = np.array(list(known), dtype=np.int64)
    with replacing(path) as part:
        save_file({"keys": keys, "vectors": np.stack(list(known.values()))}, part)
