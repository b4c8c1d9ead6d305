"""Sentence embeddings with a transformer encoder: pooled, of unit length, in float32."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from empeval import UsageError
from empeval.toolkit import Engine, PooledEncoder, TokenRow, load_encoder

Keep = Literal["start", "end"]


class Text(msgspec.Struct, frozen=True):
    """A text and which end of it to keep when it is too long for the encoder."""

    content: str
    keep: Keep = "start"


class Embedded(msgspec.Struct, frozen=True, eq=False):
    """A text as a vector.

    Attributes:
        vector: shape (hidden size,), float32, of length 1; NaN where the model gave none.
        kept: which part of the text it stands for, when the text was too long.
    """

    vector: np.ndarray
    kept: str | None = None


class Encoder:
    """A transformer that turns texts into unit vectors, read from a local folder.

    Pooling is the mean over tokens, or the first token where the folder's sentence-transformers
    configuration says so. Runs on the GPU when there is one. Weights are read from safetensors
    only and no code from the folder is run.

    Args:
        folder: the encoder.
        engine: what computes it, when it is not torch.

    Attributes:
        max_length: the most tokens of a text, special ones included.

    Raises:
        UsageError: the folder holds no encoder that can be used so.
    """

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        pooling = _pooling(folder)
        # BERT's pooler is not used.
        model, self._tokenizer = load_encoder(folder, str(folder), optional="pooler.")
        padding = self._tokenizer.pad_token_id or 0
        self._encoder = PooledEncoder(
            model, pooling=pooling, padding=padding, engine=engine or Engine()
        )
        self.max_length = _max_length(folder, self._tokenizer, model.config)

    def encode(self, texts: Sequence[Text]) -> list[Embedded]:
        """Embed texts, in their order.

        A text's vector does not depend on the other texts, but for float rounding (below 1e-6).
        """
        if not texts:
            return []
        ids, cut = self._tokenize(texts)
        rows: dict[int, np.ndarray] = {}
        for numbers, pooled in self._encoder.batches([TokenRow(row) for row in ids]):
            rows.update(zip(numbers, _unit(pooled), strict=True))
        side = {"start": "first", "end": "latest"}
        return [
            Embedded(
                rows[index],
                f"its {side[text.keep]} {self.max_length} tokens" if cut[index] else None,
            )
            for index, text in enumerate(texts)
        ]

    def _tokenize(self, texts: Sequence[Text]) -> tuple[list[list[int]], list[bool]]:
        tokenizer = self._tokenizer
        ids = tokenizer([text.content for text in texts], verbose=False)["input_ids"]
        cut = [len(row) > self.max_length for row in ids]
        for index, text in enumerate(texts):
            if cut[index]:
                tokenizer.truncation_side = "right" if text.keep == "start" else "left"
                ids[index] = tokenizer(text.content, truncation=True, max_length=self.max_length)[
                    "input_ids"
                ]
        return ids, cut


def _unit(pooled: Any) -> np.ndarray:
    """Vectors of length 1; NaN where there is none."""
    import torch

    length = pooled.norm(dim=-1, keepdim=True)
    unit: np.ndarray = torch.where(length > 0, pooled / length, torch.nan).cpu().numpy()
    return unit


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UsageError(f"{path} is no JSON file: {error}.") from error


def _pooling(folder: Path) -> Literal["mean", "cls"]:
    modules = _read(folder / "modules.json") or []
    kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
    extra = kinds.keys() - {"Transformer", "Pooling", "Normalize"}
    if extra:
        raise UsageError(
            f"{folder} has a {min(extra)} layer on top of the transformer, which the similarity "
            "scorer does not run. Use an encoder with mean or first-token pooling."
        )
    config = _read(folder / kinds.get("Pooling", "1_Pooling") / "config.json") or {}
    modes = {
        key.removeprefix("pooling_mode_")
        for key, on in config.items()
        if key.startswith("pooling_mode_") and on is True
    }
    if modes <= {"mean_tokens"}:
        return "mean"
    if modes == {"cls_token"}:
        return "cls"
    raise UsageError(
        f"{folder} pools with {', '.join(sorted(modes))}; the similarity scorer knows the mean "
        "over tokens and the first token."
    )


def _max_length(folder: Path, tokenizer: Any, config: Any) -> int:
    stated = (_read(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    if stated:
        return int(stated)
    positions = getattr(config, "max_position_embeddings", None) or 512
    # RoBERTa's position table has two entries that no token uses.
    return int(min(tokenizer.model_max_length, positions - 2, 512))
