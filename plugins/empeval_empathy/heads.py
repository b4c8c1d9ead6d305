"""What reads an encoder's pooled states: linear and ordinal heads, a reply against its context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from empeval_empathy.config import HIGH, LOW, MOST
from empeval_empathy.scales import RELEVANCE, Overall


def to_scale(raw: Tensor) -> Tensor:
    """Map an unbounded output into the range of the score, shape (batch, 1) -> (batch,)."""
    return LOW + (HIGH - LOW) * torch.sigmoid(raw.float()).squeeze(-1)


def to_levels(raw: Tensor | None) -> Tensor | None:
    """Map unbounded outputs into the range of the mechanisms, shape (batch, 3)."""
    return None if raw is None else MOST * torch.sigmoid(raw.float())


def overall(latents: Mapping[str, Tensor], made: Overall) -> Tensor:
    """The number that ``Overall`` describes, in (1, 5).

    Args:
        latents: scale -> shape (batch,).
        made: how it is made.
    """
    total = sum(
        weight * (latents[name] - made.means[name]) / made.deviations[name]
        for name, weight in made.weights.items()
    )
    latent = torch.as_tensor(total) / sum(made.weights.values())
    if made.relevance:
        latent = latent + made.relevance * functional.logsigmoid(latents[RELEVANCE] - made.unsure)
    steps = torch.tensor(made.thresholds, device=latent.device)
    return LOW + torch.sigmoid(made.slope * latent[:, None] - steps).sum(-1)


def head(inputs: int, outputs: int, hidden: int | None = None) -> nn.Module:
    """A linear layer, or two with a GELU between."""
    if hidden is None:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


class OrdinalHead(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Latents of scales, and the logits of a rating above each of their steps.

    Args:
        inputs: the width of what it reads.
        steps: how many each scale has: its highest level less its lowest.
    """

    def __init__(self, inputs: int, steps: Sequence[int]) -> None:
        super().__init__()
        self.counts = list(steps)
        self.latents = head(inputs, len(self.counts))
        even = [torch.linspace(-1.5, 1.5, count) for count in self.counts]
        self.thresholds = nn.Parameter(torch.cat(even))

    def forward(self, given: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Latents (batch, scales), and for each scale logits (batch, steps)."""
        latents = self.latents(given).float()
        own = self.thresholds.float().split(self.counts)
        return latents, [latents[:, n, None] - steps for n, steps in enumerate(own)]


class Topic(nn.Module):  # type: ignore[misc]  # torch is not followed
    """How well a reply fits what it replies to: the cosine of a vector of each.

    Both are linear images of the encoder's pooled states, learned so that of many replies the one
    that was given is the nearest (Henderson et al. 2017: Efficient natural language response
    suggestion for Smart Reply, arXiv:1705.00652). ``mix`` turns the head's latent of relevance and
    the cosine into one latent.

    Args:
        inputs: the width of what is read, of all layers.
        layers: how many layers stand side by side in it; each is brought to length 1.
        width: of the vectors.
    """

    def __init__(self, inputs: int, layers: int, width: int) -> None:
        super().__init__()
        self.layers = layers
        self.centre = nn.Parameter(torch.zeros(inputs))
        self.context = nn.Linear(inputs, width, bias=False)
        self.reply = nn.Linear(inputs, width, bias=False)
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0, 0.0]))

    def forward(self, context: Tensor, reply: Tensor) -> Tensor:
        """The cosines, shape (batch,), in [-1, 1], of rows of shape (batch, inputs)."""
        return (self.of_contexts(context) * self.of_replies(reply)).sum(-1)

    def of_contexts(self, pooled: Tensor) -> Tensor:
        """Vectors of length 1 of contexts, shape (batch, width)."""
        return functional.normalize(self.context(self._levelled(pooled)), dim=-1)

    def of_replies(self, pooled: Tensor) -> Tensor:
        """Vectors of length 1 of replies, shape (batch, width)."""
        return functional.normalize(self.reply(self._levelled(pooled)), dim=-1)

    def mixed(self, latent: Tensor, match: Tensor) -> Tensor:
        """The latent of relevance, shape (batch,), out of the head's and the cosine."""
        return self.mix[0] * latent + self.mix[1] * match + self.mix[2]

    def _levelled(self, pooled: Tensor) -> Tensor:
        apart = (pooled.float() - self.centre).unflatten(-1, (self.layers, -1))
        return functional.normalize(apart, dim=-1).flatten(-2)
