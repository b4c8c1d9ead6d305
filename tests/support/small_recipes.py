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


SMALL_TEACHER = {
    "frozen_layers": "1",
    "max_length": "64",
    "batch_size": "8",
    "learning_rate": "0.01",
    "epochs": "1",
    "free_turns": "20",
    "evaluations": "3",
}


def small_teacher(encoder, **changes):
    """The recipe of a teacher on an encoder in a folder."""
    from empeval_training.teacher.recipe import load_teacher_recipe

    return load_teacher_recipe(None, SMALL_TEACHER | {"encoder": str(encoder)} | changes)


def small_recipe(model, encoder, **changes):
    """The recipe of a model on an encoder in a folder; MVC without its pretraining."""
    from empeval_training.recipe import load_recipe

    stages = {"emotion_epochs": "1"} if model == "stm" else {}
    return load_recipe(model, "minilm", SMALL | stages | {"encoder": str(encoder)} | changes)
