"""What decides the adapters and heads of the EQ pipeline; from TOML and ``--set``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from empeval import UsageError
from empeval_training.settings import Limits, build, change, read_tables

BASE = "packaged:smollm2-135m-instruct"
CONFIGS = Path(__file__).parent / "configs"
Step = Literal["sft", "dpo"]
Backend = Literal["auto", "trl", "unsloth"]


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hyper-parameters of SFT and DPO: low-rank adapters on a base model.

    Attributes:
        base: a hub id, a folder, or ``packaged:NAME``.
        backend: ``unsloth`` where it is installed and a GPU is there, with ``auto``; else ``trl``.
        quantize: ``4bit`` loads the base through bitsandbytes; ``auto`` does where that and a GPU
            are there and the base has a billion weights or more.
        lora_rank, lora_alpha, lora_dropout: of the adapters in every linear layer.
        max_length: tokens of an example; a longer one loses its earliest turns.
        batch_size, gradient_accumulation: examples a step are their product.
        learning_rate, weight_decay, warmup: AdamW with linear decay after a warm-up over this
            share of the steps.
        epochs: it may be a fraction.
        train_examples, eval_examples: at most so many, drawn by the seed (``None``: all).
        evaluations: how often it is evaluated and saved.
        beta: of DPO: how dear it is to leave the reference model.
        gradient_checkpointing: compute activations twice to save memory.
        precision: ``auto`` is bf16 where the GPU has it, fp16 on other GPUs, fp32 on a CPU.
    """

    base: str = BASE
    backend: Backend = "auto"
    quantize: Literal["auto", "none", "4bit"] = "auto"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    max_length: int = 512
    batch_size: int = 4
    gradient_accumulation: int = 4
    learning_rate: float = 2e-4
    weight_decay: float = 0.0
    warmup: float = 0.05
    epochs: float = 1.0
    train_examples: int | None = None
    eval_examples: int | None = None
    evaluations: int = 4
    beta: float = 0.1
    gradient_checkpointing: bool = True
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hyper-parameters of the heads.

    Attributes:
        base: the frozen model whose embeddings they read.
        layers: the layers whose states are tried, each alone and three side by side (see
            ``choose_layers``); what reads validation best is kept. Empty is every fifteenth of the
            base's depth from 4/15 to 12/15, and the last. As text: ``12+16+20``.
        trial_examples: training passages that the layers are tried on; all of them are then
            embedded at the kept layers alone.
        pooling: ``mean`` over a text's tokens, or the ``last`` one.
        max_length: the most tokens that are embedded.
        precision: of the embedding; ``auto`` is bf16 where the hardware multiplies in it. The
            scorers embed in fp32.
        standardize: centre and scale embeddings by the training set's.
        hidden, dropout: of the inner layer.
        members: heads of different seeds that are averaged into one, ``members * hidden`` wide.
        learning_rate, weight_decay, batch_size: AdamW.
        epochs: at most so many.
        patience: epochs without a better macro-F1 on validation that end training.
        emotion_examples, strategy_examples: at most so many training examples (``None``: all).
        balance: how far rare classes are weighted up: 0 not at all, 1 by inverse frequency.
    """

    base: str = BASE
    layers: tuple[int, ...] = ()
    trial_examples: int = 3000
    pooling: Literal["mean", "last"] = "mean"
    max_length: int = 128
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    standardize: bool = True
    hidden: int = 256
    dropout: float = 0.3
    members: int = 3
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch_size: int = 512
    epochs: int = 40
    patience: int = 5
    emotion_examples: int | None = None
    strategy_examples: int | None = None
    balance: float = 0.5


_COUNTS = {
    "max_length": (32, math.inf),
    "batch_size": (1, math.inf),
    "train_examples": (1, math.inf),
    "eval_examples": (1, math.inf),
}
TUNING_LIMITS = Limits(
    ranges={
        **_COUNTS,
        "lora_rank": (1, math.inf),
        "lora_alpha": (1, math.inf),
        "lora_dropout": (0, 0.99),
        "gradient_accumulation": (1, math.inf),
        "evaluations": (1, math.inf),
        "weight_decay": (0, math.inf),
        "warmup": (0, 1),
    },
    above_zero=("learning_rate", "epochs", "beta"),
)
READING_LIMITS = Limits(
    ranges={
        "max_length": (8, math.inf),
        "batch_size": (1, math.inf),
        "hidden": (1, math.inf),
        "epochs": (1, math.inf),
        "patience": (1, math.inf),
        "members": (1, 16),
        "trial_examples": (2, math.inf),
        "emotion_examples": (1, math.inf),
        "strategy_examples": (1, math.inf),
        "weight_decay": (0, math.inf),
        "dropout": (0, 0.99),
        "balance": (0, 1),
    },
    above_zero=("learning_rate",),
)


def load_tuning(step: Step, config: str | None, changes: Mapping[str, str]) -> Tuning:
    """The recipe of SFT or DPO.

    Args:
        step: whose table of the file counts.
        config: a TOML file, or ``default`` or ``cpu``.
        changes: field -> text, from ``--set``.

    Raises:
        UsageError: no such file, a field that does not exist, or a value that makes no sense.
    """
    name = config or "default"
    recipe = build(Tuning, _table(name, step), name, TUNING_LIMITS)
    return change(recipe, changes, "--set", TUNING_LIMITS)


def load_reading(config: str | None, changes: Mapping[str, str]) -> Reading:
    """The recipe of the heads; arguments and errors as ``load_tuning``'s."""
    name = config or "default"
    recipe = build(Reading, _table(name, "heads"), name, READING_LIMITS)
    layers = changes.get("layers")
    if layers is None:
        return change(recipe, changes, "--set", READING_LIMITS)
    numbers = [part.strip() for part in layers.split("+") if part.strip()]
    if not all(part.isdecimal() for part in numbers):
        raise UsageError(f"--set: layers is {layers!r}; write numbers such as 12+16+20.")
    recipe = msgspec.structs.replace(recipe, layers=tuple(int(part) for part in numbers))
    rest = {field: text for field, text in changes.items() if field != "layers"}
    return change(recipe, rest, "--set", READING_LIMITS)


def _table(name: str, step: str) -> dict[str, Any]:
    return read_tables(name, ("sft", "dpo", "heads"), CONFIGS).get(step, {})


def named(layers: Sequence[int]) -> str:
    """Layers whose states stand side by side, as text: ``8+16+24``."""
    return "+".join(map(str, layers))
