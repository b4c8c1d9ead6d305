"""What a training run is made of: model, encoder, hyper-parameters; from TOML and ``--set``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from empeval_training import settings
from empeval_training.settings import Limits, build, read_tables

ModelName = Literal["baseline", "stm", "mvc"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
ARCHITECTURE = {"baseline": "shared", "stm": "shared", "mvc": "cascade"}


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a checkpoint beyond the data and the seed.

    Attributes:
        model: ``baseline``, ``stm`` or ``mvc``.
        encoder: a hub id, a folder, or ``packaged:NAME``.
        pooling: ``cls`` or ``mean``.
        method: ``full`` trains every weight, ``lora`` low-rank adapters of the encoder's linear
            layers (rank ``lora_rank``, alpha twice that) and the heads.
        frozen_layers: so many lower layers (and the embeddings) do not train; their states are
            computed once for all epochs, stages and seeds of a command.
        max_length: the most tokens of a view.
        batch_size, gradient_accumulation: examples a step is their product.
        learning_rate, weight_decay, warmup: AdamW with linear decay after a warm-up over this
            share of the steps.
        dropout: before each head.
        encoder_dropout: inside the encoder and its adapters; ``None`` is the encoder's own.
        epochs: of the stage that trains both tasks. It may be a fraction.
        probe_learning_rate: in that stage the heads train alone, at this rate, on an encoder that
            stays as it is (Kumar et al. 2022: Fine-tuning can distort pretrained features);
            ``None`` trains everything.
        emotion_epochs: of STM's first stage (emotion alone).
        people_epochs: of a last stage on what people rated of replies to EmpatheticDialogues and on
            EPITOME, and a share of the others; these rated replies are in no stage before it.
        topic_epochs: of what holds a reply against its context, learned last, with the encoder as
            it is then; 0 leaves relevance to its head alone.
        topic_width: of the vectors that are held against each other.
        pretrain_epochs: of MVC's pretraining on GoEmotions.
        pretrain_examples: at most so many GoEmotions comments (``None``: all).
        train_examples: at most so many training examples, drawn by the seed (``None``: all).
        variants_share: so many of the variants of replies that nobody rated are trained on, drawn
            by the seed.
        rated_repeats: how often a reply that people rated comes in an epoch of that stage; its
            variants come once.
        eval_examples: at most so many validation examples are looked at while training.
        lambda_emo: weight of the emotion loss beside those of the scales.
        class_weights: ``balanced`` weighs emotions by the inverse of their frequency.
        evaluations: how often a stage is saved, and STM's first is evaluated.
        patience: evaluations without improvement that end STM's first stage.
        precision: ``auto`` is bf16 where the GPU has it, fp16 on other GPUs, fp32 on a CPU.
    """

    model: ModelName
    encoder: str = "FacebookAI/roberta-base"
    pooling: Literal["cls", "mean"] = "cls"
    method: Literal["full", "lora"] = "full"
    lora_rank: int = 16
    frozen_layers: int = 0
    max_length: int = 256
    batch_size: int = 16
    gradient_accumulation: int = 1
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    warmup: float = 0.06
    dropout: float = 0.1
    encoder_dropout: float | None = None
    epochs: float = 5
    probe_learning_rate: float | None = None
    emotion_epochs: float = 0
    people_epochs: float = 0
    topic_epochs: float = 0
    topic_width: int = 256
    pretrain_epochs: float = 0
    pretrain_examples: int | None = None
    train_examples: int | None = None
    variants_share: float = 1.0
    rated_repeats: int = 1
    eval_examples: int | None = None
    lambda_emo: float = 0.1
    class_weights: Literal["none", "balanced"] = "balanced"
    evaluations: int = 5
    patience: int = 3
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


SMALLEST_VIEW = 40
"""Fewer tokens leave no room for a reply beside the context."""

LIMITS = Limits(
    ranges={
        "max_length": (SMALLEST_VIEW, math.inf),
        "lora_rank": (1, math.inf),
        "frozen_layers": (0, math.inf),
        "batch_size": (1, math.inf),
        "gradient_accumulation": (1, math.inf),
        "evaluations": (1, math.inf),
        "patience": (1, math.inf),
        "pretrain_examples": (1, math.inf),
        "train_examples": (1, math.inf),
        "eval_examples": (1, math.inf),
        "rated_repeats": (1, math.inf),
        "weight_decay": (0, math.inf),
        "emotion_epochs": (0, math.inf),
        "people_epochs": (0, math.inf),
        "topic_epochs": (0, math.inf),
        "topic_width": (1, math.inf),
        "pretrain_epochs": (0, math.inf),
        "lambda_emo": (0, math.inf),
        "warmup": (0, 1),
        "variants_share": (0, 1),
        "probe_learning_rate": (1e-9, math.inf),
        "dropout": (0, 0.99),
        "encoder_dropout": (0, 0.99),
    },
    above_zero=("learning_rate", "epochs"),
    fixed=("model",),
)


def load_recipe(model: ModelName, config: str | None, changes: Mapping[str, str]) -> Recipe:
    """The recipe of a model.

    Args:
        model: which of the three; its table in the file goes before ``[all]``.
        config: a TOML file, or the name of a configuration that comes with the package
            (``authors``, the default; ``minilm``; ``minilm-cpu``).
        changes: field -> text, from ``--set``.

    Raises:
        UsageError: no such file, a field that does not exist, or a value that makes no sense.
    """
    name = config or "authors"
    tables = read_tables(name, ("all", *MODELS))
    fields: dict[str, Any] = {**tables.get("all", {}), **tables.get(model, {}), "model": model}
    return change(build(Recipe, fields, name, LIMITS), changes)


def change(recipe: Recipe, changes: Mapping[str, str], option: str = "--set") -> Recipe:
    """The recipe with fields changed by text.

    Args:
        recipe: what to start from.
        changes: field -> text; ``none`` stands for no limit where a field may have none.
        option: what the errors call the place that the changes are from.

    Raises:
        UsageError: a field that does not exist, or a value that makes no sense.
    """
    return settings.change(recipe, changes, option, LIMITS)
