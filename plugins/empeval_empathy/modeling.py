"""The networks: an encoder with two heads (Baseline, STM) and the two-view cascade (MVC).

A view is a row of tokens: the context alone, or the context and the reply. Baseline and STM see
one view (context and reply). MVC sees both: the emotion is read from each, and the empathy score
is predicted from the full view conditioned on both emotion logits.

What the empathy head gives is a latent for each scale that people rated, EPITOME's mechanisms among
them; the score is made of these (``scales.Overall``). Checkpoints from before have a regression of
the score in its place.

Whether a reply is one to this dialogue is also read from a third view, the reply alone, held
against the context alone (``heads.Topic``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from empeval.toolkit import mean_pool
from empeval_empathy.config import EmpathyConfig
from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.heads import OrdinalHead, Topic, head, overall, to_levels, to_scale
from empeval_empathy.scales import LABEL, RELEVANCE, Overall


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
        latents: shape (batch, scales), where the model has scales.
        match: shape (batch,), in [-1, 1], where a reply was held against its context.
        relevance: shape (batch,), in [0, 1], the probability that it is one to it, there too.
    """

    loss: Tensor | None = None
    empathy: Tensor | None = None
    emotion_logits: Tensor | None = None
    full_emotion_logits: Tensor | None = None
    mechanisms: Tensor | None = None
    latents: Tensor | None = None
    match: Tensor | None = None
    relevance: Tensor | None = None


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
        self.ratings_weight = 1.0
        self.emotion_weights: Tensor | None = None

    def heads(
        self,
        seen: Tensor,
        whole: Tensor,
        emotion_labels: Tensor | None = None,
        rating_labels: Tensor | None = None,
        match: Tensor | None = None,
    ) -> EmpathyOutput:
        """The heads' output from pooled views of context and full dialogue, (batch, hidden).

        Raises:
            NotImplementedError: the base class has no heads.
        """
        raise NotImplementedError

    def make_rating_heads(self, given: int) -> None:
        """Add what ``rate`` reads, on so many inputs."""
        hidden = self.encoder.config.hidden_size // 2
        if not self.config.scales:
            self.empathy = head(given, 1, hidden)
            if self.config.mechanisms:
                self.mechanisms = head(given, len(MECHANISMS), hidden)
            return
        steps = [scale["high"] - scale["low"] for scale in self.config.scales]
        self.scales = OrdinalHead(given, steps)
        self.make_topic()

    def make_topic(self) -> None:
        """Add what holds a reply against its context, where the configuration has it."""
        topic = self.config.topic
        if topic is not None:
            width = len(topic["layers"]) * self.encoder.config.hidden_size
            self.topic = Topic(width, len(topic["layers"]), topic["width"])

    def rate(self, given: Tensor, match: Tensor | None = None) -> dict[str, Any]:
        """What the rating heads give, as fields of ``EmpathyOutput``.

        Args:
            given: what the heads see, shape (batch, width).
            match: what ``Topic`` says, shape (batch,); without it relevance is the head's alone.
        """
        if not self.config.scales:
            levels = to_levels(self.mechanisms(given)) if self.config.mechanisms else None
            return {"empathy": to_scale(self.empathy(given)), "mechanisms": levels}
        latents, steps = self.scales(given)
        if match is not None:
            latents = self._matched(latents, match)
        expected: dict[str, Tensor] = {
            scale["name"]: scale["low"] + torch.sigmoid(own).sum(-1)
            for scale, own in zip(self.config.scales, steps, strict=True)
        }
        by_name = dict(zip(expected, latents.unbind(-1), strict=True))
        empathy, relevance = expected[LABEL], None
        if self.config.overall is not None:
            made = Overall.read(self.config.overall)
            empathy = overall(by_name, made)
            if match is not None:
                relevance = torch.sigmoid(by_name[RELEVANCE] - made.unsure)
        return {
            "empathy": empathy,
            "mechanisms": torch.stack([expected[name] for name in MECHANISMS], dim=-1),
            "latents": latents,
            "match": match,
            "relevance": relevance,
            "steps": steps,
        }

    def _matched(self, latents: Tensor, match: Tensor) -> Tensor:
        names = [scale["name"] for scale in self.config.scales]
        own = torch.arange(len(names), device=latents.device) == names.index(RELEVANCE)
        relevance = self.topic.mixed(latents[:, own].squeeze(-1), match)
        return torch.where(own, relevance[:, None], latents)

    def match(
        self, context: dict[str, Tensor] | None, reply: dict[str, Tensor] | None
    ) -> Tensor | None:
        """How well replies fit their contexts, shape (batch,), in [-1, 1]; see ``Topic``.

        Args:
            context: rows of tokens of contexts alone.
            reply: rows of replies alone; without them there is no match.
        """
        if context is None or reply is None or self.config.topic is None:
            return None
        match: Tensor = self.topic(self.pool_layers(context), self.pool_layers(reply))
        return match

    def pool_layers(self, rows: dict[str, Tensor]) -> Tensor:
        """What ``Topic`` reads of views, shape (batch, layers * hidden)."""
        states = self.encoder(**rows, output_hidden_states=True).hidden_states
        chosen = [states[layer] for layer in self.config.topic["layers"]]
        return torch.cat([self._pooled(one, rows["attention_mask"]) for one in chosen], dim=-1)

    def combine(
        self, emotion: Tensor, steps: Sequence[Tensor] | None, rating_labels: Tensor | None
    ) -> Tensor:
        """The loss: lambda_emo times the emotion's, plus the ordinal losses of the scales.

        A scale's loss is the binary cross-entropy of each of its steps, summed over steps and
        over the rows that have a rating of it, divided by the rows of the batch. A rating between
        two steps is the chance that it would be rounded up. With ``ratings_weight`` 0 (STM's
        first stage) the emotion is trained alone.

        Args:
            emotion: the emotion's loss, scalar.
            steps: a scale each, shape (batch, steps): the logits of a rating above each step.
            rating_labels: shape (batch, scales); NaN where nobody rated.
        """
        if not self.ratings_weight or steps is None or rating_labels is None:
            return emotion
        loss = self.config.lambda_emo * emotion
        for number, (scale, logits) in enumerate(zip(self.config.scales, steps, strict=True)):
            rated = ~rating_labels[:, number].isnan()
            lows = torch.arange(scale["low"], scale["high"], device=logits.device)
            above = (rating_labels[rated, number, None] - lows).clamp(0, 1).to(logits.dtype)
            missed = functional.binary_cross_entropy_with_logits(
                logits[rated], above, reduction="sum"
            )
            loss = loss + self.ratings_weight * scale["weight"] * missed / len(logits)
        return loss

    def emotion_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy summed over the rows that have an emotion, divided by all rows.

        One row with an emotion among many without weighs no more than it would among its like.
        """
        weights = self.emotion_weights
        if weights is not None:
            weights = weights.to(logits.device)
        loss = functional.cross_entropy(logits, labels, weights, reduction="sum", ignore_index=-100)
        return loss / len(labels)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def pool(self, rows: dict[str, Tensor]) -> Tensor:
        """Encode views and pool each to one vector, shape (batch, hidden)."""
        return self._pooled(self.encoder(**rows).last_hidden_state, rows["attention_mask"])

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        return states[:, 0] if self.config.pooling == "cls" else mean_pool(states, mask)


class SharedModel(EmpathyModel):
    """Baseline and STM: the pooled view of context and reply feeds both heads."""

    architecture = "shared"

    def __init__(self, config: EmpathyConfig) -> None:
        super().__init__(config)
        width = self.encoder.config.hidden_size
        self.emotion = head(width, config.num_labels)
        self.make_rating_heads(width)
        self.post_init()

    def forward(
        self,
        full: dict[str, Tensor],
        context: dict[str, Tensor] | None = None,
        emotion_labels: Tensor | None = None,
        rating_labels: Tensor | None = None,
        reply: dict[str, Tensor] | None = None,
        **_: Any,
    ) -> EmpathyOutput:
        """Score a batch of dialogues.

        Args:
            full: ``input_ids`` and ``attention_mask`` (and ``token_type_ids``) of context and
                reply, each of shape (batch, tokens).
            context: the same of contexts alone; looked at with ``reply`` only.
            reply: the same of replies alone, for relevance, where the model has a topic.
            emotion_labels: shape (batch,), class numbers; -100 leaves a row out.
            rating_labels: shape (batch, scales), each on its scale; NaN where nobody rated.
        """
        pooled = self.pool(full)
        match = self.match(context, reply)
        return self.heads(pooled, pooled, emotion_labels, rating_labels, match)

    def heads(
        self,
        seen: Tensor,
        whole: Tensor,
        emotion_labels: Tensor | None = None,
        rating_labels: Tensor | None = None,
        match: Tensor | None = None,
    ) -> EmpathyOutput:
        """Both heads, from the pooled full view ``whole``, shape (batch, hidden)."""
        pooled = self.dropout(whole)
        logits = self.emotion(pooled).float()
        rated = self.rate(pooled, match)
        steps, loss = rated.pop("steps", None), None
        if emotion_labels is not None:
            loss = self.combine(self.emotion_loss(logits, emotion_labels), steps, rating_labels)
        return EmpathyOutput(loss=loss, emotion_logits=logits, **rated)


class CascadeModel(EmpathyModel):
    """MVC: emotion from both views, empathy from the full view given both emotions."""

    architecture = "cascade"

    def __init__(self, config: EmpathyConfig) -> None:
        super().__init__(config)
        width = self.encoder.config.hidden_size
        self.context_emotion = head(width, config.num_labels)
        self.full_emotion = head(width, config.num_labels)
        self.make_rating_heads(2 * width + 2 * config.num_labels)
        self.post_init()

    def forward(
        self,
        full: dict[str, Tensor],
        context: dict[str, Tensor],
        emotion_labels: Tensor | None = None,
        rating_labels: Tensor | None = None,
        reply: dict[str, Tensor] | None = None,
        **_: Any,
    ) -> EmpathyOutput:
        """Score a batch of dialogues; arguments as ``SharedModel``'s, ``context`` needed."""
        match = self.match(context, reply)
        seen, whole = self.pool(context), self.pool(full)
        return self.heads(seen, whole, emotion_labels, rating_labels, match)

    def heads(
        self,
        seen: Tensor,
        whole: Tensor,
        emotion_labels: Tensor | None = None,
        rating_labels: Tensor | None = None,
        match: Tensor | None = None,
    ) -> EmpathyOutput:
        """The heads, from the pooled context view and the pooled full view, (batch, hidden)."""
        seen, whole = self.dropout(seen), self.dropout(whole)
        context_logits = self.context_emotion(seen).float()
        full_logits = self.full_emotion(whole).float()
        given = torch.cat(
            [whole, seen, context_logits.to(whole.dtype), full_logits.to(whole.dtype)], dim=-1
        )
        rated = self.rate(given, match)
        steps, loss = rated.pop("steps", None), None
        if emotion_labels is not None:
            emotion = self.emotion_loss(context_logits, emotion_labels)
            emotion = (emotion + self.emotion_loss(full_logits, emotion_labels)) / 2
            loss = self.combine(emotion, steps, rating_labels)
        return EmpathyOutput(
            loss=loss, emotion_logits=context_logits, full_emotion_logits=full_logits, **rated
        )


MODELS: dict[str, type[EmpathyModel]] = {
    model.architecture: model for model in (SharedModel, CascadeModel)
}
