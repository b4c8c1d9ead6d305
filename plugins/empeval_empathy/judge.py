"""Applies an empathy model to many dialogues at once."""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empeval.toolkit import Engine, PooledEncoder, TokenRow
from empeval_empathy.checkpoints import load_checkpoint
from empeval_empathy.modeling import CascadeModel, EmpathyModel
from empeval_empathy.sharing import share_weights, shared_tokenizer
from empeval_empathy.views import Dialogue, Row, ViewBuilder, Views

BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model says of dialogues, a row each.

    Attributes:
        empathy: shape (dialogues,), in [1, 5].
        mechanisms: shape (dialogues, 3), emotional reaction, interpretation and exploration, each
            in [0, 2]; ``None`` where the checkpoint has none.
        relevance: shape (dialogues,), the probability in [0, 1] that a reply is one to its context,
            when one to another is as likely beforehand; ``None`` where the checkpoint has no topic.
        emotions: shape (dialogues, emotions), probabilities; MVC's context view.
        full_emotions: the same of MVC's full view; ``None`` for the others.
        views: what the model saw.
    """

    empathy: np.ndarray
    mechanisms: np.ndarray | None
    relevance: np.ndarray | None
    emotions: np.ndarray
    full_emotions: np.ndarray | None
    views: list[Views]


class Judge:
    """A checkpoint, ready to judge; on the GPU when there is one, in float32.

    Args:
        folder: the checkpoint.
        engine: what computes its encoder, when it is not torch.

    Attributes:
        emotions: the names of the emotions, by number.

    Raises:
        UsageError: the folder holds no usable checkpoint.
    """

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        model, tokenizer = load_checkpoint(folder)
        topic = model.config.topic
        self._views = ViewBuilder(shared_tokenizer(tokenizer), model.config.max_length)
        self._encoder = PooledEncoder(
            model.encoder,
            pooling=model.config.pooling,
            padding=self._views.padding,
            segments=self._views.segments,
            batch_tokens=BATCH_TOKENS,
            layers=topic and topic["layers"],
            engine=engine or Engine(),
        )
        self._model: EmpathyModel = model.to(self._encoder.device)
        share_weights(self._model)
        self.emotions: list[str] = [
            model.config.id2label[number] for number in range(model.config.num_labels)
        ]

    def judge(
        self,
        dialogues: Sequence[Dialogue],
        shared: MutableMapping[Hashable, Any] | None = None,
    ) -> Judged:
        """Judge dialogues, at least one; a row each, in their order.

        Rows of tokens are encoded by length, all views together, and each different row once: a
        reply and a reference share their context's.

        Args:
            dialogues: to judge.
            shared: as of ``ViewBuilder.build``.
        """
        views = self._views.build(dialogues, shared)
        cascade = isinstance(self._model, CascadeModel)
        topical = self._model.config.topic is not None
        rows: dict[tuple[int, ...], int] = {}
        unique: list[Row] = []

        def place(row: Row) -> int:
            key = (row.reply_start or 0, *row.ids)
            if key not in rows:
                rows[key] = len(unique)
                unique.append(row)
            return rows[key]

        full = [place(view.full) for view in views]
        context = [place(view.context) for view in views] if cascade or topical else full
        reply = [place(view.reply) for view in views] if topical else []
        with torch.inference_mode():
            found = self._encoder.pooled([TokenRow(r.ids, second=r.reply_start) for r in unique])
            match = self._model.topic(found[context], found[reply]) if topical else None
            pooled = found[:, -self._model.encoder.config.hidden_size :]
            output: Any = self._model.heads(pooled[context], pooled[full], match=match)
            full_emotions = output.full_emotion_logits
            return Judged(
                empathy=_array(output.empathy),
                mechanisms=None if output.mechanisms is None else _array(output.mechanisms),
                relevance=None if output.relevance is None else _array(output.relevance),
                emotions=_array(output.emotion_logits.softmax(-1)),
                full_emotions=None if full_emotions is None else _array(full_emotions.softmax(-1)),
                views=views,
            )


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray(tensor.cpu().numpy(), dtype=float)
