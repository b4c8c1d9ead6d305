"""Recipes that train an encoder of a few thousand weights in a second."""

from __future__ import annotations

SMALL = {
    "max_length": "64",
    "batch_size": "8",
    "gradient_accumulation": "1",
    "epochs": "1",
    "learning_rate": "0.003",
    "evaluations": "2",
    "lora_rank": "2",
    "pretrain_epochs": "0",
}


def small_recipe(model, encoder, **changes):
    """The recipe of a model on an encoder in a folder; MVC without its pretraining."""
    from empeval_training.recipe import load_recipe

    stages = {"emotion_epochs": "1"} if model == "stm" else {}
    return load_recipe(model, "minilm", SMALL | stages | {"encoder": str(encoder)} | changes)
