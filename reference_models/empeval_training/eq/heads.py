"""``empeval train heads``: both heads on a frozen base, and ``eq.json``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from empeval import UsageError, cluster_share
from empeval_heads.base import FrozenBase, shared_base
from empeval_heads.bundle import EqFacts, write_eq
from empeval_heads.facts import KINDS, HeadFacts, Kind, write_head
from empeval_heads.head import Head
from empeval_heads.labels import EMOTIONS, STRATEGIES
from empeval_training.answers import QUESTION, RESULT, finished
from empeval_training.data import make_folder, write_json
from empeval_training.eq.choosing import PHASES, rate_strategies
from empeval_training.eq.classes import classes_by_people
from empeval_training.eq.embeddings import embed_to_disk
from empeval_training.eq.esconv import read_talks
from empeval_training.eq.fit_head import (
    Fitted,
    Rows,
    class_f1s,
    fit_head,
    fit_heads,
    logits_of,
    macro_f1,
    predict,
)
from empeval_training.eq.reading import Labelled, majority, read_split
from empeval_training.eq.recipes import Reading, named
from empeval_training.eq.tuning import peak_memory
from empeval_training.progress import quiet, say

CLASSES = ("admiration", "caring", "gratitude", "love", "optimism", "remorse", "sadness")
"""The empathy classes where no ratings are given to choose them by."""


def train_heads(
    recipe: Reading,
    out: Path,
    *,
    ratings: Path | None,
    seed: int,
    against: Path | None = None,
) -> dict[str, Any]:
    """Embed the data once, train both heads, choose how they become one score, measure them.

    A finished run is left alone; an interrupted one goes on with the embeddings that are there.

    Args:
        recipe: base and hyper-parameters.
        out: the folder to write: both heads, ``eq.json``, a card, ``result.json``, and
            ``embeddings/``.
        ratings: a folder of human ratings to choose the empathy classes by; ``None`` takes
            ``CLASSES``.
        seed: of draws and weights.
        against: a run folder of a small model on items of ``ed-empathy`` that are not the test
            split's; classes that put its replies above people's count less.

    Returns:
        What ``result.json`` holds.

    Raises:
        UsageError: the folder holds another run, or the base cannot be used.
        EmpevalError: data or base cannot be had.
    """
    question = {
        "step": "heads",
        "recipe": msgspec.json.decode(msgspec.json.encode(recipe)),  # as a file gives it back
        "seed": seed,
        "ratings": bool(ratings),
        "against": bool(against),
    }
    if against is not None and ratings is None:
        raise UsageError(
            "--against goes with --ratings: it is one of what the classes are chosen by."
        )
    before = finished(out, question)
    if before is not None:
        return before
    with quiet():
        return _train(recipe, out, ratings, against, question)


def _train(
    recipe: Reading,
    out: Path,
    ratings: Path | None,
    against: Path | None,
    question: dict[str, Any],
) -> dict[str, Any]:
    from empeval_training.eq.cards import write_heads_card

    started = time.perf_counter()
    seed = question["seed"]
    work = out / "embeddings"
    make_folder(work)
    reused = any(work.glob("*.npy"))
    write_json(out / QUESTION, question)
    base = shared_base(recipe.base)
    metrics: dict[str, dict[str, Any]] = {}
    heads: dict[Kind, tuple[Head, HeadFacts]] = {}
    for kind in KINDS:
        most = recipe.emotion_examples if kind == "emotion" else recipe.strategy_examples
        splits = {
            split: read_split(kind, split, most if split == "train" else None, seed)
            for split in ("train", "validation", "test")
        }
        layers, scores, read = choose_layers(kind, splits, base, recipe, work, seed)
        own = {"validation": (read, splits["validation"].targets)}
        for split in ("train", "test"):
            data = splits[split]
            say(f"{kind}: {len(data.passages)} {split} passages, layer {named(layers)}")
            name = f"{kind}-{split}"
            embedded = embed_to_disk(data.passages, base, recipe, work, name, layers)
            own[split] = embedded.reshape(len(embedded), -1), data.targets
        fitted = fit_heads(kind, own["train"], own["validation"], recipe, seed)
        metrics[kind] = {
            **measure(kind, fitted, own, splits["test"].groups),
            "layers": list(layers),
            "by_layer": {named(tried): score for tried, score in scores.items()},
        }
        facts = HeadFacts(
            kind=kind,
            labels=EMOTIONS if kind == "emotion" else STRATEGIES,
            base=recipe.base,
            base_fingerprint=base.fingerprint,
            width=base.width * len(layers),
            hidden=recipe.hidden * recipe.members,
            layers=layers,
            standardized=recipe.standardize,
            pooling=recipe.pooling,
            max_length=recipe.max_length,
            thresholds=fitted.limits,
            data=splits["train"].fingerprint,
            metrics={k: v for k, v in metrics[kind].items() if isinstance(v, float)},
        )
        write_head(out, facts, fitted.head.state_dict())
        heads[kind] = fitted.head, facts
    classes: tuple[str, ...] = CLASSES
    chosen_by = "empeval's own list; no ratings were given"
    if ratings is not None:
        classes, chosen_by = classes_by_people(ratings, against, heads["emotion"])
    talks = [talk for split in ("train", "validation") for talk in read_talks(split)]
    write_eq(
        out,
        EqFacts(
            base=recipe.base,
            empathy_classes=classes,
            phases=PHASES,
            ratings=rate_strategies(talks),
            chosen_by=chosen_by,
        ),
    )
    answer = {
        **question,
        "figures": metrics,
        "empathy_classes": list(classes),
        "chosen_by": chosen_by,
        "seconds": round(time.perf_counter() - started, 1),
        "embeddings_reused": reused,
        "peak_memory_gb": round(peak_memory(), 2),
    }
    write_heads_card(out, answer)
    write_json(out / RESULT, answer)
    return answer


def middle_layers(depth: int) -> tuple[int, ...]:
    """The layers that are tried where none are named: every fifteenth from 4/15 of the depth to
    12/15, and the last.
    """
    return tuple(sorted({max(1, round(depth * part / 15)) for part in range(4, 13)} | {depth}))


def choose_layers(
    kind: Kind,
    splits: Mapping[str, Labelled],
    base: FrozenBase,
    recipe: Reading,
    work: Path,
    seed: int,
) -> tuple[tuple[int, ...], dict[tuple[int, ...], float], np.ndarray]:
    """The layers whose states read validation best, with heads on a part of the training passages.

    Each is tried alone; then the best of them with the lowest and the highest beside it, the
    base's last one aside. One pass through the base gives the states of all layers; the test split
    is not looked at.

    Args:
        kind: which head.
        splits: the passages.
        base: what embeds them.
        recipe: the layers, how many passages they are tried on, and hyper-parameters.
        work: the folder of embeddings.
        seed: of the draw, and of each head.

    Returns:
        The layers; macro-F1 on validation by layers, empty where there is one to try; and the
        validation split's embeddings after those layers, shape (passages, layers * width).
    """
    layers = recipe.layers or middle_layers(base.depth)
    validation = splits["validation"]
    v = embed_to_disk(validation.passages, base, recipe, work, f"{kind}-validation", layers)
    if len(layers) == 1:
        return layers, {}, v[:, 0]
    part = splits["train"].some(recipe.trial_examples, seed)
    x = embed_to_disk(part.passages, base, recipe, work, f"{kind}-train-trial", layers)

    def of(states: np.ndarray, wanted: Sequence[int]) -> np.ndarray:
        return states[:, [layers.index(layer) for layer in wanted]].reshape(len(states), -1)

    scores: dict[tuple[int, ...], float] = {}

    def try_out(wanted: tuple[int, ...]) -> None:
        rows = (of(x, wanted), part.targets), (of(v, wanted), validation.targets)
        scores[wanted] = fit_head(kind, *rows, recipe, seed).score
        say(f"{kind}: layer {named(wanted)}, macro-F1 on validation {scores[wanted]:.4f}")

    for layer in layers:
        try_out((layer,))
    best = max(scores, key=lambda tried: scores[tried])
    inner = [layer for layer in layers if layer < base.depth]
    together = tuple(sorted({min(inner), *best, max(inner)})) if inner else best
    if len(together) > 2:
        try_out(together)
        best = max(scores, key=lambda tried: scores[tried])
    return best, scores, of(v, best)


def measure(
    kind: Kind, fitted: Fitted, parts: Mapping[str, Rows], groups: list[str]
) -> dict[str, Any]:
    """Figures on the test split, beside those of always saying the commonest class.

    Args:
        kind: which head.
        fitted: the head and its thresholds.
        parts: embeddings and targets by split.
        groups: what the test passages were cut from.
    """
    embeddings, targets = parts["test"]
    predicted = predict(kind, logits_of(fitted.head, embeddings), fitted.limits)
    labels = EMOTIONS if kind == "emotion" else STRATEGIES
    common = majority(kind, parts["train"][1], len(targets))
    right = _right(kind, predicted, targets)
    accuracy, low, high = cluster_share(list(right), groups)
    return {
        "n": len(targets),
        "training": len(parts["train"][1]),
        "macro_f1": macro_f1(kind, predicted, targets),
        "f1_by_class": dict(zip(labels, class_f1s(kind, predicted, targets), strict=True)),
        "accuracy": accuracy / 100,
        "accuracy_interval": [None if x is None else x / 100 for x in (low, high)],
        "majority_macro_f1": macro_f1(kind, common, targets),
        "majority_accuracy": float(_right(kind, common, targets).mean()),
        "validation_macro_f1": fitted.score,
    }


def _right(kind: Kind, predicted: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether a prediction is right: the strategy, or exactly the emotions that are there."""
    if kind == "strategy":
        return np.asarray(predicted == targets)
    return np.asarray((predicted == (targets > 0.5)).all(-1))
