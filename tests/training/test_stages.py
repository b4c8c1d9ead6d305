"""A stage of training and the predictions after it: which rows a network meets, in what order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from support.small_recipes import small_recipe
from torch import nn

from empeval_training.stages import Stage, predict, run_stage

ROWS = 24


class Numbers:
    """Rows that are their own numbers, of many lengths."""

    lengths = tuple(3 + (7 * n) % 11 for n in range(ROWS))

    def __len__(self):
        return ROWS

    def __getitem__(self, n):
        return {"number": n}


def collated(rows):
    return {"number": torch.tensor([row["number"] for row in rows])}


class Remembers(nn.Module):
    """Has one weight, and keeps the numbers of the rows that it is trained on."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.met = []

    def forward(self, number, **_):
        self.met += number.tolist()
        return {"loss": (self.weight * number.float().mean()).sum() ** 2 + self.weight.sum()}


def epochs_of(tmp_path, seed):
    network = Remembers()
    recipe = small_recipe("baseline", tmp_path)
    stage = Stage("both", 3, None)
    run_stage(stage, recipe, network, Numbers(), None, collated, tmp_path / str(seed), seed)
    assert len(network.met) == 3 * ROWS
    return [network.met[n * ROWS : (n + 1) * ROWS] for n in range(3)]


def test_every_epoch_meets_every_row_once_in_an_order_of_its_own(tmp_path):
    first, second, third = epochs_of(tmp_path, 1)
    assert sorted(first) == sorted(second) == sorted(third) == list(range(ROWS))
    assert first != second
    assert second != third
    assert first != third
    assert first != sorted(first)
    assert epochs_of(tmp_path, 2)[0] != first, "the seed decides"


class Tells(nn.Module):
    """Answers with the numbers of the rows that it is asked."""

    device = torch.device("cpu")

    def forward(self, full):
        number = full["number"].float()
        return SimpleNamespace(
            empathy=number,
            mechanisms=torch.stack([number, number + 100, number + 200], 1),
            emotion_logits=nn.functional.one_hot(full["number"], ROWS).float(),
            full_emotion_logits=None,
            latents=-number[:, None],
            match=number / ROWS,
        )


def test_predictions_come_in_the_order_of_the_rows_and_not_of_their_lengths():
    found = predict(Tells(), Numbers(), lambda rows: {"full": collated(rows)})
    wanted = np.arange(ROWS)
    assert set(found) == {"empathy", "emotion", "mechanisms", "latents", "match"}
    assert np.allclose(found["match"] * ROWS, wanted)
    assert found["latents"].tolist() == [[-n] for n in wanted]
    assert found["empathy"].tolist() == found["emotion"].tolist() == wanted.tolist()
    assert found["mechanisms"].tolist() == [[n, n + 100, n + 200] for n in wanted]
