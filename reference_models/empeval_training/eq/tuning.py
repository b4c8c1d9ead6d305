"""SFT and DPO: adapters on a base model, by TRL's trainers; resumable."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec

from empeval import EmpevalError, memory
from empeval_training.answers import QUESTION, RESULT, finished
from empeval_training.data import draw, make_folder, write_json
from empeval_training.eq.backend import Loaded, load
from empeval_training.eq.fitting import fit_chats, fit_pairs
from empeval_training.eq.prepare import Made, read_chats, read_made, read_split
from empeval_training.eq.recipes import Step, Tuning
from empeval_training.progress import quiet, say, show_steps, watched
from empeval_training.stages import latest_checkpoint, precision


def tune(
    step: Step, recipe: Tuning, data: Path, out: Path, *, adapter: Path | None, seed: int
) -> dict[str, Any]:
    """Train adapters and measure them on the validation rows, before and after.

    A finished run is left alone; an interrupted one goes on from its latest checkpoint.

    Args:
        step: ``sft`` or ``dpo``.
        recipe: base and hyper-parameters.
        data: what ``prepare-sft`` or ``prepare-dpo`` wrote.
        out: the folder of this run: ``adapter/`` (a PEFT folder with a model card), ``result.json``
            and, while it lasts, ``checkpoints/``.
        adapter: adapters to go on with (the SFT adapter, for DPO; it is also the reference).
        seed: of new adapters and of the order.

    Returns:
        What ``result.json`` holds.

    Raises:
        UsageError: the folder holds another run, or data, base or adapter cannot be used.
        EmpevalError: the base cannot be had, or training left the numbers.
    """
    made = read_made(data, step)
    question = {
        "step": step,
        "recipe": msgspec.to_builtins(recipe),
        "seed": seed,
        "data": made.fingerprint,
        "adapter": adapter_key(adapter),
    }
    before = finished(out, question)
    if before is not None:
        return before
    with quiet():
        return _tune(step, recipe, made, data, out, adapter, seed, question)


def adapter_key(adapter: Path | None) -> str | None:
    """Identifies an adapter by its files."""
    if adapter is None:
        return None
    from empeval.toolkit import fingerprint

    return fingerprint(adapter, ("adapter_config.json", "adapter_model.safetensors"))


def _tune(
    step: Step,
    recipe: Tuning,
    made: Made,
    data: Path,
    out: Path,
    adapter: Path | None,
    seed: int,
    question: dict[str, Any],
) -> dict[str, Any]:
    from empeval_training.eq.cards import write_adapter_card

    started = time.perf_counter()
    loaded = load(recipe, adapter, seed)
    make_folder(out)
    write_json(out / QUESTION, question)
    run = _sft if step == "sft" else _dpo
    trainer, metrics, count = run(recipe, loaded, data, out, seed)
    save(trainer.model, recipe.base, loaded.tokenizer, out / "adapter")
    answer = {
        **question,
        "figures": metrics,
        "training_examples": count,
        "seconds": round(time.perf_counter() - started, 1),
        "device": str(trainer.model.device),
        "backend": loaded.backend,
        "quantized": loaded.quantized,
        "peak_memory_gb": round(peak_memory(), 2),
    }
    write_adapter_card(out / "adapter", answer, made)
    write_json(out / RESULT, answer)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return answer


def _sft(
    recipe: Tuning, loaded: Loaded, data: Path, out: Path, seed: int
) -> tuple[Any, dict[str, Any], int]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = {
        split: fit_chats(
            draw(read_chats(data, split), most, seed), loaded.tokenizer, recipe.max_length
        )
        for split, most in (("train", recipe.train_examples), ("validation", recipe.eval_examples))
    }
    trainer = SFTTrainer(
        model=loaded.model,
        args=SFTConfig(
            **_arguments(recipe, out, len(rows["train"]), seed),
            completion_only_loss=True,
            packing=False,
        ),
        train_dataset=Dataset.from_list(rows["train"]),
        eval_dataset=Dataset.from_list(rows["validation"]),
        processing_class=loaded.tokenizer,
    )
    show_steps(trainer)
    before = _eval_loss(trainer, out)
    _train(trainer, out)
    after = float(trainer.evaluate()["eval_loss"])
    metrics = {
        side: {"loss": loss, "perplexity": math.exp(min(loss, 50))}
        for side, loss in (("before", before), ("after", after))
    }
    return trainer, {"n": len(rows["validation"]), **metrics}, len(rows["train"])


def _eval_loss(trainer: Any, out: Path) -> float:
    """The loss before training, kept beside the checkpoints so that a resumed run knows it."""
    from empeval_training.answers import read_json

    path = out / "before.json"
    if not path.is_file():
        write_json(path, {"loss": float(trainer.evaluate()["eval_loss"])})
    return float(read_json(path)["loss"])


def _dpo(
    recipe: Tuning, loaded: Loaded, data: Path, out: Path, seed: int
) -> tuple[Any, dict[str, Any], int]:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from empeval_training.eq.preference import log_probabilities, metrics_of

    parts = {
        split: fit_pairs(
            draw(read_split(data, split), most, seed), loaded.tokenizer, recipe.max_length
        )
        for split, most in (("train", recipe.train_examples), ("validation", recipe.eval_examples))
    }
    rows, pairs = parts["validation"]
    reference = log_probabilities(loaded.model, loaded.tokenizer, rows)
    trainer = DPOTrainer(
        model=loaded.model,
        args=DPOConfig(**_arguments(recipe, out, len(parts["train"][0]), seed), beta=recipe.beta),
        train_dataset=Dataset.from_list(parts["train"][0]),
        eval_dataset=Dataset.from_list(rows),
        processing_class=loaded.tokenizer,
    )
    show_steps(trainer)
    _train(trainer, out)
    tuned = log_probabilities(trainer.model, loaded.tokenizer, rows)
    metrics = metrics_of(pairs, reference, tuned, recipe.beta)
    return trainer, metrics, len(parts["train"][0])


def _train(trainer: Any, out: Path) -> None:
    ended = trainer.train(resume_from_checkpoint=latest_checkpoint(out / "checkpoints"))
    if not math.isfinite(ended.training_loss):
        raise EmpevalError(
            f"{out}: the loss is no number any more. Train with a lower learning_rate or another "
            "precision, into another folder."
        )
    say(f"{out.name}: {trainer.state.global_step} steps; training loss {ended.training_loss:.4f}")


def _arguments(recipe: Tuning, out: Path, examples: int, seed: int) -> dict[str, Any]:
    import torch

    step = recipe.batch_size * recipe.gradient_accumulation
    total = max(1, math.ceil(recipe.epochs * examples / step))
    every = max(1, total // recipe.evaluations)
    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(out / "checkpoints"),
        "per_device_train_batch_size": recipe.batch_size,
        "per_device_eval_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "warmup_steps": int(recipe.warmup * total),
        "max_steps": total,
        "max_length": recipe.max_length,
        "logging_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 1,
        "eval_strategy": "no",
        "seed": seed,
        "data_seed": seed,
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        "report_to": [],
        "disable_tqdm": not watched(),
        **precision(recipe.precision),
    }


def save(model: Any, base: str, tokenizer: Any, folder: Path) -> None:
    """Save the trained adapters as a PEFT folder that names the base, tokenizer beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)
    tokenizer.save_pretrained(folder)


def peak_memory() -> float:
    """The most memory that this process has held so far, in GB; the GPU's where there is one."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 1e9
    return (memory.peak_memory() or 0) / 1e9


def table(result: dict[str, Any]) -> list[list[str]]:
    """Rows (figure, before, after) for a terminal."""
    before, after = result["figures"]["before"], result["figures"]["after"]
    return [[name.replace("_", " "), _shown(before[name]), _shown(after[name])] for name in before]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_shown(number)}" for name, number in value.items())
    if isinstance(value, list):
        return " to ".join(map(_shown, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
