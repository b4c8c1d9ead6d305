"""Trains one head on embeddings: seconds of AdamW on a matrix, stopped early on macro-F1.

A loop of ten lines, because what there is to train is two linear layers on a matrix in memory.
"""

from __future__ import annotations

from collections.abc import Callable

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


def fit_head(
    kind: Kind,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    recipe: Reading,
    seed: int,
) -> tuple[Head, float]:
    """Train a head and keep the epoch with the best macro-F1 on validation.

    Args:
        kind: which head.
        train: embeddings (rows, width) and targets; see ``reading.Labelled``.
        validation: the same of the validation split.
        recipe: hyper-parameters.
        seed: of weights, order and dropout.

    Returns:
        The head, in evaluation mode, and the probability from which an emotion counts as there
        (chosen on validation; 0 for strategies, where the likeliest one counts).
    """
    torch.manual_seed(seed)
    classes = (
        train[1].shape[1]
        if kind == "emotion"
        else int(max(train[1].max(), validation[1].max())) + 1
    )
    head = Head(train[0].shape[1], recipe.hidden, classes, recipe.dropout)
    loss_of = _loss(kind, train[1], recipe.balance)
    x = torch.from_numpy(np.asarray(train[0], dtype=np.float32))
    y = torch.from_numpy(np.asarray(train[1]))
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
        score = max(_f1s(kind, logits_of(head, validation[0]), validation[1]).values())
        if score > best:
            best, since = score, 0
            state = {name: weight.clone() for name, weight in head.state_dict().items()}
        else:
            since += 1
            if since >= recipe.patience:
                break
    head.load_state_dict(state)
    head.eval()
    found = _f1s(kind, logits_of(head, validation[0]), validation[1])
    return head, max(found, key=lambda limit: found[limit])


def logits_of(head: Head, embeddings: np.ndarray) -> np.ndarray:
    """Logits of embeddings, shape (rows, classes)."""
    with torch.inference_mode():
        logits: np.ndarray = head(
            torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
        ).numpy()
    return logits


def predict(kind: Kind, logits: np.ndarray, limit: float) -> np.ndarray:
    """Classes: (rows, 28) booleans of emotions, or (rows,) numbers of strategies."""
    chosen: np.ndarray = logits.argmax(-1) if kind == "strategy" else expit(logits) >= limit
    return chosen


def class_f1s(kind: Kind, predicted: np.ndarray, targets: np.ndarray) -> list[float]:
    """F1 of each class; one that is neither there nor predicted has 0."""
    from sklearn.metrics import f1_score

    labels = list(range(8)) if kind == "strategy" else None
    scores = f1_score(targets, predicted, average=None, labels=labels, zero_division=0.0)
    return [float(score) for score in scores]


def macro_f1(kind: Kind, predicted: np.ndarray, targets: np.ndarray) -> float:
    """The mean over the classes of F1."""
    return float(np.mean(class_f1s(kind, predicted, targets)))


def _f1s(kind: Kind, logits: np.ndarray, targets: np.ndarray) -> dict[float, float]:
    """Macro-F1 on validation by threshold."""
    limits = [0.0] if kind == "strategy" else [float(x) for x in LIMITS]
    return {limit: macro_f1(kind, predict(kind, logits, limit), targets) for limit in limits}


def _loss(
    kind: Kind, targets: np.ndarray, balance: float
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Binary cross-entropy over 28 emotions, or cross-entropy over 8 strategies, weighted.

    An emotion's positive rows weigh ``((1 - share) / share) ** balance``, a strategy's rows
    ``share ** -balance``, scaled to a mean of 1 over the rows.
    """
    shares = class_shares(kind, targets).clip(1e-4, 1 - 1e-4)
    if kind == "emotion":
        weights = ((1 - shares) / shares) ** balance
        return nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weights, dtype=torch.float32))
    weights = shares**-balance
    weights = weights / (weights * shares).sum()
    return nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float32))
