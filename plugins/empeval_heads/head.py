"""The network of a head: ``LayerNorm -> Linear -> ReLU -> Linear``.

A head may standardize embeddings first, by the mean and the deviation of what it was trained on:
in the middle of a transformer a few directions are hundreds of times as long as the others, and
would decide alone what the norm leaves of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from empeval import UsageError
from empeval_heads.facts import HeadFacts, Kind, read_facts, read_tensors


class Head(nn.Module):  # type: ignore[misc]  # torch's types are not followed
    """Reads classes from pooled embeddings.

    Args:
        width: of the embeddings.
        hidden: of the inner layer.
        classes: how many.
        dropout: before the last layer, while training.
        standardized: whether embeddings are centred by ``center`` and multiplied by ``scale``
            first.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        classes: int,
        dropout: float = 0.0,
        *,
        standardized: bool = False,
    ) -> None:
        super().__init__()
        if standardized:
            self.register_buffer("center", torch.zeros(width))
            self.register_buffer("scale", torch.ones(width))
        self.standardized = standardized
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(hidden, classes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits, shape (batch, classes), of embeddings, shape (batch, width)."""
        if self.standardized:
            embeddings = (embeddings - self.center) * self.scale
        inner = torch.relu(self.inner(self.norm(embeddings)))
        logits: Tensor = self.outer(self.dropout(inner))
        return logits


def load_head(path: Path, kind: Kind) -> tuple[Head, HeadFacts]:
    """A head in evaluation mode on the CPU, and its facts.

    Raises:
        UsageError: the file holds no head of this kind, or weights that its facts do not fit.
    """
    facts = read_facts(path, kind)
    head = Head(facts.width, facts.hidden, len(facts.labels), standardized=facts.standardized)
    state = {name: weight.float() for name, weight in read_tensors(path).items()}
    try:
        head.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{path} does not hold the weights that its facts speak of: {reason}"
        ) from (error)
    return head.eval(), facts


def probabilities(head: Head, facts: HeadFacts, embeddings: np.ndarray) -> np.ndarray:
    """Probabilities of the classes, shape (rows, classes), of embeddings, shape (rows, width).

    A strategy head's sum to 1 in each row (softmax); an emotion head's are one probability a
    class (sigmoid).
    """
    with torch.inference_mode():
        logits = head(torch.from_numpy(np.ascontiguousarray(embeddings, dtype=np.float32)))
        result = logits.sigmoid() if facts.kind == "emotion" else logits.softmax(-1)
    array: np.ndarray = result.numpy()
    return array
