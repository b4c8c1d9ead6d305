"""The losses of the three models, by the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.tiny_checkpoints import network

WEIGHT = 0.7


def huber(error):
    """Squared inside of its corner at 0.5, absolute beyond; both meet there."""
    return error**2 if abs(error) < 0.5 else abs(error) - 0.25


@pytest.mark.parametrize("architecture", ["shared", "cascade"])
@pytest.mark.parametrize("weight", [0.0, WEIGHT])
def test_the_loss_is_emotion_regression_and_mechanisms(encoders, architecture, weight):
    model = network(encoders["bert"], architecture, "mean")
    model.config.lambda_emo, model.config.lambda_mechanisms = 0.3, weight
    dice = torch.Generator().manual_seed(2)
    seen, whole = torch.randn(2, 6, 16, generator=dice)
    empathy = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 2.5])
    emotion = torch.tensor([0, 3, -100, 31, 5, -100])
    levels = 2 * torch.rand(6, 3, generator=dice)
    with torch.no_grad():
        got = model.heads(seen, whole, empathy, emotion, levels)
    assert ((got.mechanisms >= 0) & (got.mechanisms <= 2)).all()

    def cross(logits):
        shares = logits.softmax(-1).numpy()
        return np.mean([-np.log(shares[n, c]) for n, c in enumerate(emotion.tolist()) if c >= 0])

    both = [got.emotion_logits]
    if architecture == "cascade":
        both.append(got.full_emotion_logits)
    regression = np.mean([huber(e) for e in (got.empathy - empathy).tolist()])
    squared = ((got.mechanisms - levels).numpy() ** 2).mean()
    expected = 0.3 * np.mean([cross(x) for x in both]) + regression + weight * squared
    assert float(got.loss) == pytest.approx(expected, rel=1e-4)
    with torch.no_grad():
        without = model.heads(seen, whole, empathy, emotion)
    assert float(got.loss - without.loss) == pytest.approx(weight * squared, abs=1e-5)


def test_without_an_emotion_in_the_batch_its_loss_is_nothing_and_no_nan(encoders):
    model = network(encoders["bert"], "shared", "mean")
    rows = torch.randn(2, 16)
    labels = torch.tensor([-100, -100])
    with torch.no_grad():
        got = model.heads(rows, rows, torch.tensor([2.0, 3.0]), labels)
    errors = (got.empathy - torch.tensor([2.0, 3.0])).tolist()
    assert float(got.loss) == pytest.approx(np.mean([huber(e) for e in errors]), rel=1e-5)
