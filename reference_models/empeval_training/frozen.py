"""Frozen lower layers of an encoder: their states are computed once and kept.

What does not train need not be computed in every epoch. With the lower layers frozen and without
dropout in them, a row's states after them are always the same; only the layers above run then.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from empeval import UsageError
from empeval.toolkit import by_length
from empeval_empathy.views import Row, ViewBuilder
from empeval_training.progress import bar

BATCH_TOKENS = 4096


class Given(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Stands where an encoder's embeddings were: the states come from outside."""

    def forward(self, input_ids: Tensor | None = None, inputs_embeds: Any = None, **_: Any) -> Any:
        """The states as they were given, shape (batch, tokens, hidden)."""
        return inputs_embeds


class UpperLayers(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The layers of an encoder above the frozen ones; the modules are the encoder's own.

    Args:
        encoder: BERT, RoBERTa, MPNet or alike: ``embeddings`` and ``encoder.layer``.
        frozen: so many lower layers are left out.
    """

    def __init__(self, encoder: Any, frozen: int) -> None:
        super().__init__()
        self.config = encoder.config
        self.upper = copy.copy(encoder)
        self.upper._modules = dict(encoder._modules)
        self.upper.embeddings = Given()
        stack = copy.copy(encoder.encoder)
        stack._modules = dict(encoder.encoder._modules)
        stack.layer = nn.ModuleList(list(encoder.encoder.layer)[frozen:])
        self.upper.encoder = stack

    def forward(self, states: Tensor, attention_mask: Tensor, **_: Any) -> Any:
        """The encoder's output for states (batch, tokens, hidden) below its layers."""
        return self.upper(inputs_embeds=states, attention_mask=attention_mask)


def check_frozen(encoder: Any, frozen: int) -> None:
    """Refuse to freeze every layer, or more than there are.

    Raises:
        UsageError: no layer is left to train.
    """
    count = encoder.config.num_hidden_layers
    if frozen >= count:
        raise UsageError(f"frozen_layers is {frozen}, but the encoder has {count} layers.")


def freeze_lower(encoder: Any, frozen: int) -> None:
    """Let the embeddings and so many lower layers train no more."""
    for part in (encoder.embeddings, *list(encoder.encoder.layer)[:frozen]):
        for weight in part.parameters():
            weight.requires_grad_(False)


class LowerStates:
    """States of rows after the frozen layers, in half precision, one flat array.

    Args:
        encoder: whose lower layers compute them.
        frozen: how many these are.
        views: makes tensors of rows.
        bf16: compute in bfloat16.
    """

    def __init__(self, encoder: Any, frozen: int, views: ViewBuilder, *, bf16: bool) -> None:
        self._views, self._bf16 = views, bf16
        self._lower = copy.copy(encoder)
        self._lower._modules = dict(encoder._modules)
        stack = copy.copy(encoder.encoder)
        # What a stack's layers share (MPNet's positions) trains on above; here it stays as it was.
        stack._modules = {
            name: None if name == "layer" else copy.deepcopy(part)
            for name, part in encoder.encoder._modules.items()
        }
        stack.layer = nn.ModuleList(list(encoder.encoder.layer)[:frozen])
        self._lower.encoder = stack
        self._starts: dict[tuple[int, ...], int] = {}
        self._flat = np.zeros((0, encoder.config.hidden_size), dtype=np.float16)

    def compute(self, rows: Sequence[Row], what: str) -> None:
        """Compute the states of rows that are not there yet."""
        new = list({_key(r): r for r in rows if _key(r) not in self._starts}.values())
        if not new:
            return
        lengths = [len(row.ids) for row in new]
        start = len(self._flat)
        offsets = start + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
        flat = np.zeros((start + sum(lengths), self._flat.shape[1]), dtype=np.float16)
        flat[:start] = self._flat
        training = self._lower.training
        self._lower.eval()
        with torch.inference_mode():
            batches = list(by_length(lengths, BATCH_TOKENS))
            for batch in bar(batches, f"{what}, batches") if what else batches:
                tensors = self._views.tensors([new[i] for i in batch])
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._bf16):
                    states = self._lower(**tensors).last_hidden_state
                array = states.float().cpu().numpy().astype(np.float16)
                for place, i in enumerate(batch):
                    flat[offsets[i] : offsets[i] + lengths[i]] = array[place, : lengths[i]]
        self._lower.train(training)
        self._flat = flat
        self._starts.update((_key(row), int(o)) for row, o in zip(new, offsets, strict=True))

    def forget(self) -> None:
        """Keep none of them."""
        self._starts = {}
        self._flat = self._flat[:0].copy()

    def tensors(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """``states`` (rows, longest, hidden) and ``attention_mask`` (rows, longest) of rows."""
        longest = max(len(row.ids) for row in rows)
        states = np.zeros((len(rows), longest, self._flat.shape[1]), dtype=np.float32)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for place, row in enumerate(rows):
            start = self._starts[_key(row)]
            states[place, : len(row.ids)] = self._flat[start : start + len(row.ids)]
            mask[place, : len(row.ids)] = 1
        return {"states": torch.from_numpy(states), "attention_mask": mask}


def _key(row: Row) -> tuple[int, ...]:
    return (row.reply_start or 0, *row.ids)
