"""Trains one head on embeddings: seconds of AdamW on a matrix, stopped early on macro-F1.

A loop of ten lines, because what there is to train is two linear layers on a matrix in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from torch import nn

from empeval_heads.facts import Kind
from empeval_heads.head import Head
from empeval_training.eq.reading import class_shares
from empeval_training.eq.recipes import Reading

LIMITS = np.linspace(0.05, 0.9, 18)
"""Thresholds that are tried for an emotion to count as there."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Rows = tuple[np.ndarray, np.ndarray]
"""Embeddings, shape (rows, width), and targets; see ``reading.Labelled``."""


@dataclass(frozen=True)
class Fitted:
    """A trained head.

    Attributes:
        head: in evaluation mode.
        limits: the probability from which each emotion counts as there, chosen on validation;
            empty for strategies, where the likeliest one counts.
        score: macro-F1 on validation with these.
    """

    head: Head
    limits: tuple[float, ...]
    score: float


def fit_heads(kind: Kind, train: Rows, validation: Rows, recipe: Reading, seed: int) -> Fitted:
    """Train ``recipe.members`` heads that differ by their seed, as one; see ``fuse``.

    Args:
        kind: which head.
        train: embeddings and targets.
        validation: the same of the validation split; training stops and thresholds are chosen by
            it.
        recipe: hyper-parameters.
        seed: of the first head's weights, order and dropout; the next one's is one more.
    """
    members = [fit_head(kind, train, validation, recipe, seed + n) for n in range(recipe.members)]
    if len(members) == 1:
        return members[0]
    head = fuse([member.head for member in members])
    limits, score = choose_limits(kind, logits_of(head, validation[0]), validation[1])
    return Fitted(head, limits, score)


def fit_head(kind: Kind, train: Rows, validation: Rows, recipe: Reading, seed: int) -> Fitted:
    """Train a head and keep the epoch with the best macro-F1 on validation.

    Args:
        kind: which head.
        train: embeddings and targets.
        validation: the same of the validation split.
        recipe: hyper-parameters.
        seed: of weights, order and dropout.
    """
    torch.manual_seed(seed)
    classes = (
        train[1].shape[1]
        if kind == "emotion"
        else int(max(train[1].max(), validation[1].max())) + 1
    )
    x = torch.from_numpy(np.asarray(train[0], dtype=np.float32))
    y = torch.from_numpy(np.asarray(train[1]))
    head = Head(x.shape[1], recipe.hidden, classes, recipe.dropout, standardized=recipe.standardize)
    if recipe.standardize:
        head.center.copy_(x.mean(0))
        head.scale.copy_(1 / x.std(0).clamp_min(1e-3))
    loss_of = _loss(kind, train[1], recipe.balance)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    best, state, since = -1.0, head.state_dict(), 0
    for _ in range(recipe.epochs):
        head.train()
        for rows in torch.randperm(len(x)).split(recipe.batch_size):
            optimizer.zero_grad()
            loss_of(head(x[rows]), y[rows]).backward()
            optimizer.step()
        head.eval()
        _, score = choose_limits(kind, logits_of(head, validation[0]), validation[1])
        if score > best:
            best, since = score, 0
            state = {name: weight.clone() for name, weight in head.state_dict().items()}
        else:
            since += 1
            if since >= recipe.patience:
                break
    head.load_state_dict(state)
    head.eval()
    return Fitted(head, *choose_limits(kind, logits_of(head, validation[0]), validation[1]))


