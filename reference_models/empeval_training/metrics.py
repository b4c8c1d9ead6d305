"""What a training measures: the scale of ``empathy``, and metrics on validation and test parts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.scales import RELEVANCE
from empeval_training.data import NO_EMOTION, Labelled
from empeval_training.examples import HUMAN, Example
from empeval_training.scales import CANDIDATES, NAMES
from empeval_training.teacher.labelling import MEASURED
from empeval_training.teacher.overall import Fitted, Said, fit_overall

STRANGERS = 2
"""Replies to somebody else that each of people's replies of the validation part is held against."""


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
    own, strangers = own_and_others(validation)
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


def own_and_others(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """People's replies, each ``STRANGERS`` times, and in their place replies of people to somebody
    else, drawn always alike; as long as one another. None where all are of one conversation.
    """
    humans = [example for example in examples if example.variant == HUMAN]
    dice = random.Random(len(humans))  # noqa: S311 - no secret hangs on it
    own, others = [], []
    for human in humans:
        elsewhere = [e for e in humans if e.conversation != human.conversation]
        for donor in dice.sample(elsewhere, min(STRANGERS, len(elsewhere))):
            own.append(human)
            others.append(msgspec.structs.replace(human, reply=donor.reply, variant="stranger"))
    return own, others


def metrics_of(
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
    metrics = {
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
        metrics[name] = _spearman(
            output["mechanisms"][chosen][rated, column], levels[rated, column]
        )
    if "full_emotion" in output:
        full = output["full_emotion"][chosen]
        metrics["full_emotion_accuracy"] = float((full == emotion)[known].mean())
    return metrics


def people_metrics(rated: Sequence[Example], output: dict[str, np.ndarray]) -> dict[str, float]:
    """Spearman's correlation with what people said of replies of the rated sets' test part.

    Args:
        rated: with people's ratings in the place of labels, where they gave them.
        output: what ``predict`` gave for them.
    """
    names = np.array([example.variant.removeprefix("rated:") for example in rated])
    metrics: dict[str, float] = {}
    for name in ("exchanges-1-5", "ratings-1-3"):
        own = names == name
        said = [e.empathy or 0.0 for e in rated if e.variant == f"rated:{name}"]
        if own.any():
            metrics[name] = _spearman(output["empathy"][own], np.array(said))
    own = names == "epitome"
    if own.any():
        said_of = np.array([e.mechanisms for e in rated if e.variant == "rated:epitome"])
        levels = output["mechanisms"][own]
        for column, mechanism in enumerate(MECHANISMS):
            metrics[mechanism] = _spearman(levels[:, column], said_of[:, column])
        metrics["mechanisms"] = _spearman(levels.sum(1), said_of.sum(1))
    return metrics


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one side is constant and has none."""
    from scipy.stats import spearmanr

    varied = np.ptp(one) > 0 and np.ptp(other) > 0
    return float(spearmanr(one, other).statistic) if varied else 0.0
