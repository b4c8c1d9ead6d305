"""The configuration of an empathy model, as it stands in a checkpoint's ``config.json``."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from empeval_empathy.scales import RELEVANCE, check_scales

LOW, HIGH = 1.0, 5.0
"""The range of the empathy score."""

SHORTEST = 8
"""The fewest tokens that a view may be limited to."""

ARCHITECTURES = ("shared", "cascade")

MOST = 2.0
"""The highest level of a mechanism."""


class EmpathyConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers has no types
    """What an empathy model is made of.

    Attributes:
        encoder: the configuration of the transformer encoder, as a dict with ``model_type``.
        encoder_name: where its pretrained weights come from: a hub id, or ``packaged:NAME``.
        architecture: ``shared`` (Baseline and STM: one view, two heads) or ``cascade`` (MVC: the
            context alone and the context with the reply).
        pooling: ``cls`` (the first token) or ``mean`` (over the tokens of the view).
        max_length: the most tokens of a view, special ones included; 8 or more.
        dropout: before each head, while training.
        lambda_emo: weight of the emotion loss beside the ratings' losses.
        scales: what people rated and the model predicts, each a dict with ``name``, ``low``,
            ``high`` (whole numbers) and ``weight`` of its loss.
        overall: how ``empathy`` is made of the scales: see ``scales.Overall``. Without it
            ``empathy`` is the expected value of the scale ``label``.
        topic: how a reply is held against what it replies to, for the scale ``relevance``:
            ``layers`` of the encoder (0 is its embeddings; its last one stands last) and ``width``
            of the vectors. See ``heads.Topic``. ``None``: it is not.
        mechanisms: of a checkpoint without scales, as they were before: whether it has outputs for
            EPITOME's mechanisms beside its regression of empathy.
        id2label: the emotions, by number.
    """

    model_type = "empeval-empathy"

    encoder: dict[str, Any] | None = None
    encoder_name: str = ""
    architecture: str = "shared"
    pooling: str = "cls"
    max_length: int = 256
    dropout: float = 0.1
    lambda_emo: float = 0.1
    scales: list[dict[str, Any]] | None = None
    overall: dict[str, Any] | None = None
    topic: dict[str, Any] | None = None
    mechanisms: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Check what a hand-edited file may get wrong.

        Raises:
            ValueError: an unknown architecture or pooling, views too short for anything, scales
                that are none, or a topic without a scale, layers or a width.
        """
        super().__post_init__(**kwargs)
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture {self.architecture!r} is none of {ARCHITECTURES}")
        if self.pooling not in ("cls", "mean"):
            raise ValueError(f"pooling {self.pooling!r} is neither 'cls' nor 'mean'")
        if not isinstance(self.max_length, int) or self.max_length < SHORTEST:
            raise ValueError(f"max_length {self.max_length!r} is no number from {SHORTEST} on")
        check_scales(self.scales or (), self.overall)
        if self.topic is not None:
            self._check_topic(self.topic)

    def _check_topic(self, topic: dict[str, Any]) -> None:
        layers, width = topic.get("layers"), topic.get("width")
        numbers = layers if isinstance(layers, list) else []
        whole = all(isinstance(n, int) and n >= 0 for n in (*numbers, width))
        if not (numbers and whole and width):
            raise ValueError(f"topic {topic!r} needs 'layers' and a 'width' of whole numbers")
        last = (self.encoder or {}).get("num_hidden_layers")
        if numbers[-1] != last or max(numbers) != last:
            raise ValueError(f"topic {topic!r} does not end with the encoder's layer {last}")
        if RELEVANCE not in [scale.get("name") for scale in self.scales or ()]:
            raise ValueError(f"a topic needs the scale {RELEVANCE!r}")

    def encoder_config(self) -> PreTrainedConfig:
        """The encoder's own configuration object.

        Raises:
            ValueError: there is none, or its type is unknown to transformers.
        """
        if not self.encoder:
            raise ValueError("the configuration names no encoder")
        fields = dict(self.encoder)
        return AutoConfig.for_model(fields.pop("model_type"), **fields)


AutoConfig.register(EmpathyConfig.model_type, EmpathyConfig, exist_ok=True)
