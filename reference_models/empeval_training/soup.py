"""Several trainings from one beginning as one network: the mean of their weights.

Trainings that begin with the same weights and differ in the order of their examples end near one
another, so that the mean of their weights is a network as well, and often a better one than any of
them (Wortsman et al. 2022, Model soups, arXiv:2203.05482). It costs no more to run than one of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

DOWN, UP = ".lora_A.", ".lora_B."
FITTED_LATER = "topic."
"""Weights of what is learned after the mean is taken."""


def mean_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of networks' trained weights.

    Of low-rank adapters the mean of the changes is taken that they stand for, and then the nearest
    change of their rank (Eckart and Young 1936): the mean of the factors would be another one.

    Args:
        states: a network each, name -> weights; of one recipe, so of equal shapes. What not all
            of them have, and what is fitted later, is left out.
    """
    shared = set.intersection(*(set(state) for state in states))
    mean: dict[str, Tensor] = {}
    for name in sorted(shared):
        if FITTED_LATER in name or UP in name:
            continue
        other = name.replace(DOWN, UP)
        if other == name:
            mean[name] = torch.stack([state[name].float() for state in states]).mean(0)
            continue
        changes = [state[other].float() @ state[name].float() for state in states]
        change = torch.stack(changes).mean(0)
        mean[other], mean[name] = factors(change, len(states[0][name]))
    return mean


def factors(change: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The nearest product of rank ``rank`` of a matrix, shape (out, in).

    Returns:
        (out, rank) and (rank, in), equally long.
    """
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    roots = values[:rank].sqrt()
    up, down = left[:, :rank] * roots, roots[:, None] * right[:rank]
    lacking = rank - up.shape[1]  # a rank above the matrix's own
    if lacking > 0:
        up = torch.nn.functional.pad(up, (0, lacking))
        down = torch.nn.functional.pad(down, (0, 0, 0, lacking))
    return up.contiguous(), down.contiguous()
