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
    class_weights,
    make_folder,
    only_humans,
    read_examples,
    read_prepared,
    write_json,
)
from empeval_training.examples import Example
from empeval_training.frozen import LowerStates, UpperLayers
from empeval_training.metrics import (
    fit_scale,
    metrics_of,
    own_and_others,
    people_metrics,
    thresholds,
)
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
from empeval_training.stages import (
    BOTH_STAGE,
    PEOPLE_STAGE,
    Stage,
    predict,
    run_stage,
    stage_is_done,
)
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
        import transformers

        transformers.set_seed(seed)
        started = time.perf_counter()
        training = _Training(recipe, prepared, data, out, seed)
        make_folder(out)
        write_json(out / QUESTION, question)
        training.learn()
        return training.finish(question, started)


class _Training:
    """A model in training: what it learns from, its stages, and what is measured at the end."""

    def __init__(
        self, recipe: Recipe, prepared: Prepared, data: Path, out: Path, seed: int
    ) -> None:
        import torch

        self.recipe, self.prepared, self.data = recipe, prepared, data
        self.out, self.seed = out, seed
        self.splits = read_splits(data, recipe, seed, prepared.emotions)
        base = encoder_folder(recipe.encoder)
        self.tokenizer = load_tokenizer(base)
        self.views = ViewBuilder(self.tokenizer, recipe.max_length)
        self.model = build_model(recipe, base, prepared.emotions)
        self.network = adapt(self.model, recipe)
        if not torch.cuda.is_available():
            # The backward pass of the fused kernel takes longer than plain products do on a CPU.
            self.model.encoder.set_attn_implementation("eager")
        self.cascade = ARCHITECTURE[recipe.model] == "cascade"
        self.topical = recipe.topic_epochs > 0

    def labelled(self, examples: Sequence[Example]) -> Labelled:
        """Examples as the network reads them."""
        return Labelled(examples, self.views, self.prepared.emotions)

    def learn(self) -> None:
        """The stages up to the last one that changes the encoder."""
        import torch

        recipe, model, network, out = self.recipe, self.model, self.network, self.out
        whole, tensors = model.encoder, self.views.tensors
        lower: LowerStates | None = None
        if recipe.frozen_layers:
            lower = lower_states(recipe, whole, self.views)
            tensors = lower.tensors
            model.encoder = UpperLayers(whole, recipe.frozen_layers)
        collator = Collator(tensors, context=self.cascade)
        training, validation = (self.labelled(self.splits[n]) for n in ("train", "validation"))

        def prepare(rows: Sequence[dict[str, Any]]) -> None:
            if lower is not None:
                for view in ("full", "context") if self.cascade else ("full",):
                    lower.compute([getattr(row["views"], view) for row in rows], "frozen layers")

        def stage(name: str, epochs: float, data: Any, metric: str | None = None) -> None:
            seen = validation if metric else None
            one = Stage(name, epochs, metric)
            run_stage(one, recipe, network, data, seen, collator, out, self.seed)

        if not stage_is_done(out, BOTH_STAGE):
            prepare([*training.rows, *validation.rows])
        if recipe.class_weights == "balanced":
            weights = class_weights(training.emotion_labels, len(self.prepared.emotions))
            model.emotion_weights = torch.tensor(weights)
        if recipe.pretrain_epochs:
            comments = Comments("train", recipe.pretrain_examples, self.seed, self.views)
            if lower is not None:
                lower.compute([row["views"].context for row in comments.rows], "frozen layers")
            self._pretrain(comments, CommentCollator(tensors))
        if recipe.emotion_epochs:
            model.ratings_weight = 0.0
            stage("emotion", recipe.emotion_epochs, training.with_emotion(), "emotion_accuracy")
            model.ratings_weight = 1.0
        if recipe.probe_learning_rate is None:
            stage(BOTH_STAGE, recipe.epochs, training)
        else:
            probing = msgspec.structs.replace(recipe, learning_rate=recipe.probe_learning_rate)
            one = Stage(BOTH_STAGE, recipe.epochs, metric=None)
            with encoder_kept(model.encoder):
                run_stage(one, probing, network, training, None, collator, out, self.seed)
        if self.splits["people"]:
            of_people = self.labelled(self.splits["people"])
            if not stage_is_done(out, PEOPLE_STAGE):
                prepare(of_people.rows)
            stage(PEOPLE_STAGE, recipe.people_epochs, of_people)
        model.encoder = whole.to(model.device)  # the frozen layers never left the CPU

    def _pretrain(self, comments: Comments, collator: CommentCollator) -> None:
        """MVC's own stage: 28 GoEmotions classes from the pooled view of a comment."""
        from empeval_training.networks import Pretraining

        wrapped = Pretraining(self.model, self.network, comments.shares())
        stage = Stage("goemotions", self.recipe.pretrain_epochs, metric=None)
        run_stage(stage, self.recipe, wrapped, comments, None, collator, self.out, self.seed)

    def finish(self, question: dict[str, Any], started: float) -> dict[str, Any]:
        """Fit what needs the encoder as it is in the end; measure and save; ``result.json``."""
        from empeval_training.card import write_card

        recipe, out = self.recipe, self.out
        plain = merge(copy.deepcopy(self.network))
        plain.encoder.set_attn_implementation("sdpa")
        everything = Collator(self.views.tensors, context=self.cascade, reply=self.topical)

        def predicted(examples: Sequence[Example]) -> dict[str, np.ndarray]:
            unique = {(e.context, e.reply): e for e in examples}  # a reply stands in several pairs
            index = {key: number for number, key in enumerate(unique)}
            rows = [index[e.context, e.reply] for e in examples]
            made = predict(plain, self.labelled(list(unique.values())), everything)
            return {name: values[rows] for name, values in made.items()}

        of_validation = read_examples(self.data, "validation")
        if self.topical:
            given = given_replies([*self.splits["train"], *self.splits["people"]])
            learn_topic(plain, self.views, recipe, given, out, self.seed)
            mix_relevance(plain, *own_and_others(of_validation), predicted)
        overall = fit_scale(
            of_validation, lambda examples: predicted(examples)["latents"], thresholds(plain)
        )
        if overall is not None:
            plain.config.overall = {f.name: getattr(overall, f.name) for f in fields(Overall)}
        metrics: dict[str, Any] = {}
        chosen_by = [e for e in of_validation if e.variant in MEASURED_VARIANTS]
        if chosen_by:
            metrics[VALIDATION] = people_metrics(chosen_by, predicted(chosen_by))
        if (self.data / f"{RATED}.jsonl").stat().st_size:  # without ratings none are rated
            rated = read_examples(self.data, RATED)
            metrics[PEOPLE] = people_metrics(rated, predicted(rated))
        if recipe.method == "lora":
            if self.topical:
                learning(self.model).load_state_dict(plain.topic.state_dict())
            self.model.config.overall = plain.config.overall
            save_adapter(self.network, recipe.encoder, out / "adapter")
        test = self.labelled(self.splits["test"])
        own = {example.id for example in only_humans(self.splits["test"])}
        humans = np.array([example.id in own for example in self.splits["test"]])
        every = predict(plain, test, everything)
        metrics["human"] = metrics_of(test, every, humans)
        metrics["all"] = metrics_of(test, every, np.ones(len(test), dtype=bool))
        answer = {
            **question,
            "figures": metrics,
            "seconds": round(time.perf_counter() - started, 1),
            "training_examples": len(self.splits["train"]),
            "device": str(plain.device),
            "parameters": sum(p.numel() for p in plain.parameters()),
        }
        checkpoint = out / "checkpoint"
        plain.save_pretrained(checkpoint)
        self.tokenizer.save_pretrained(checkpoint)
        for folder in (checkpoint, out / "adapter"):
            if folder.is_dir():
                write_card(folder, answer, self.prepared)
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
