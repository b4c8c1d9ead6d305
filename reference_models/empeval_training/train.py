"""Trains one checkpoint: the stages of a recipe on transformers' Trainer, resumable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from empeval import UsageError
from empeval_empathy.views import ViewBuilder
from empeval_training.answers import QUESTION, RESULT, finished
from empeval_training.data import (
    NO_EMOTION,
    Collator,
    CommentCollator,
    Comments,
    Labelled,
    Prepared,
    class_weights,
    draw,
    make_folder,
    only_humans,
    read_examples,
    read_prepared,
    write_json,
)
from empeval_training.examples import HUMAN, Example
from empeval_training.networks import (
    adapt,
    build_model,
    encoder_folder,
    load_tokenizer,
    merge,
    save_adapter,
)
from empeval_training.progress import quiet
from empeval_training.recipe import ARCHITECTURE, Recipe
from empeval_training.stages import Stage, predict, run_stage


def train(recipe: Recipe, data: Path, out: Path, *, seed: int) -> dict[str, Any]:
    """Train a checkpoint and measure it on the test split.

    A finished run is left alone; an interrupted one goes on from its latest checkpoint.

    Args:
        recipe: model and hyper-parameters.
        data: what ``prepare-ed`` wrote.
        out: the folder of this run: ``checkpoint/`` (an ordinary model folder), ``adapter/``
            (with ``method = "lora"``), ``result.json``, and ``stages/`` to go on from.
        seed: of weights, order and dropout.

    Returns:
        What ``result.json`` holds.

    Raises:
        UsageError: the folder holds another run, or the data or the encoder cannot be used.
    """
    prepared = read_prepared(data)
    question = {
        "recipe": msgspec.to_builtins(recipe),
        "seed": seed,
        "data": prepared.fingerprint,
    }
    before = finished(out, question)
    if before is not None:
        return before
    with quiet():
        return _train(recipe, prepared, data, out, seed, question)


def _train(
    recipe: Recipe, prepared: Prepared, data: Path, out: Path, seed: int, question: dict[str, Any]
) -> dict[str, Any]:
    import transformers

    from empeval_training.card import write_card

    transformers.set_seed(seed)
    started = time.perf_counter()
    splits = _read_splits(data, recipe, seed, prepared.emotions)
    humans = np.array([example.variant == HUMAN for example in splits["test"]])
    base = encoder_folder(recipe.encoder)
    tokenizer = load_tokenizer(base)
    views = ViewBuilder(tokenizer, recipe.max_length)
    model = build_model(recipe, base, prepared.emotions)
    network = adapt(model, recipe)
    cascade = ARCHITECTURE[recipe.model] == "cascade"
    collator = Collator(views, context=cascade)

    training, validation, test = (
        Labelled(splits[name], views, prepared.emotions) for name in ("train", "validation", "test")
    )
    make_folder(out)
    write_json(out / QUESTION, question)

    if recipe.class_weights == "balanced":
        import torch

        weights = class_weights(training.emotion_labels, len(prepared.emotions))
        model.emotion_weights = torch.tensor(weights)

    if recipe.pretrain_epochs:
        comments = Comments("train", recipe.pretrain_examples, seed, views)
        stage = Stage("goemotions", recipe.pretrain_epochs, metric=None)
        _pretrain(stage, recipe, model, network, comments, CommentCollator(views), out, seed)
    if recipe.emotion_epochs:
        model.empathy_weight = 0.0
        stage = Stage("emotion", recipe.emotion_epochs, metric="emotion_accuracy")
        run_stage(stage, recipe, network, training, validation, collator, out, seed)
        model.empathy_weight = 1.0
    stage = Stage("both", recipe.epochs, metric="mae")
    run_stage(stage, recipe, network, training, validation, collator, out, seed)

    if recipe.method == "lora":
        save_adapter(network, recipe.encoder, out / "adapter")
    plain = merge(network)
    every = predict(plain, test, collator, recipe)
    figures = {
        "human": figures_of(test, every, humans),
        "all": figures_of(test, every, np.ones(len(test), dtype=bool)),
    }
    answer = {
        **question,
        "figures": figures,
        "seconds": round(time.perf_counter() - started, 1),
        "training_examples": len(training),
        "device": str(plain.device),
        "parameters": sum(p.numel() for p in plain.parameters()),
    }
    checkpoint = out / "checkpoint"
    plain.save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    for folder in (checkpoint, out / "adapter"):
        if folder.is_dir():
            write_card(folder, answer, prepared)
    write_json(out / RESULT, answer)
    return answer


def _read_splits(
    data: Path, recipe: Recipe, seed: int, emotions: Sequence[str]
) -> dict[str, list[Example]]:
    splits = {
        "train": draw(read_examples(data, "train"), recipe.train_examples, seed),
        "validation": draw(read_examples(data, "validation"), recipe.eval_examples, 0),
        "test": read_examples(data, "test"),
    }
    for name, examples in splits.items():
        counted = only_humans(examples) if name == "test" else examples
        if not {example.emotion for example in counted} & set(emotions):
            raise UsageError(
                f"{data / name}.jsonl: none of the replies has an emotion that prepared.json "
                "names. Prepare the data anew."
            )
    return splits


def _pretrain(
    stage: Stage,
    recipe: Recipe,
    model: Any,
    network: Any,
    comments: Comments,
    collator: CommentCollator,
    out: Path,
    seed: int,
) -> None:
    """MVC's own stage: 28 GoEmotions classes from the pooled view of a comment."""
    from empeval_training.networks import Pretraining

    wrapped = Pretraining(model, network, comments.shares())
    run_stage(stage, recipe, wrapped, comments, None, collator, out, seed)


def figures_of(
    labelled: Labelled, output: dict[str, np.ndarray], chosen: np.ndarray
) -> dict[str, float]:
    """MAE, Spearman and emotion accuracy, with the MAE of predicting the median beside them.

    Args:
        labelled: the examples.
        output: what ``predict`` gave for them.
        chosen: which of them count, shape (examples,), booleans.
    """
    from scipy.stats import spearmanr

    target = np.array([row["empathy"] for row in labelled.rows])[chosen]
    emotion = np.array(labelled.emotion_labels)[chosen]
    known = emotion != NO_EMOTION
    empathy = output["empathy"][chosen]
    varied = np.ptp(empathy) > 0 and np.ptp(target) > 0  # there is no rank correlation otherwise
    figures = {
        "n": len(target),
        "mae": float(np.abs(empathy - target).mean()),
        "spearman": float(spearmanr(empathy, target).statistic) if varied else 0.0,
        "emotion_accuracy": float((output["emotion"][chosen] == emotion)[known].mean()),
        "mae_of_median": float(np.abs(np.median(target) - target).mean()),
        "label_sd": float(target.std()),
    }
    if "full_emotion" in output:
        full = output["full_emotion"][chosen]
        figures["full_emotion_accuracy"] = float((full == emotion)[known].mean())
    return figures


def summarize(results: Sequence[dict[str, Any]], part: str = "human") -> dict[str, float]:
    """Mean and standard deviation over seeds of the figures of one part of the test split."""
    summary: dict[str, float] = {"seeds": len(results)}
    for name in ("mae", "spearman", "emotion_accuracy"):
        values = [r["figures"][part][name] for r in results]
        summary[name] = float(np.mean(values))
        summary[f"{name}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return summary