def fuse(heads: Sequence[Head]) -> Head:
    """One head whose logits are the mean of several heads' logits, exactly.

    Their inner layers stand side by side; each one's norm is multiplied into its inner layer.

    Args:
        heads: of the same width and classes, standardized alike.
    """
    first = heads[0]
    width, classes = first.inner.in_features, first.outer.out_features
    hidden = sum(head.inner.out_features for head in heads)
    whole = Head(width, hidden, classes, standardized=first.standardized)
    with torch.no_grad():
        whole.inner.weight.copy_(torch.cat([h.inner.weight * h.norm.weight for h in heads]))
        whole.inner.bias.copy_(
            torch.cat([h.inner.bias + h.inner.weight @ h.norm.bias for h in heads])
        )
        whole.outer.weight.copy_(torch.cat([h.outer.weight for h in heads], 1) / len(heads))
        whole.outer.bias.copy_(torch.stack([h.outer.bias for h in heads]).mean(0))
        if first.standardized:
            whole.center.copy_(first.center)
            whole.scale.copy_(first.scale)
    whole.eval()
    return whole


def logits_of(head: Head, embeddings: np.ndarray) -> np.ndarray:
    """Logits of embeddings, shape (rows, classes)."""
    with torch.inference_mode():
        logits: np.ndarray = head(
            torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
        ).numpy()
    return logits


def predict(kind: Kind, logits: np.ndarray, limits: Sequence[float]) -> np.ndarray:
    """Classes: (rows, 28) booleans of emotions, or (rows,) numbers of strategies.

    Args:
        kind: which head.
        logits: shape (rows, classes).
        limits: one threshold for each emotion; not read for strategies.
    """
    if kind == "strategy":
        likeliest: np.ndarray = logits.argmax(-1)
        return likeliest
    chosen: np.ndarray = expit(logits) >= np.asarray(limits)
    return chosen


def choose_limits(
    kind: Kind, logits: np.ndarray, targets: np.ndarray
) -> tuple[tuple[float, ...], float]:
    """The thresholds with the best F1 of each emotion, and the macro-F1 with them.

    Of thresholds that are equally good the one nearest to the middle of the scale is taken.
    """
    if kind == "strategy":
        return (), macro_f1(kind, predict(kind, logits, ()), targets)
    there = targets > 0.5
    chance = expit(logits)
    positives = there.sum(0)
    found = np.zeros((len(LIMITS), logits.shape[1]))
    for place, limit in enumerate(LIMITS):
        said = chance >= limit
        both = 2 * (said & there).sum(0)
        found[place] = both / np.maximum(said.sum(0) + positives, 1)
    order = np.argsort(np.abs(LIMITS - 0.5), kind="stable")
    best = order[found[order].argmax(0)]
    return tuple(float(LIMITS[place]) for place in best), float(found.max(0).mean())


def class_f1s(kind: Kind, predicted: np.ndarray, targets: np.ndarray) -> list[float]:
    """F1 of each class; one that is neither there nor predicted has 0."""
    from sklearn.metrics import f1_score

    labels = list(range(8)) if kind == "strategy" else None
    scores = f1_score(targets, predicted, average=None, labels=labels, zero_division=0.0)
    return [float(score) for score in scores]


def macro_f1(kind: Kind, predicted: np.ndarray, targets: np.ndarray) -> float:
    """The mean over the classes of F1."""
    return float(np.mean(class_f1s(kind, predicted, targets)))


def _loss(kind: Kind, targets: np.ndarray, balance: float) -> Loss:
    """Binary cross-entropy over 28 emotions, or cross-entropy over 8 strategies, weighted.

    An emotion's positive rows weigh ``((1 - share) / share) ** balance``, a strategy's rows
    ``share ** -balance``, scaled to a mean of 1 over the rows.
    """
    shares = class_shares(kind, targets).clip(1e-4, 1 - 1e-4)
    loss: Loss
    if kind == "emotion":
        weights = torch.tensor(((1 - shares) / shares) ** balance, dtype=torch.float32)
        loss = nn.BCEWithLogitsLoss(pos_weight=weights)
    else:
        weights = torch.tensor(shares**-balance, dtype=torch.float32)
        weights = weights / (weights * torch.tensor(shares, dtype=torch.float32)).sum()
        loss = nn.CrossEntropyLoss(weight=weights)
    return loss
