"""The networks: an encoder with two heads (Baseline, STM) and the two-view cascade (MVC).

A view is a row of tokens: the context alone, or the context and the reply. Baseline and STM see
one view (context and reply). MVC sees both: the emotion is read from each, and the empathy score
is predicted from the full view conditioned on both emotion logits. EPITOME's mechanisms hang
where the empathy score does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from empeval.toolkit import mean_pool
from empeval_empathy.config import HIGH, LOW, MOST, EmpathyConfig
from empeval_empathy.emotions import MECHANISMS


@dataclass
class EmpathyOutput(ModelOutput):  # type: ignore[misc]  # transformers has no types
    """What a forward pass gives.

    Attributes:
        loss: scalar, when labels were given.
        empathy: shape (batch,), in [1, 5].
        emotion_logits: shape (batch, emotions), of the model's main view of the emotion: the
            only view of Baseline and STM, the context alone for MVC.
        full_emotion_logits: shape (batch, emotions), MVC's view of context and reply.
        mechanisms: shape (batch, 3), each in [0, 2], where the model has them.
    """

    loss: Tensor | None = None
    empathy: Tensor | None = None
    emotion_logits: Tensor | None = None
    full_emotion_logits: Tensor | None = None
    mechanisms: Tensor | None = None


class EmpathyModel(PreTrainedModel):  # type: ignore[misc]  # transformers has no types
    """What the two architectures share: the encoder, pooling, the losses."""

    config_class = EmpathyConfig
    base_model_prefix = "empathy_model"
    architecture = ""

    def __init__(self, config: EmpathyConfig) -> None:
        super().__init__(config)
        if config.architecture != self.architecture:
            raise ValueError(
                f"{type(self).__name__} is no model for the architecture {config.architecture!r}"
            )
        self.encoder = AutoModel.from_config(config.encoder_config(), trust_remote_code=False)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # its weights are never used
        self.dropout = nn.Dropout(config.dropout)
        self.empathy_weight = 1.0
        self.emotion_weights: Tensor | None = None

    def heads(
        self,
        seen: Tensor,
        whole: Tensor,
        empathy_labels: Tensor | None = None,
        emotion_labels: Tensor | None = None,
        mechanism_labels: Tensor | None = None,
    ) -> EmpathyOutput:
        """The heads' output from pooled views of context and full dialogue, (batch, hidden).

        Raises:
            NotImplementedError: the base class has no heads.
        """
        raise NotImplementedError

    def combine(
        self,
        emotion: Tensor,
        empathy: Tensor,
        target: Tensor,
        mechanisms: Tensor | None = None,
        levels: Tensor | None = None,
    ) -> Tensor:
        """The loss: lambda_emo times the emotion's, plus the regression's Huber loss.

        The Huber loss has its corner at 0.5: squared where it is small, absolute beyond. With
        ``empathy_weight`` 0 (STM's first stage) the emotion is trained alone. The mechanisms add
        ``lambda_mechanisms`` times their mean squared error. Labels that are NaN count for nothing.
        """
        if not self.empathy_weight:
            return emotion
        rated = ~target.isnan()
        shown, wanted = empathy[rated], target[rated].to(empathy.dtype)
        regression = functional.smooth_l1_loss(shown, wanted, beta=0.5, reduction="sum")
        regression = regression / rated.sum().clamp(min=1)
        loss = self.config.lambda_emo * emotion + self.empathy_weight * regression
        if mechanisms is not None and levels is not None:
            rated = ~levels.isnan()
            shown, wanted = mechanisms[rated], levels[rated].to(mechanisms.dtype)
            squared = functional.mse_loss(shown, wanted, reduction="sum")
            squared = squared / rated.sum().clamp(min=1)
            loss = loss + self.config.lambda_mechanisms * squared
        return loss

    def emotion_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy over the rows that have an emotion; 0 where none has."""
        weights = self.emotion_weights
        if weights is not None:
            weights = weights.to(logits.device)
        loss = functional.cross_entropy(logits, labels, weights, reduction="sum", ignore_index=-100)
        return loss / (labels != -100).sum().clamp(min=1)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def pool(self, rows: dict[str, Tensor]) -> Tensor:
        """Encode views and pool each to one vector, shape (batch, hidden)."""
        states = self.encoder(**rows).last_hidden_state
        if self.config.pooling == "cls":
            return states[:, 0]
        return mean_pool(states, rows["attention_mask"])


def to_scale(raw: Tensor) -> Tensor:
    """Map an unbounded output into the range of the score, shape (batch, 1) -> (batch,)."""
    return LOW + (HIGH - LOW) * torch.sigmoid(raw.float()).squeeze(-1)


def to_levels(raw: Tensor) -> Tensor:
    """Map unbounded outputs into the range of the mechanisms, shape (batch, 3)."""
    return MOST * torch.sigmoid(raw.float())


def head(inputs: int, outputs: int, hidden: int | None = None) -> nn.Module:
    """A linear layer, or two with a GELU between."""
    if hidden is None:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


class SharedModel(EmpathyModel):
    """Baseline and STM: the pooled view of context and reply feeds both heads."""

    architecture = "shared"

    def __init__(self, config: EmpathyConfig) -> None:
        super().__init__(config)
        width = self.encoder.config.hidden_size
        self.emotion = head(width, config.num_labels)
        self.empathy = head(width, 1, width // 2)
        if config.mechanisms:
            self.mechanisms = head(width, len(MECHANISMS), width // 2)
        self.post_init()

    def forward(
        self,
        full: dict[str, Tensor],
        context: dict[str, Tensor] | None = None,
        empathy_labels: Tensor | None = None,
        emotion_labels: Tensor | None = None,
        mechanism_labels: Tensor | None = None,
        **_: Any,
    ) -> EmpathyOutput:
        """Score a batch of dialogues.

        Args:
            full: ``input_ids`` and ``attention_mask`` (and ``token_type_ids``) of context and
                reply, each of shape (batch, tokens).
            context: not looked at.
            empathy_labels: shape (batch,), in [1, 5].
            emotion_labels: shape (batch,), class numbers; -100 leaves a row out.
            mechanism_labels: shape (batch, 3), each in [0, 2].
        """
        pooled = self.pool(full)
        return self.heads(pooled, pooled, empathy_labels, emotion_labels, mechanism_labels)

    def heads(
        self,
        seen: Tensor,
        whole: Tensor,
        empathy_labels: Tensor | None = None,
        emotion_labels: Tensor | None = None,
        mechanism_labels: Tensor | None = None,
    ) -> EmpathyOutput:
        """Both heads, from the pooled full view ``whole``, shape (batch, hidden)."""
        pooled = self.dropout(whole)
        logits = self.emotion(pooled).float()
        empathy = to_scale(self.empathy(pooled))
        levels = to_levels(self.mechanisms(pooled)) if self.config.mechanisms else None
        loss = None
        if empathy_labels is not None and emotion_labels is not None:
            emotion = self.emotion_loss(logits, emotion_labels)
            loss = self.combine(emotion, empathy, empathy_labels, levels, mechanism_labels)
        return EmpathyOutput(loss=loss, empathy=empathy, mechanisms=levels, emotion_logits=logits)


class CascadeModel(EmpathyModel):
    """MVC: emotion from both views, empathy from the full view given both emotions."""

    architecture = "cascade"

    def __init__(self, config: EmpathyConfig) -> None:
        super().__init__(config)
        width = self.encoder.config.hidden_size
        self.context_emotion = head(width, config.num_labels)
        self.full_emotion = head(width, config.num_labels)
        given = 2 * width + 2 * config.num_labels
        self.empathy = head(given, 1, width // 2)
        if config.mechanisms:
            self.mechanisms = head(given, len(MECHANISMS), width // 2)
        self.post_init()

    def forward(
        self,
        full: dict[str, Tensor],
        context: dict[str, Tensor],
        empathy_labels: Tensor | None = None,
        emotion_labels: Tensor | None = None,
        mechanism_labels: Tensor | None = None,
        **_: Any,
    ) -> EmpathyOutput:
        """Score a batch of dialogues; arguments as ``SharedModel``'s, ``context`` needed."""
        return self.heads(
            self.pool(context), self.pool(full), empathy_labels, emotion_labels, mechanism_labels
        )

    def heads(
        self,
        seen: Tensor,
        whole: Tensor,
        empathy_labels: Tensor | None = None,
        emotion_labels: Tensor | None = None,
        mechanism_labels: Tensor | None = None,
    ) -> EmpathyOutput:
        """The heads, from the pooled context view and the pooled full view, (batch, hidden)."""
        seen, whole = self.dropout(seen), self.dropout(whole)
        context_logits = self.context_emotion(seen).float()
        full_logits = self.full_emotion(whole).float()
        given = torch.cat(
            [whole, seen, context_logits.to(whole.dtype), full_logits.to(whole.dtype)], dim=-1
        )
        empathy = to_scale(self.empathy(given))
        levels = to_levels(self.mechanisms(given)) if self.config.mechanisms else None
        loss = None
        if empathy_labels is not None and emotion_labels is not None:
            emotions = (
                self.emotion_loss(context_logits, emotion_labels),
                self.emotion_loss(full_logits, emotion_labels),
            )
            loss = self.combine(
                sum(emotions) / 2, empathy, empathy_labels, levels, mechanism_labels
            )
        return EmpathyOutput(
            loss=loss,
            empathy=empathy,
            mechanisms=levels,
            emotion_logits=context_logits,
            full_emotion_logits=full_logits,
        )


MODELS: dict[str, type[EmpathyModel]] = {
    model.architecture: model for model in (SharedModel, CascadeModel)
}
