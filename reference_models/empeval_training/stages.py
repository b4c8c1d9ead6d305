"""One stage of training on transformers' Trainer: evaluated, saved, stopped early, resumable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import EvalPrediction, get_last_checkpoint

from empeval_training.data import NO_EMOTION, Collator, Labelled
from empeval_training.networks import trainable_state
from empeval_training.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """A stage of a recipe.

    Attributes:
        name: also of its folder.
        epochs: how long, at most.
        metric: of the validation split, by which the best checkpoint is kept and training ends
            early; ``None`` keeps the last and looks at nothing.
    """

    name: str
    epochs: float
    metric: str | None


class LengthTrainer(Trainer):  # type: ignore[misc]
    """The Trainer with batches of rows of like length, whose lengths our data sets know."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return LengthGroupedSampler(
            self.args.train_batch_size * self.args.gradient_accumulation_steps,
            lengths=dataset.lengths,
            generator=torch.Generator().manual_seed(self.args.seed),
        )


def run_stage(
    stage: Stage,
    recipe: Recipe,
    network: Any,
    training: Any,
    validation: Labelled | None,
    collator: Any,
    out: Path,
    seed: int,
) -> None:
    """Train ``network`` in place; a finished stage is loaded, an interrupted one resumed."""
    from safetensors.torch import load_file, save_file

    folder = out / "stages" / stage.name
    done = out / "stages" / f"{stage.name}.safetensors"
    if done.is_file():
        network.load_state_dict(load_file(done), strict=False)
        return
    trainer = LengthTrainer(
        model=network,
        args=_arguments(stage, recipe, folder, len(training), seed),
        train_dataset=training,
        eval_dataset=validation,
        data_collator=collator,
        compute_metrics=validation_metrics if stage.metric else None,
        callbacks=[EarlyStoppingCallback(recipe.patience)] if stage.metric else [],
    )
    latest = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    trainer.train(resume_from_checkpoint=latest)
    save_file(trainable_state(network), done)


def _arguments(
    stage: Stage, recipe: Recipe, folder: Path, examples: int, seed: int
) -> TrainingArguments:
    step = recipe.batch_size * recipe.gradient_accumulation
    total = max(1, math.ceil(stage.epochs * examples / step))
    every = max(1, total // recipe.evaluations)
    watch: dict[str, Any] = {"eval_strategy": "no"}
    if stage.metric:
        watch = {
            "eval_strategy": "steps",
            "eval_steps": every,
            "load_best_model_at_end": True,
            "metric_for_best_model": f"eval_{stage.metric}",
            "greater_is_better": stage.metric != "mae",
            "label_names": ["empathy_labels", "emotion_labels"],
        }
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=recipe.gradient_accumulation,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=int(recipe.warmup * total),
        max_steps=total,
        logging_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to=[],
        **precision(recipe),
        **watch,
    )


def precision(recipe: Recipe) -> dict[str, bool]:
    """The Trainer's switches for a recipe's precision on this machine."""
    wanted = recipe.precision
    if wanted == "auto":
        if not torch.cuda.is_available():
            wanted = "fp32"
        else:
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return {"bf16": wanted == "bf16", "fp16": wanted == "fp16"}


def validation_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """MAE and emotion accuracy on the validation split."""
    empathy, logits, *_ = prediction.predictions
    target, emotion = prediction.label_ids
    known = emotion != NO_EMOTION
    return {
        "mae": float(np.abs(empathy - target).mean()),
        "emotion_accuracy": float((logits.argmax(-1) == emotion)[known].mean()),
    }


def predict(
    model: Any, data: Labelled, collator: Collator, recipe: Recipe
) -> dict[str, np.ndarray]:
    """Empathy and emotion numbers for every row, in order.

    Returns:
        ``empathy`` (rows,), ``emotion`` (rows,), and for MVC ``full_emotion`` (rows,).
    """
    model.eval()
    order = np.argsort(data.lengths, kind="stable")
    loader = DataLoader([data[int(i)] for i in order], batch_size=64, collate_fn=collator)
    parts: dict[str, list[np.ndarray]] = {"empathy": [], "emotion": [], "full_emotion": []}
    with torch.inference_mode():
        for batch in loader:
            moved = {
                name: {k: v.to(model.device) for k, v in value.items()}
                for name, value in batch.items()
                if isinstance(value, dict)
            }
            output = model(**moved)
            parts["empathy"].append(output.empathy.cpu().numpy())
            parts["emotion"].append(output.emotion_logits.argmax(-1).cpu().numpy())
            if output.full_emotion_logits is not None:
                parts["full_emotion"].append(output.full_emotion_logits.argmax(-1).cpu().numpy())
    back = np.argsort(order, kind="stable")
    return {name: np.concatenate(rows)[back] for name, rows in parts.items() if rows}
