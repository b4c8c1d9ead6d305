"""Trains one checkpoint: the stages of a recipe on transformers' Trainer, resumable."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from empeval_empathy.scales import Overall
from empeval_empathy.views import ViewBuilder
from empeval_training.answers import QUESTION, RESULT, finished
from empeval_training.data import (
    PEOPLE,
    RATED,
    VALIDATION,
    Collator,
    CommentCollator,
    Comments,
    Labelled,
    Prepared,
    Tensors,
    class_weights,
    make_folder,
    only_humans,
    read_examples,
    read_prepared,
    write_json,
)
from empeval_training.examples import Example
from empeval_training.figures import (
    figures_of,
    fit_scale,
    own_and_others,
    people_figures,
    thresholds,
)
from empeval_training.frozen import LowerStates, UpperLayers
from empeval_training.networks import (
    adapt,
    build_model,
    encoder_folder,
    encoder_kept,
    load_tokenizer,
    merge,
    save_adapter,
)
from empeval_training.progress import quiet
from empeval_training.recipe import ARCHITECTURE, Recipe
from empeval_training.selecting import MEASURED_VARIANTS, read_splits
from empeval_training.stages import Stage, predict, run_stage, stage_is_done
from empeval_training.topic import given_replies, learn_topic, learning, mix_relevance


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
    import torch
    import transformers

    from empeval_training.card import write_card

    transformers.set_seed(seed)
    started = time.perf_counter()
    splits = read_splits(data, recipe, seed, prepared.emotions)
    own = {example.id for example in only_humans(splits["test"])}
    humans = np.array([example.id in own for example in splits["test"]])
    base = encoder_folder(recipe.encoder)
    tokenizer = load_tokenizer(base)
    views = ViewBuilder(tokenizer, recipe.max_length)
    model = build_model(recipe, base, prepared.emotions)
    network = adapt(model, recipe)
    if not torch.cuda.is_available():
        # The backward pass of the fused kernel takes longer than plain products do on a CPU.
        model.encoder.set_attn_implementation("eager")
    cascade = ARCHITECTURE[recipe.model] == "cascade"
    topical = recipe.topic_epochs > 0
    tensors: Tensors = views.tensors
    whole = model.encoder
    if recipe.frozen_layers:
        lower = lower_states(recipe, whole, views)
        tensors = lower.tensors
        model.encoder = UpperLayers(whole, recipe.frozen_layers)
    collator = Collator(tensors, context=cascade)

    training, validation, test = (
        Labelled(splits[name], views, prepared.emotions) for name in ("train", "validation", "test")
    )
    make_folder(out)
    write_json(out / QUESTION, question)

    def prepare(rows: Sequence[dict[str, Any]]) -> None:
        if recipe.frozen_layers:
            for view in ("full", "context") if cascade else ("full",):
                lower.compute([getattr(row["views"], view) for row in rows], "frozen layers")

    if not stage_is_done(out, "both"):
        prepare([*training.rows, *validation.rows])

    if recipe.class_weights == "balanced":
        weights = class_weights(training.emotion_labels, len(prepared.emotions))
        model.emotion_weights = torch.tensor(weights)

    if recipe.pretrain_epochs:
        comments = Comments("train", recipe.pretrain_examples, seed, views)
        if recipe.frozen_layers:
            lower.compute([row["views"].context for row in comments.rows], "frozen layers")
        stage = Stage("goemotions", recipe.pretrain_epochs, metric=None)
        _pretrain(stage, recipe, model, network, comments, CommentCollator(tensors), out, seed)
    if recipe.emotion_epochs:
        model.ratings_weight = 0.0
        stage = Stage("emotion", recipe.emotion_epochs, metric="emotion_accuracy")
        named, watched = training.with_emotion(), validation.with_emotion()
        run_stage(stage, recipe, network, named, watched, collator, out, seed)
        model.ratings_weight = 1.0
    stage = Stage("both", recipe.epochs, metric=None)
    if recipe.probe_learning_rate is None:
        run_stage(stage, recipe, network, training, None, collator, out, seed)
    else:
        probing = msgspec.structs.replace(recipe, learning_rate=recipe.probe_learning_rate)
        with encoder_kept(model.encoder):
            run_stage(stage, probing, network, training, None, collator, out, seed)
    if splits["people"]:
        of_people = Labelled(splits["people"], views, prepared.emotions)
        if not stage_is_done(out, "people"):
            prepare(of_people.rows)
        stage = Stage("people", recipe.people_epochs, metric=None)
        run_stage(stage, recipe, network, of_people, None, collator, out, seed)

    model.encoder = whole.to(model.device)  # the frozen layers never left the CPU
    plain = merge(copy.deepcopy(network))
    plain.encoder.set_attn_implementation("sdpa")
    everything = Collator(views.tensors, context=cascade, reply=topical)

    def predicted(examples: Sequence[Example]) -> dict[str, np.ndarray]:
        return predict(plain, Labelled(examples, views, prepared.emotions), everything)

    of_validation = read_examples(data, "validation")
    if topical:
        given = given_replies([*splits["train"], *splits["people"]])
        learn_topic(plain, views, recipe, given, out, seed)
        mix_relevance(plain, *own_and_others(of_validation), predicted)
    overall = fit_scale(
        of_validation, lambda examples: predicted(examples)["latents"], thresholds(plain)
    )
    if overall is not None:
        plain.config.overall = {f.name: getattr(overall, f.name) for f in fields(Overall)}
    figures: dict[str, Any] = {}
    chosen_by = [e for e in of_validation if e.variant in MEASURED_VARIANTS]
    if chosen_by:
        figures[VALIDATION] = people_figures(chosen_by, predicted(chosen_by))
    if (data / f"{RATED}.jsonl").stat().st_size:  # without ratings there are no rated replies
        rated = read_examples(data, RATED)
        figures[PEOPLE] = people_figures(rated, predicted(rated))
    if recipe.method == "lora":
        if topical:
            learning(model).load_state_dict(plain.topic.state_dict())
        model.config.overall = plain.config.overall
        save_adapter(network, recipe.encoder, out / "adapter")
    every = predict(plain, test, everything)
    figures["human"] = figures_of(test, every, humans)
    figures["all"] = figures_of(test, every, np.ones(len(test), dtype=bool))
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


_LOWER: dict[tuple[str, int, int, str], LowerStates] = {}


def lower_states(recipe: Recipe, encoder: Any, views: ViewBuilder) -> LowerStates:
    """The states above the frozen layers; kept for the next seed of the same command."""
    key = (recipe.encoder, recipe.frozen_layers, recipe.max_length, recipe.precision)
    if key not in _LOWER:
        bf16 = recipe.precision == "bf16"
        lower = copy.deepcopy(encoder)  # what trains later must not change what was computed
        _LOWER[key] = LowerStates(lower, recipe.frozen_layers, views, bf16=bf16)
    return _LOWER[key]


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
