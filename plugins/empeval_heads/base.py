"""The frozen base: a language model whose hidden states, pooled, are what the heads read."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal
from weakref import WeakValueDictionary

import msgspec
import numpy as np

from empeval import UsageError
from empeval.toolkit import (
    PooledEncoder,
    TokenRow,
    load_encoder,
    locate,
    on_disk,
    target_fingerprint,
)
from empeval_heads.depth import blocks_of, check_layers, states_after

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "last"]
Precision = Literal["fp32", "bf16"]

BATCH_TOKENS = {"cpu": 2048, "cuda": 32768}
"""The most tokens of a batch, padding included."""

LEAST_TEXT = 16
"""Tokens of the text that are kept, however long what stands before it is."""


class Passage(msgspec.Struct, frozen=True):
    """A text to embed, and what was said before it.

    The model reads both; only the text's own tokens are pooled.
    """

    text: str
    before: str = ""


class FrozenBase:
    """A causal language model without its output layer, in float32, on the GPU if there is one.

    Use ``shared_base``: two heads on one base then load it once.

    Args:
        name: a hub id, a folder, or ``packaged:NAME``.

    Attributes:
        name: as given. width: of one layer's states. depth: how many layers there are.
        fingerprint: identifies its files.

    Raises:
        UsageError: the folder holds no model that transformers can load as data.
        EmpevalError: it cannot be fetched.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fingerprint = target_fingerprint(name)
        model, self._tokenizer = load_encoder(locate(name), f"The base {name}")
        for weight in model.parameters():
            weight.requires_grad_(False)
        self._encoder = PooledEncoder(model, batch_tokens=BATCH_TOKENS)
        self.width: int = model.config.hidden_size
        self._blocks = blocks_of(model, name)
        self.depth = len(self._blocks)
        self._running = threading.Lock()
        positions = getattr(model.config, "max_position_embeddings", None)
        self._positions = positions if isinstance(positions, int) and positions > 0 else None

    def tokens(self, passages: Sequence[Passage], max_length: int) -> list[tuple[list[int], int]]:
        """Token numbers of passages, and where each one's own text begins.

        A passage that is too long loses the beginning of what stands before it, then the end of
        its text.
        """
        limit = max_length if self._positions is None else min(max_length, self._positions)
        texts = self._ids([p.text for p in passages])
        befores = self._ids([p.before for p in passages])
        start = self._tokenizer.bos_token_id
        rows = []
        for before, text in zip(befores, texts, strict=True):
            head = [] if start is None else [start]
            kept = text[: max(limit - len(head) - len(before), min(limit - len(head), LEAST_TEXT))]
            room = limit - len(head) - len(kept)
            head += before[len(before) - room :] if room < len(before) else before
            if not kept:
                raise UsageError("A passage without text has no embedding.")
            rows.append(([*head, *kept], len(head)))
        return rows

    def embed(
        self,
        passages: Sequence[Passage],
        *,
        pooling: Pooling = "mean",
        max_length: int = 256,
        layers: Sequence[int] = (),
        precision: Precision = "fp32",
    ) -> np.ndarray:
        """Pooled hidden states, shape (passages, layers * width), float32.

        The states of several layers stand side by side; the layers above the deepest one asked
        for are not computed.

        Args:
            passages: texts that are not blank.
            pooling: the mean over a passage's own tokens, or its last token.
            max_length: the most tokens that are read.
            layers: after how many layers the states are taken, each from 1 to ``depth``; ``depth``
                is the model's output, its final norm included. Empty is that alone.
            precision: of the matrix products; ``bf16`` is about twice as fast on hardware that
                has it.

        Raises:
            UsageError: a passage has no text, or the base has no such layer.
        """
        layers = tuple(layers) or (self.depth,)
        result = np.zeros((len(passages), len(layers) * self.width), dtype=np.float32)
        for batch, vectors in self.batches(
            passages, pooling=pooling, max_length=max_length, layers=layers, precision=precision
        ):
            result[batch] = vectors
        return result

    def batches(
        self,
        passages: Sequence[Passage],
        *,
        pooling: Pooling,
        max_length: int,
        layers: Sequence[int],
        precision: Precision = "fp32",
    ) -> Iterable[tuple[list[int], np.ndarray]]:
        """Yield the numbers of passages with their embeddings, batch by batch, short ones first."""
        check_layers(layers, self.depth, self.name)
        rows = [TokenRow(*row) for row in self.tokens(passages, max_length)]

        def states(given: dict[str, torch.Tensor]) -> list[torch.Tensor]:
            return self._states(given["input_ids"], given["attention_mask"], layers, precision)

        for numbers, vectors in self._encoder.batches(rows, pooling=pooling, states=states):
            yield numbers, vectors.cpu().numpy()

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        ids: list[list[int]] = self._tokenizer(
            list(texts), add_special_tokens=False, verbose=False
        )["input_ids"]
        return ids

    def _states(
        self, ids: torch.Tensor, mask: torch.Tensor, layers: Sequence[int], precision: Precision
    ) -> list[torch.Tensor]:
        """States after each of the layers, each of shape (rows, tokens, width)."""
        import torch

        half = torch.autocast(
            self._encoder.device, dtype=torch.bfloat16, enabled=precision == "bf16"
        )
        # One at a time: what takes the states out hangs on the model itself.
        with self._running, half:
            return states_after(self._encoder.model, self._blocks, ids, mask, layers)


_loaded: WeakValueDictionary[str, FrozenBase] = WeakValueDictionary()
_lock = threading.Lock()


def shared_base(name: str) -> FrozenBase:
    """The base of that name; loaded once for all who hold it.

    Raises:
        UsageError: it cannot be loaded.
        EmpevalError: it cannot be fetched.
    """
    path = on_disk(name)
    key = name if path is None else str(path.resolve())
    with _lock:
        base = _loaded.get(key)
        if base is None:
            base = _loaded[key] = FrozenBase(name)
        return base
