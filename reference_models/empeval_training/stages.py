"""One stage of training on transformers' Trainer: evaluated, saved, stopped early, resumable."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments
from transformers.trainer_utils import EvalPrediction, get_last_checkpoint

from empeval import EmpevalError, UsageError
from empeval.files import replacing
from empeval_training.data import NO_EMOTION, Collator, Labelled
from empeval_training.networks import trainable_state
from empeval_training.progress import bar, say, show_steps, watched

BOTH_STAGE, PEOPLE_STAGE = "both", "people"
"""The stage of emotions and scales together, and the last one, of what people rated."""


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


class EpochSampler(Sampler[int]):  # type: ignore[misc]  # torch is not followed
    """Batches of rows of like length, in an order that the seed and the epoch decide.

    Rows are drawn in pools of ``POOL`` batches, sorted by length within a pool and cut into
    batches, and the batches are shuffled: in the order of their lengths every pool would end with
    the shortest rows, which are all of one data set. Training that goes on in its third epoch
    meets the order that it would have met had it never been interrupted.

    Args:
        lengths: of the rows, in tokens.
        batch: rows a batch.
        seed: of the order.
    """

    POOL = 50

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed = lengths, batch, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        dice = random.Random(f"{self._seed} {self._epoch}")  # noqa: S311 - no secret
        rows = list(range(len(self._lengths)))
        dice.shuffle(rows)
        size = self._batch * self.POOL
        batches = []
        for start in range(0, len(rows), size):
            pool = sorted(rows[start : start + size], key=self._lengths.__getitem__)
            batches += [pool[i : i + self._batch] for i in range(0, len(pool), self._batch)]
        whole = [batch for batch in batches if len(batch) == self._batch]
        dice.shuffle(whole)
        rest = [row for batch in batches if len(batch) < self._batch for row in batch]
        yield from (row for batch in whole for row in batch)
        yield from rest


class LengthTrainer(Trainer):  # type: ignore[misc]
    """The Trainer with batches of rows of like length, whose lengths our data sets know."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return EpochSampler(dataset.lengths, step, self.args.seed)


class Steps(Protocol):
    """What a stage asks of a recipe, the models' or the teacher's."""

    @property
    def batch_size(self) -> int:
        """Examples a step."""

    @property
    def gradient_accumulation(self) -> int:
        """Such steps before the weights change."""

    @property
    def learning_rate(self) -> float:
        """The highest one."""

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""

    @property
    def warmup(self) -> float:
        """The share of the steps in which the rate rises."""

    @property
    def evaluations(self) -> int:
        """How often a stage is saved and looked at."""

    @property
    def patience(self) -> int:
        """So many looks without a gain end a stage."""

    @property
    def precision(self) -> str:
        """``auto``, ``fp32``, ``bf16`` or ``fp16``."""


def stage_weights(out: Path, name: str) -> Path:
    """Where a run's folder has the weights that a stage ended with."""
    return out / "stages" / f"{name}.safetensors"


def stage_is_done(out: Path, name: str) -> bool:
    """Whether a run's folder holds the weights that a stage ended with."""
    return stage_weights(out, name).is_file()


def run_stage(
    stage: Stage,
    recipe: Steps,
    network: Any,
    training: Any,
    validation: Labelled | None,
    collator: Any,
    out: Path,
    seed: int,
) -> None:
    """Train ``network`` in place; a finished stage is loaded, an interrupted one resumed.

    The Trainer's checkpoints are removed once the stage's weights are saved in
    ``stages/NAME.safetensors``.

    Args:
        stage: what to train, how long, and what to watch.
        recipe: the hyper-parameters.
        network: what trains; its ``forward`` returns a loss.
        training: a data set with ``lengths`` (tokens of each row).
        validation: what ``stage.metric`` is measured on; ``None`` with no metric.
        collator: of both.
        out: the run's folder.
        seed: of order and dropout.

    Raises:
        UsageError: the weights of the finished stage cannot be read.
        EmpevalError: the loss is no number any more.
    """
    folder = out / "stages" / stage.name
    done = stage_weights(out, stage.name)
    if done.is_file():
        restore(network, done)
        shutil.rmtree(folder, ignore_errors=True)
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
    # Our losses are means over the batch: without this the Trainer, seeing that ``forward`` takes
    # any keyword, would add the batches of a step up instead of averaging them.
    trainer.model_accepts_loss_kwargs = False
    show_steps(trainer)
    ended = trainer.train(resume_from_checkpoint=latest_checkpoint(folder))
    state = trainable_state(network)
    if not all(weight.isfinite().all() for weight in state.values()):
        raise EmpevalError(
            f"{out}, stage {stage.name}: the weights are no numbers any more. Train with a lower "
            "learning_rate or another precision, into another folder."
        )
    save_weights(state, done)
    shutil.rmtree(folder, ignore_errors=True)
    say(f"{out.name}: {_summary(stage, trainer.state, ended.training_loss)}")


