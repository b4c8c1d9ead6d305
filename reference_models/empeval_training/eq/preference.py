"""What a model makes of preference pairs: log-probabilities, implicit rewards, accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from empeval import cluster_mean, cluster_share
from empeval_training.eq.fitting import Row
from empeval_training.eq.pairs import Pair
from empeval_training.progress import bar


def log_probabilities(model: Any, tokenizer: Any, rows: Sequence[Row]) -> np.ndarray:
    """Log-probability and tokens of chosen and rejected replies, shape (rows, 2, 2).

    ``[:, side, 0]`` is the sum over the reply's tokens, ``[:, side, 1]`` their number; side 0 is
    the chosen reply.
    """
    import torch

    was_training = model.training
    model.eval()
    result = np.zeros((len(rows), 2, 2))
    with torch.inference_mode():
        for place, row in enumerate(bar(rows, "pairs")):
            for side, name in enumerate(("chosen", "rejected")):
                ids, start = _tokens(row["prompt"], row[name], tokenizer)
                tensor = torch.tensor([ids], device=model.device)
                logits = model(input_ids=tensor).logits[0, start - 1 : -1].float()
                picked = logits.log_softmax(-1).gather(-1, tensor[0, start:].unsqueeze(-1))
                result[place, side] = float(picked.sum()), len(ids) - start
    model.train(was_training)
    return result


def _tokens(prompt: Any, reply: Any, tokenizer: Any) -> tuple[list[int], int]:
    before = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*prompt, *reply], tokenize=False)
    start = len(tokenizer(before, add_special_tokens=False)["input_ids"])
    ids: list[int] = tokenizer(whole, add_special_tokens=False)["input_ids"]
    return ids, start


def metrics_of(
    pairs: Sequence[Pair], reference: np.ndarray, tuned: np.ndarray, beta: float
) -> dict[str, Any]:
    """How often the chosen reply is preferred, before and after, with 95 % intervals.

    ``likelihood_accuracy`` is the share of pairs whose chosen reply has the higher mean
    log-probability a token. ``reward_accuracy`` is the share whose implicit reward
    ``beta * (log p - log p_reference)`` is higher, ties counting half: 0.5 before training, when
    both models are the same. ``reward_margin`` is the mean difference of the rewards.

    Args:
        pairs: held-out pairs; intervals resample the talks that they are from.
        reference: their log-probabilities before training; see ``log_probabilities``.
        tuned: after it.
        beta: of the training.
    """
    talks = [pair.id.partition("#")[0] for pair in pairs]
    metrics: dict[str, Any] = {"n": len(pairs), "talks": len(set(talks))}
    for side, logs in (("before", reference), ("after", tuned)):
        means = logs[:, :, 0] / logs[:, :, 1]
        rewards = beta * (logs[:, :, 0] - reference[:, :, 0])
        margins = rewards[:, 0] - rewards[:, 1]
        wins = np.where(margins == 0, 0.5, margins > 0)
        likelier, *likely_interval = cluster_share(list(means[:, 0] > means[:, 1]), talks)
        accuracy, *interval = cluster_mean(wins.tolist(), talks)
        margin, *margin_interval = cluster_mean(margins.tolist(), talks)
        metrics[side] = {
            "likelihood_accuracy": likelier / 100,
            "likelihood_accuracy_interval": [_hundredth(x) for x in likely_interval],
            "reward_accuracy": accuracy,
            "reward_accuracy_interval": interval,
            "reward_margin": margin,
            "reward_margin_interval": margin_interval,
            "reward_accuracy_by_rule": {
                rule: float(
                    np.mean([w for w, p in zip(wins, pairs, strict=True) if p.rule == rule])
                )
                for rule in sorted({pair.rule for pair in pairs})
            },
        }
    return metrics


def _hundredth(value: float | None) -> float | None:
    return None if value is None else value / 100
