"""Trains one checkpoint: the stages of a recipe on transformers' Trainer, resumable."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from empeval import UsageError
from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.scales import RELEVANCE, Overall
from empeval_empathy.views import ViewBuilder
from empeval_training.answers import QUESTION, RESULT, finished
from empeval_training.data import (
    NO_EMOTION,
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
    draw,
    make_folder,
    only_humans,
    read_examples,
    read_prepared,
    write_json,
)
from empeval_training.examples import HUMAN, Example
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
from empeval_training.scales import CANDIDATES, NAMES, RATED_SETS
from empeval_training.stages import Stage, predict, run_stage, stage_is_done
from empeval_training.teacher.labelling import MEASURED
from empeval_training.teacher.overall import Fitted, Said, fit_overall


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
    splits = _read_splits(data, recipe, seed, prepared.emotions)
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
        rated = Labelled(splits["people"], views, prepared.emotions)
        if not stage_is_done(out, "people"):
            prepare(rated.rows)
        stage = Stage("people", recipe.people_epochs, metric=None)
        run_stage(stage, recipe, network, rated, None, collator, out, seed)

    def latents(examples: Sequence[Example]) -> np.ndarray:
        labelled = Labelled(examples, views, prepared.emotions)
        prepare(labelled.rows)
        return predict(model, labelled, collator, recipe)["latents"]

    overall = fit_scale(read_examples(data, "validation"), latents, thresholds(model))
    if overall is not None:
        model.config.overall = {f.name: getattr(overall, f.name) for f in fields(Overall)}
    figures: dict[str, Any] = {}
    chosen_by = [e for e in read_examples(data, "validation") if e.variant in MEASURED_VARIANTS]
    if chosen_by:
        of_validation = Labelled(chosen_by, views, prepared.emotions)
        figures[VALIDATION] = people_figures(
            chosen_by, predict(model, of_validation, collator, recipe)
        )
    if (data / f"{RATED}.jsonl").stat().st_size:  # without ratings there are no rated replies
        rated = read_examples(data, RATED)
        with_people = Labelled(rated, views, prepared.emotions)
        prepare(with_people.rows)
        figures[PEOPLE] = people_figures(rated, predict(model, with_people, collator, recipe))
    model.encoder = whole.to(model.device)  # the frozen layers never left the CPU
    if recipe.method == "lora":
        save_adapter(network, recipe.encoder, out / "adapter")
    plain = merge(network)
    plain.encoder.set_attn_implementation("sdpa")
    every = predict(plain, test, Collator(views.tensors, context=cascade), recipe)
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


MEASURED_VARIANTS = tuple(f"rated:{name}" for name in MEASURED)
_LOWER: dict[tuple[str, int, int, str], LowerStates] = {}


def lower_states(recipe: Recipe, encoder: Any, views: ViewBuilder) -> LowerStates:
    """The states above the frozen layers; kept for the next seed of the same command."""
    key = (recipe.encoder, recipe.frozen_layers, recipe.max_length, recipe.precision)
    if key not in _LOWER:
        bf16 = recipe.precision == "bf16"
        lower = copy.deepcopy(encoder)  # what trains later must not change what was computed
        _LOWER[key] = LowerStates(lower, recipe.frozen_layers, views, bf16=bf16)
    return _LOWER[key]


OTHERS = 0.25
"""Replies that nobody rated in the last stage, as a share of those that people rated, so that what
they taught is not lost."""


def for_people(training: Sequence[Example], repeats: int, seed: int) -> list[Example]:
    """What the last stage trains on: rated replies of the sets that are measured, each so often,
    their variants, and some replies that nobody rated; none where nobody rated.

    Args:
        training: examples of the training split.
        repeats: how often a rated reply is there.
        seed: of the draw.
    """
    rated = [example for example in training if example.variant in MEASURED_VARIANTS]
    if not rated:
        return []
    others = draw([e for e in training if not of_measured(e)], round(OTHERS * len(rated)), seed)
    variants = [e for e in training if of_measured(e) and e.variant not in MEASURED_VARIANTS]
    return rated * repeats + variants + others


def of_measured(example: Example) -> bool:
    """Whether it is a reply of a rated set that is measured, or a variant of one."""
    return example.id.startswith(tuple(f"{name}:" for name in MEASURED))


def thresholds(model: Any) -> dict[str, list[float]]:
    """The thresholds that a trained model has learned, by scale."""
    heads = model.scales
    steps = heads.thresholds.detach().float().split(heads.counts)
    return {name: own.tolist() for name, own in zip(NAMES, steps, strict=True)}


def fit_scale(
    validation: Sequence[Example],
    latents: Callable[[Sequence[Example]], np.ndarray],
    steps: Mapping[str, Sequence[float]],
) -> Fitted | None:
    """The one number for empathy, chosen and tied on the validation split.

    Args:
        validation: its examples.
        latents: gives (examples, scales).
        steps: scale -> its thresholds.

    Returns:
        ``None`` where people rated no reply to EmpatheticDialogues on both scales.
    """
    rated = {name: [e for e in validation if e.variant == f"rated:{name}"] for name in MEASURED}
    if not all(rated.values()):
        return None
    humans = {e.id: e for e in validation if e.variant == HUMAN}
    strangers = [e for e in validation if e.variant == "stranger"]
    own = [humans[e.id.rpartition("~")[0]] for e in strangers]
    said = []
    for name, of in rated.items():
        tied = np.array([math.nan if e.empathy is None else e.empathy for e in of])
        whole = [sum(e.mechanisms) if e.mechanisms else e.empathy for e in of]
        dialogues = [e.conversation for e in of]
        said.append(Said(name, np.array(whole), dialogues, None if np.isnan(tied).any() else tied))
    return fit_overall(
        said,
        {name: latents(of) for name, of in rated.items()},
        latents(own),
        latents(strangers),
        steps[RELEVANCE][0],
        NAMES,
        CANDIDATES,
    )


def of_nobody(example: Example) -> bool:
    """Whether it is a variant of a reply that nobody rated."""
    rated = tuple(f"{name}:" for name in RATED_SETS)
    return example.variant != HUMAN and not example.id.startswith(rated)


def _read_splits(
    data: Path, recipe: Recipe, seed: int, emotions: Sequence[str]
) -> dict[str, list[Example]]:
    training = draw(read_examples(data, "train"), recipe.train_examples, seed)
    made = {example.id for example in training if of_nobody(example)}
    kept = set(draw(sorted(made), round(recipe.variants_share * len(made)), seed))
    training = [example for example in training if example.id in kept or example.id not in made]
    people = for_people(training, recipe.rated_repeats, seed) if recipe.people_epochs else []
    splits = {
        "train": [e for e in training if not of_measured(e)] if people else training,
        "people": people,
        "validation": draw(read_examples(data, "validation"), recipe.eval_examples, 0),
        "test": read_examples(data, "test"),
    }
    for name in ("train", "validation", "test"):
        counted = only_humans(splits[name]) if name == "test" else splits[name]
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
    """MAE, Spearman and emotion accuracy, with the MAE of predicting the median beside them, and
    Spearman of each mechanism.

    Args:
        labelled: the examples.
        output: what ``predict`` gave for them.
        chosen: which of them count, shape (examples,), booleans.
    """
    target = np.array([row["empathy"] for row in labelled.rows])[chosen]
    emotion = np.array(labelled.emotion_labels)[chosen]
    known = emotion != NO_EMOTION
    empathy = output["empathy"][chosen]
    labelled_rows = ~np.isnan(target)
    empathy, target = empathy[labelled_rows], target[labelled_rows]
    figures = {
        "n": len(target),
        "mae": float(np.abs(empathy - target).mean()),
        "spearman": _spearman(empathy, target),
        "emotion_accuracy": float((output["emotion"][chosen] == emotion)[known].mean()),
        "mae_of_median": float(np.abs(np.median(target) - target).mean()),
        "label_sd": float(target.std()),
    }
    levels = np.array([row["mechanisms"] for row in labelled.rows])[chosen]
    for column, name in enumerate(MECHANISMS):
        rated = ~np.isnan(levels[:, column])
        figures[name] = _spearman(
            output["mechanisms"][chosen][rated, column], levels[rated, column]
        )
    if "full_emotion" in output:
        full = output["full_emotion"][chosen]
        figures["full_emotion_accuracy"] = float((full == emotion)[known].mean())
    return figures


def people_figures(rated: Sequence[Example], output: dict[str, np.ndarray]) -> dict[str, float]:
    """Spearman's correlation with what people said of replies of the rated sets' test part.

    Args:
        rated: with people's ratings in the place of labels, where they gave them.
        output: what ``predict`` gave for them.
    """
    names = np.array([example.variant.removeprefix("rated:") for example in rated])
    figures: dict[str, float] = {}
    for name in ("exchanges-1-5", "ratings-1-3"):
        own = names == name
        said = [e.empathy or 0.0 for e in rated if e.variant == f"rated:{name}"]
        if own.any():
            figures[name] = _spearman(output["empathy"][own], np.array(said))
    own = names == "epitome"
    if own.any():
        said_of = np.array([e.mechanisms for e in rated if e.variant == "rated:epitome"])
        levels = output["mechanisms"][own]
        for column, mechanism in enumerate(MECHANISMS):
            figures[mechanism] = _spearman(levels[:, column], said_of[:, column])
        figures["mechanisms"] = _spearman(levels.sum(1), said_of.sum(1))
    return figures


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one side is constant and has none."""
    from scipy.stats import spearmanr

    varied = np.ptp(one) > 0 and np.ptp(other) > 0
    return float(spearmanr(one, other).statistic) if varied else 0.0


def summarize(results: Sequence[dict[str, Any]], part: str = "human") -> dict[str, float]:
    """Mean and standard deviation over seeds of the figures of one part of the test split."""
    summary: dict[str, float] = {"seeds": len(results)}
    for name in ("mae", "spearman", "emotion_accuracy", *MECHANISMS):
        values = [r["figures"][part][name] for r in results]
        summary[name] = float(np.mean(values))
        summary[f"{name}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return summary
