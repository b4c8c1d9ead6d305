"""What a training run is made of: model, encoder, hyper-parameters; from TOML and ``--set``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from empeval import UsageError

ModelName = Literal["baseline", "stm", "mvc"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
ARCHITECTURE = {"baseline": "shared", "stm": "shared", "mvc": "cascade"}
CONFIGS = Path(__file__).parent / "configs"


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a checkpoint beyond the data and the seed.

    Attributes:
        model: ``baseline``, ``stm`` or ``mvc``.
        encoder: a hub id, a folder, or ``packaged:NAME``.
        pooling: ``cls`` or ``mean``.
        method: ``full`` trains every weight, ``lora`` low-rank adapters of the encoder's linear
            layers (rank ``lora_rank``, alpha twice that) and the heads.
        max_length: the most tokens of a view.
        batch_size, gradient_accumulation: examples a step is their product.
        learning_rate, weight_decay, warmup: AdamW with linear decay after a warm-up over this
            share of the steps.
        dropout: before each head.
        encoder_dropout: inside the encoder and its adapters; ``None`` is the encoder's own.
        epochs: of the stage that trains both tasks. It may be a fraction.
        emotion_epochs: of STM's first stage (emotion alone).
        pretrain_epochs: of MVC's pretraining on GoEmotions.
        pretrain_examples: at most so many GoEmotions comments (``None``: all).
        train_examples: at most so many training examples, drawn by the seed (``None``: all).
        eval_examples: at most so many validation examples are looked at while training.
        lambda_emo: weight of the emotion loss.
        class_weights: ``balanced`` weighs emotions by the inverse of their frequency.
        evaluations: how often a stage is evaluated (and saved).
        patience: evaluations without improvement that end a stage.
        precision: ``auto`` is bf16 where the GPU has it, fp16 on other GPUs, fp32 on a CPU.
    """

    model: ModelName
    encoder: str = "FacebookAI/roberta-base"
    pooling: Literal["cls", "mean"] = "cls"
    method: Literal["full", "lora"] = "full"
    lora_rank: int = 16
    max_length: int = 256
    batch_size: int = 16
    gradient_accumulation: int = 1
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    warmup: float = 0.06
    dropout: float = 0.1
    encoder_dropout: float | None = None
    epochs: float = 5
    emotion_epochs: float = 0
    pretrain_epochs: float = 0
    pretrain_examples: int | None = None
    train_examples: int | None = None
    eval_examples: int | None = None
    lambda_emo: float = 0.1
    class_weights: Literal["none", "balanced"] = "balanced"
    evaluations: int = 5
    patience: int = 3
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


SMALLEST_VIEW = 40
"""Fewer tokens leave no room for a reply beside the context."""

RANGES: dict[str, tuple[float, float]] = {
    "max_length": (SMALLEST_VIEW, math.inf),
    "lora_rank": (1, math.inf),
    "batch_size": (1, math.inf),
    "gradient_accumulation": (1, math.inf),
    "evaluations": (1, math.inf),
    "patience": (1, math.inf),
    "pretrain_examples": (1, math.inf),
    "train_examples": (1, math.inf),
    "eval_examples": (1, math.inf),
    "weight_decay": (0, math.inf),
    "emotion_epochs": (0, math.inf),
    "pretrain_epochs": (0, math.inf),
    "lambda_emo": (0, math.inf),
    "warmup": (0, 1),
    "dropout": (0, 0.99),
    "encoder_dropout": (0, 0.99),
}
"""The least and the most that a field may be."""

ABOVE_ZERO = ("learning_rate", "epochs")

MAY_BE_NONE = {field.name for field in msgspec.structs.fields(Recipe) if field.default is None}
"""The fields that may be ``none``."""


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
    path = Path(config or "authors")
    if not path.suffix:
        path = CONFIGS / f"{config or 'authors'}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
        raise UsageError(
            f"There is no configuration {config}. Give a TOML file, or one of: {known}."
        )
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    for name, table in tables.items():
        if name not in ("all", *MODELS) or not isinstance(table, dict):
            kind = "table" if isinstance(table, dict) else "entry outside a table,"
            raise UsageError(
                f"{path}: unknown {kind} '{name}'; it takes [all], [{'], ['.join(MODELS)}]."
            )
    fields: dict[str, Any] = {**tables.get("all", {}), **tables.get(model, {}), "model": model}
    return change(_checked(fields, str(path)), changes)


def change(recipe: Recipe, changes: Mapping[str, str], option: str = "--set") -> Recipe:
    """The recipe with fields changed by text.

    Args:
        recipe: what to start from.
        changes: field -> text; ``none`` stands for no limit where a field may have none.
        option: what the errors call the place that the changes are from.

    Raises:
        UsageError: a field that does not exist, or a value that makes no sense.
    """
    fields = msgspec.to_builtins(recipe)
    for name, text in changes.items():
        if name not in fields or name == "model":
            known = ", ".join(f for f in fields if f != "model")
            raise UsageError(f"{option}: a recipe has no field '{name}'; it has {known}.")
        fields[name] = None if text.lower() == "none" and name in MAY_BE_NONE else text
    return _checked(fields, option)


def _checked(fields: Mapping[str, Any], source: str) -> Recipe:
    try:
        recipe = msgspec.convert(fields, Recipe, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {_explained(error, fields)}.") from error
    for name, (low, high) in RANGES.items():
        value = getattr(recipe, name)
        if value is not None and not (low <= value <= high and math.isfinite(value)):
            limits = f"{low} or more" if high == math.inf else f"from {low} to {high}"
            raise UsageError(f"{source}: {name} is {value}; it must be {limits}.")
    for name in ABOVE_ZERO:
        value = getattr(recipe, name)
        if not (value > 0 and math.isfinite(value)):
            raise UsageError(f"{source}: {name} is {value}; it must be above 0.")
    return recipe


def _explained(error: msgspec.ValidationError, fields: Mapping[str, Any]) -> str:
    """The error with the field and what it was given, where it is about one field."""
    reason, _, place = str(error).partition(" - at `$.")
    name = place.rstrip("`")
    return f"{name} is {fields[name]!r} ({reason})" if name in fields else str(error)
