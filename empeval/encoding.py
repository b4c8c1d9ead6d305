"""Rows of tokens -> one vector each, with any transformer: batched by length, padded, pooled.

torch is imported when something is encoded; a scorer's module that imports this one stays light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from empeval.batching import by_length
from empeval.engines import TORCH, Engine, states_of

if TYPE_CHECKING:
    from torch import Tensor

Pooling = Literal["mean", "cls", "last"]
BATCH_TOKENS = {"cpu": 2048, "cuda": 65536}
"""The most tokens of a batch, padding included, by the kind of device."""


class TokenRow(msgspec.Struct, frozen=True):
    """A text as an encoder reads it.

    Attributes:
        ids: token numbers, special tokens included; at least one.
        start: where the tokens begin that are pooled; what stands before is read only.
        second: where a second segment begins (token type 1), if there is one.
    """

    ids: Sequence[int]
    start: int = 0
    second: int | None = None


def padded(
    rows: Sequence[TokenRow], *, padding: int = 0, segments: bool = False
) -> dict[str, Tensor]:
    """What a transformer takes, each of shape (rows, longest), int64.

    Args:
        rows: at least one.
        padding: the number of the token that fills rows up.
        segments: whether the model reads ``token_type_ids``.

    Returns:
        ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``.
    """
    import torch

    longest = max(len(row.ids) for row in rows)
    lengths = torch.tensor([len(row.ids) for row in rows])
    positions = torch.arange(longest)
    there = positions < lengths[:, None]
    tensors = {
        "input_ids": torch.tensor([[*r.ids, *[padding] * (longest - len(r.ids))] for r in rows]),
        "attention_mask": there.long(),
    }
    if segments:
        starts = torch.tensor([longest if r.second is None else r.second for r in rows])
        tensors["token_type_ids"] = ((positions >= starts[:, None]) & there).long()
    return tensors


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of the states that a mask marks, shape (rows, width); 0 where it marks none.

    Args:
        states: shape (rows, tokens, width).
        mask: shape (rows, tokens), 1 or 0.
    """
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


EXAMPLE = (TokenRow([1] * 9, second=4), TokenRow([1] * 5))
"""What a model is traced with: two rows of unlike length."""


class PooledEncoder:
    """A transformer without an output layer, and what it takes to get vectors from it.

    Runs on the GPU if there is one, or as ``engine`` says. A row's vector does not depend on the
    rows beside it, but for the rounding of float sums (below 1e-6 in float32), which depends on how
    long the longest is.

    Args:
        model: of transformers; it is moved to the device and set to evaluate.
        pooling: the mean over a row's own tokens, its first token, or its last.
        padding: the number of the token that fills rows up.
        segments: whether the model reads ``token_type_ids``.
        batch_tokens: as ``BATCH_TOKENS``.
        layers: whose states are pooled and stand side by side, 0 being the embeddings; ``None``
            is the last one.
        engine: what computes; ``openvino`` on the CPU, where a GPU is as well.

    Attributes:
        model, device: what runs, and where: ``cpu`` or ``cuda``.
        batch_tokens: the most tokens of a batch there.

    Raises:
        EmpevalError: the engine cannot compute the model.
    """

    def __init__(
        self,
        model: Any,
        *,
        pooling: Pooling = "mean",
        padding: int = 0,
        segments: bool = False,
        batch_tokens: Mapping[str, int] = BATCH_TOKENS,
        layers: Sequence[int] | None = None,
        engine: Engine = TORCH,
    ) -> None:
        import torch

        on_gpu = engine.engine == "torch" and torch.cuda.is_available()
        self.device = "cuda" if on_gpu else "cpu"
        self.model = model.to(self.device).eval()
        self._pooling = pooling
        self._padding = padding
        self._segments = segments
        self._layers = layers
        self.batch_tokens = batch_tokens[self.device]
        self._compiled: Callable[[dict[str, Tensor]], Sequence[Tensor]] | None = None
        if engine.engine == "openvino":
            from empeval.compiled import CompiledEncoder

            example = padded(EXAMPLE, padding=padding, segments=segments)
            self._compiled = CompiledEncoder(self.model, example, engine.precision, layers)

    def batches(
        self,
        rows: Sequence[TokenRow],
        *,
        pooling: Pooling | None = None,
        states: Callable[[dict[str, Tensor]], Sequence[Tensor]] | None = None,
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the numbers of rows and their vectors, batch by batch, short rows first.

        Args:
            rows: each number comes once.
            pooling: in the place of the encoder's own.
            states: how hidden states are had of ``padded`` tensors, when not the model's last
                or ``layers``'; those of several layers are pooled alike and stand side by side.

        Yields:
            Numbers, and a tensor of shape (numbers, layers * width) on the device.
        """
        import torch

        for numbers in by_length([len(row.ids) for row in rows], self.batch_tokens):
            batch = [rows[number] for number in numbers]
            tensors = padded(batch, padding=self._padding, segments=self._segments)
            given = {name: tensor.to(self.device) for name, tensor in tensors.items()}
            with torch.inference_mode():
                found = (states or self._states)(given)
                vectors = [self._pool(one, batch, pooling or self._pooling) for one in found]
                side_by_side = vectors[0] if len(vectors) == 1 else torch.cat(vectors, 1)
            yield numbers, side_by_side

    def pooled(self, rows: Sequence[TokenRow]) -> Tensor:
        """The vectors of rows in their order, shape (rows, layers * width), on the device.

        Args:
            rows: at least one.
        """
        import torch

        order: list[int] = []
        parts: list[Tensor] = []
        for numbers, vectors in self.batches(rows):
            order += numbers
            parts.append(vectors)
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        with torch.inference_mode():
            return torch.cat(parts)[back.to(self.device)]

    def _states(self, given: dict[str, Tensor]) -> Sequence[Tensor]:
        if self._compiled is not None:
            return self._compiled(given)
        return states_of(self.model, given, self._layers)

    def _pool(self, states: Tensor, rows: Sequence[TokenRow], pooling: Pooling) -> Tensor:
        import torch

        if pooling == "cls":
            return states[:, 0]
        positions = torch.arange(states.shape[1])
        ends = torch.tensor([len(row.ids) for row in rows])[:, None]
        firsts = torch.tensor([row.start for row in rows])[:, None]
        own = (positions < ends) & (positions >= (firsts if pooling == "mean" else ends - 1))
        return mean_pool(states.float(), own.to(self.device))
