"""The losses of the three models, by the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.tiny_checkpoints import SCALES, network


def rated(dice, rows=6):
    """Ratings on each scale, some between two levels, some missing."""
    made = torch.full((rows, len(SCALES)), torch.nan)
    for column, scale in enumerate(SCALES):
        low, high = scale["low"], scale["high"]
        made[:, column] = low + (high - low) * torch.rand(rows, generator=dice)
        made[::2, column] = made[::2, column].round()
        made[column % rows, column] = torch.nan
    return made


@pytest.mark.parametrize("architecture", ["shared", "cascade"])
def test_the_loss_is_the_emotions_and_every_steps_of_every_scale(encoders, architecture):
    model = network(encoders["bert"], architecture, "mean", lambda_emo=0.3)
    dice = torch.Generator().manual_seed(2)
    seen, whole = torch.randn(2, 6, 16, generator=dice)
    emotion = torch.tensor([0, 3, -100, 31, 5, -100])
    ratings = rated(dice)
    with torch.no_grad():
        got = model.heads(seen, whole, emotion, ratings)
    assert ((got.mechanisms >= 0) & (got.mechanisms <= 2)).all()
    assert ((got.empathy >= 1) & (got.empathy <= 5)).all()

    def cross(logits):
        shares = logits.softmax(-1).numpy()
        own = [-np.log(shares[n, c]) for n, c in enumerate(emotion.tolist()) if c >= 0]
        return sum(own) / len(emotion)

    both = [got.emotion_logits]
    if architecture == "cascade":
        both.append(got.full_emotion_logits)
    expected = 0.3 * np.mean([cross(x) for x in both])
    thresholds = iter(model.scales.thresholds.tolist())
    for column, scale in enumerate(SCALES):
        for level in range(scale["low"], scale["high"]):
            step = next(thresholds)
            for latent, rating in zip(got.latents[:, column].tolist(), ratings[:, column].tolist(),
                                      strict=True):  # fmt: skip
                if rating == rating:
                    chance = 1 / (1 + np.exp(step - latent))
                    above = min(1.0, max(0.0, rating - level))
                    missed = above * np.log(chance) + (1 - above) * np.log(1 - chance)
                    expected -= scale["weight"] * missed / 6
    assert float(got.loss) == pytest.approx(expected, rel=1e-4)


def test_a_mechanism_is_its_expected_level_and_empathy_the_labels(encoders):
    model = network(encoders["bert"], "shared", "mean")
    rows = torch.randn(4, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        got = model.heads(rows, rows)
    steps = model.scales.thresholds.detach().split([2, 2, 2, 2, 1, 4])
    chance = 1 / (1 + np.exp(steps[0].numpy() - got.latents[:, :1].numpy()))
    assert got.mechanisms[:, 0].numpy() == pytest.approx(chance.sum(1), abs=1e-5)
    chance = 1 / (1 + np.exp(steps[5].numpy() - got.latents[:, 5:].numpy()))
    assert got.empathy.numpy() == pytest.approx(1 + chance.sum(1), abs=1e-5)


def test_without_an_emotion_or_a_rating_in_the_batch_the_loss_is_nothing_and_no_nan(encoders):
    model = network(encoders["bert"], "shared", "mean")
    rows = torch.randn(2, 16)
    labels = torch.tensor([-100, -100])
    with torch.no_grad():
        got = model.heads(rows, rows, labels, torch.full((2, len(SCALES)), torch.nan))
    assert float(got.loss) == 0


def test_in_the_emotions_stage_the_ratings_count_for_nothing(encoders):
    model = network(encoders["bert"], "shared", "mean")
    model.ratings_weight = 0.0
    dice = torch.Generator().manual_seed(5)
    rows, labels = torch.randn(6, 16, generator=dice), torch.arange(6)
    with torch.no_grad():
        one = model.heads(rows, rows, labels, rated(dice)).loss
        other = model.heads(rows, rows, labels, rated(dice)).loss
    assert float(one) == float(other) > 0
