"""The teacher's hyper-parameters, from TOML and ``--set``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from empeval_training import settings
from empeval_training.settings import Limits, build, read_tables

CONFIGS = Path(__file__).parent / "configs"


class TeacherRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a teacher beyond the data and the seed.

    Attributes:
        encoder: a hub id, a folder, or ``packaged:NAME``.
        frozen_layers: so many lower layers (and the embeddings) do not train; their states are
            computed once.
        max_length: the most tokens of context and reply; the reply is kept whole, the context
            keeps its end.
        batch_size: groups of replies to one dialogue a step; gradient_accumulation: such steps.
        learning_rate, weight_decay, warmup: AdamW with linear decay after a warm-up over this
            share of the steps.
        dropout: before the heads.
        epochs: it may be a fraction.
        counterfactuals: what the losses of counterfactuals are multiplied with.
        mechanism_repeats: how often EPITOME's replies, the fewest, come in an epoch.
        free_turns: turns of EmpatheticDialogues that nobody rated; each comes with two
            strangers' replies and another counterfactual.
        evaluations: how often the training is saved.
        patience: not used without a metric.
        precision: ``auto`` is bf16 where the GPU has it, fp32 on a CPU.
    """

    encoder: str = "packaged:all-mpnet-base-v2"
    frozen_layers: int = 6
    max_length: int = 192
    batch_size: int = 8
    gradient_accumulation: int = 1
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup: float = 0.06
    dropout: float = 0.1
    epochs: float = 2
    counterfactuals: float = 1.0
    mechanism_repeats: int = 1
    free_turns: int = 2000
    evaluations: int = 8
    patience: int = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


LIMITS = Limits(
    ranges={
        "max_length": (40, math.inf),
        "frozen_layers": (0, math.inf),
        "batch_size": (1, math.inf),
        "gradient_accumulation": (1, math.inf),
        "evaluations": (1, math.inf),
        "free_turns": (0, math.inf),
        "counterfactuals": (0, math.inf),
        "mechanism_repeats": (1, math.inf),
        "weight_decay": (0, math.inf),
        "warmup": (0, 1),
        "dropout": (0, 0.99),
    },
    above_zero=("learning_rate", "epochs"),
)


def load_teacher_recipe(config: str | None, changes: Mapping[str, str]) -> TeacherRecipe:
    """The recipe: ``default``, ``cpu``, or a TOML file with a table ``[teacher]``.

    Raises:
        UsageError: no such file, a field that does not exist, or a value that makes no sense.
    """
    name = config or "default"
    tables = read_tables(name, ("teacher",), CONFIGS)
    fields: dict[str, Any] = tables.get("teacher", {})
    recipe = build(TeacherRecipe, fields, name, LIMITS)
    return settings.change(recipe, changes, "--set", LIMITS)
