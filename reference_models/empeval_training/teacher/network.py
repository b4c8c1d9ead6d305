"""The teacher's network and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from empeval.toolkit import mean_pool
from empeval_training.teacher.targets import HEADS

MARGIN = 1.0
"""Logits by which a worse counterfactual should stay below its original."""
TOLERANCE = 0.05
"""Logits that a counterfactual worth the same may differ by for nothing."""
OFFSET_PENALTY = 0.05
SAME_WEIGHT, PAIR_WEIGHT, DIALOGUE_WEIGHT = 0.5, 0.2, 0.3
"""With four times as much for the counterfactuals the heads learned those and little of people."""


class Teacher(nn.Module):  # type: ignore[misc]  # torch is not followed
    """An encoder over context and reply, and an ordinal head for each scale.

    A head gives one number, the latent; a rating above k of its scale has the probability
    sigmoid(latent + rater's offset - threshold k).

    Args:
        encoder: an encoder, or those of its layers that train, as ``UpperLayers``.
        raters: how many raters are told apart.
        dropout: before the heads.
        counterfactuals: what their losses are multiplied with.
    """

    def __init__(
        self, encoder: Any, raters: int, dropout: float = 0.1, counterfactuals: float = 1.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.counterfactuals = counterfactuals
        width = encoder.config.hidden_size
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(3 * width, width // 2)
        self.heads = nn.Linear(width // 2, len(HEADS))
        self.thresholds = nn.ParameterList(
            nn.Parameter(torch.linspace(-1.5, 1.5, head.high - head.low)) for head in HEADS
        )
        self.offsets = nn.Embedding(raters + 1, 1)
        nn.init.zeros_(self.offsets.weight)

    def latents(self, rows: Mapping[str, Tensor]) -> Tensor:
        """The heads' numbers, shape (rows, heads).

        Args:
            rows: ``states``, ``attention_mask`` and ``reply_mask`` (1 on the reply's tokens).
        """
        states = self.encoder(**{k: v for k, v in rows.items() if k != "reply_mask"})
        last = states.last_hidden_state.float()
        means = [mean_pool(last, rows[mask]) for mask in ("attention_mask", "reply_mask")]
        pooled = [last[:, 0], *means]
        hidden = functional.gelu(self.hidden(self.dropout(torch.cat(pooled, dim=-1))))
        return self.heads(self.dropout(hidden)).float()

    def expected(self, latents: Tensor) -> Tensor:
        """The expected rating of each head by nobody in particular, shape (rows, heads)."""
        columns = [
            head.low + torch.sigmoid(latents[:, i : i + 1] - self.thresholds[i]).sum(-1)
            for i, head in enumerate(HEADS)
        ]
        return torch.stack(columns, dim=-1)

    def forward(
        self,
        rows: Mapping[str, Tensor],
        targets: Tensor | None = None,
        ratings: Tensor | None = None,
        pairs: Tensor | None = None,
        same: Tensor | None = None,
        **_: Any,
    ) -> dict[str, Tensor]:
        """The loss of a batch.

        Args:
            rows: as ``latents`` takes them.
            targets: (ratings, 4) of int64: row, head, rater, dialogue.
            ratings: (ratings,) what was said.
            pairs: (pairs, 2) rows, better and worse.
            same: (pairs, 3) rows, original and changed, and whether the mechanisms stay too.
        """
        latents = self.latents(rows)
        if targets is None or ratings is None or pairs is None or same is None:
            return {"logits": self.expected(latents)}
        loss = self._ordinal(latents, targets, ratings) + OFFSET_PENALTY * (
            self.offsets.weight.square().mean()
        )
        loss = loss + DIALOGUE_WEIGHT * _within_dialogues(latents, targets, ratings)
        overall = torch.tensor([head.overall for head in HEADS], device=latents.device)
        if len(pairs):
            gap = (latents[pairs[:, 0]] - latents[pairs[:, 1]])[:, overall]
            loss = (
                loss
                + self.counterfactuals
                * PAIR_WEIGHT
                * functional.softplus(2 * (MARGIN - gap)).mean()
                / 2
            )
        if len(same):
            moved = (latents[same[:, 1]] - latents[same[:, 0]]).abs()
            counted = overall.float() + (~overall).float() * same[:, 2:3]
            excess = functional.relu(moved - TOLERANCE)
            moved_on = (excess * counted).sum() / counted.sum().clamp(min=1)
            loss = loss + self.counterfactuals * SAME_WEIGHT * moved_on
        return {"loss": loss}

    def _ordinal(self, latents: Tensor, targets: Tensor, ratings: Tensor) -> Tensor:
        total = latents.new_zeros(())
        for number, head in enumerate(HEADS):
            chosen = targets[:, 1] == number
            if not chosen.any():
                continue
            own = targets[chosen]
            shown = latents[own[:, 0], number] + self.offsets(own[:, 2]).squeeze(-1)
            steps = torch.arange(head.low, head.high, device=ratings.device)
            above = (ratings[chosen][:, None] > steps + 0.5).float()
            logits = shown[:, None] - self.thresholds[number]
            losses = functional.binary_cross_entropy_with_logits(logits, above, reduction="none")
            total = total + head.weight * losses.mean()
        return total


def _within_dialogues(latents: Tensor, targets: Tensor, ratings: Tensor) -> Tensor:
    """Logistic loss of pairs that one dialogue's raters ordered, by the same head."""
    shown = latents[targets[:, 0], targets[:, 1]]
    alike = (targets[:, None, 3] == targets[None, :, 3]) & (
        targets[:, None, 1] == targets[None, :, 1]
    )
    above = ratings[:, None] > ratings[None, :] + 0.25
    chosen = alike & above
    if not chosen.any():
        return latents.new_zeros(())
    gaps = (shown[:, None] - shown[None, :])[chosen]
    return functional.softplus(-gaps).mean()