def restore(network: Any, done: Path) -> None:
    """Load the weights that a stage ended with.

    Raises:
        UsageError: they cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(done), strict=False)
        network.to("cuda" if torch.cuda.is_available() else "cpu")  # as after training
    except (SafetensorError, OSError, RuntimeError) as error:
        raise UsageError(f"{done} cannot be used ({error}); remove it to train anew.") from error


def save_weights(state: dict[str, torch.Tensor], done: Path) -> None:
    """Keep the weights that a stage ended with; whole or not at all."""
    from safetensors.torch import save_file

    with replacing(done) as part:
        save_file(state, part)


def latest_checkpoint(folder: Path) -> str | None:
    """The latest whole checkpoint in a stage's folder; cut-off later ones are removed.

    The Trainer writes ``trainer_state.json`` last.
    """
    while folder.is_dir() and (latest := get_last_checkpoint(str(folder))):
        try:
            json.loads((Path(latest) / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            shutil.rmtree(latest)
        else:
            return str(latest)
    return None


def _summary(stage: Stage, state: Any, loss: float) -> str:
    said = f"stage {stage.name}, {state.global_step} steps"
    best = state.best_global_step
    for entry in state.log_history:
        if best and entry["step"] == best and "eval_emotion_accuracy" in entry:
            accuracy = entry["eval_emotion_accuracy"]
            return f"{said}; validation at step {best}: emotion accuracy {accuracy:.4f}"
    return f"{said}; training loss {loss:.4f}"


def _arguments(
    stage: Stage, recipe: Steps, folder: Path, examples: int, seed: int
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
            "greater_is_better": True,
            "label_names": ["emotion_labels", "rating_labels"],
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
        dataloader_num_workers=2 if torch.cuda.is_available() else 0,
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=not watched(),
        **precision(recipe.precision),
        **watch,
    )


def precision(wanted: str) -> dict[str, bool]:
    """The Trainer's switches for a recipe's precision on this machine."""
    if wanted == "auto":
        if not torch.cuda.is_available():
            wanted = "fp32"
        else:
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return {"bf16": wanted == "bf16", "fp16": wanted == "fp16"}


def device_name(device: torch.device) -> str:
    """What a device is called in documents: the GPU's name, or ``the CPU``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"


def validation_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Emotion accuracy on the validation split."""
    _, logits, *_ = prediction.predictions
    emotion, _ = prediction.label_ids
    known = emotion != NO_EMOTION
    return {"emotion_accuracy": float((logits.argmax(-1) == emotion)[known].mean())}


def predict(model: Any, data: Labelled, collator: Collator) -> dict[str, np.ndarray]:
    """Empathy and emotion numbers for every row, in order.

    Returns:
        ``empathy`` (rows,), ``emotion`` (rows,), ``mechanisms`` (rows, 3), ``latents``
        (rows, scales), for MVC ``full_emotion`` (rows,), and ``match`` (rows,) where the model
        has a topic and the batches hold replies alone.
    """
    model.eval()
    order = np.argsort(data.lengths, kind="stable")
    loader = DataLoader([data[int(i)] for i in order], batch_size=64, collate_fn=collator)
    parts: dict[str, list[np.ndarray]] = {
        name: []
        for name in ("empathy", "emotion", "full_emotion", "mechanisms", "latents", "match")
    }
    with torch.inference_mode():
        for batch in bar(loader, "test replies, batches"):
            moved = {
                name: {k: v.to(model.device) for k, v in value.items()}
                for name, value in batch.items()
                if isinstance(value, dict)
            }
            output = model(**moved)
            parts["empathy"].append(output.empathy.cpu().numpy())
            parts["emotion"].append(output.emotion_logits.argmax(-1).cpu().numpy())
            if output.mechanisms is not None:
                parts["mechanisms"].append(output.mechanisms.cpu().numpy())
            if output.latents is not None:
                parts["latents"].append(output.latents.cpu().numpy())
            if output.match is not None:
                parts["match"].append(output.match.cpu().numpy())
            if output.full_emotion_logits is not None:
                parts["full_emotion"].append(output.full_emotion_logits.argmax(-1).cpu().numpy())
    back = np.argsort(order, kind="stable")
    return {name: np.concatenate(rows)[back] for name, rows in parts.items() if rows}
