"""The teacher's loss, term by term, against loops over plain numbers."""

from __future__ import annotations

import math
import types

import numpy as np
import pytest
import torch
from torch import nn

from empeval_training.teacher.network import (
    DIALOGUE_WEIGHT,
    MARGIN,
    OFFSET_PENALTY,
    PAIR_WEIGHT,
    SAME_WEIGHT,
    TOLERANCE,
    Teacher,
)
from empeval_training.teacher.targets import HEADS, NAMES

NO_PAIRS = torch.zeros(0, 2, dtype=torch.long)
NO_SAME = torch.zeros(0, 3, dtype=torch.long)
NO_TARGETS = torch.zeros(0, 4, dtype=torch.long)


class Nothing(nn.Module):
    """Stands where the encoder's layers are: states pass through."""

    config = types.SimpleNamespace(hidden_size=4)

    def forward(self, states, attention_mask):
        return types.SimpleNamespace(last_hidden_state=states)


@pytest.fixture
def teacher():
    torch.manual_seed(3)
    made = Teacher(Nothing(), raters=3, dropout=0.0)
    nn.init.normal_(made.offsets.weight, std=0.7)
    for thresholds in made.thresholds:
        nn.init.normal_(thresholds)
        thresholds.data = thresholds.data.sort().values
    return made


def batch(count, seed=0):
    dice = torch.Generator().manual_seed(seed)
    mask = torch.ones(count, 5, dtype=torch.long)
    reply = torch.zeros_like(mask)
    reply[:, 3:] = 1
    states = 2 * torch.randn(count, 5, 4, generator=dice)
    return {"states": states, "attention_mask": mask, "reply_mask": reply}


def loss(teacher, rows, targets=(), pairs=(), same=()):
    made = teacher(
        rows,
        targets=torch.tensor([t[:4] for t in targets]) if targets else NO_TARGETS,
        ratings=torch.tensor([float(t[4]) for t in targets]),
        pairs=torch.tensor(pairs) if pairs else NO_PAIRS,
        same=torch.tensor(same) if same else NO_SAME,
    )
    return float(made["loss"].detach())


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def offsets_term(teacher):
    return OFFSET_PENALTY * float(teacher.offsets.weight.detach().square().mean())


def ordinal(teacher, latents, targets):
    """-log of each step's chance: the mean over a head's steps and ratings, weighted by head."""
    total: dict[int, list[float]] = {}
    for row, number, rater, _, rating in targets:
        head = HEADS[number]
        shown = latents[row][number] + float(teacher.offsets.weight.detach()[rater, 0])
        steps = []
        for place, level in enumerate(range(head.low, head.high)):
            above = sigmoid(shown - float(teacher.thresholds[number].detach()[place]))
            steps.append(-math.log(above if rating > level + 0.5 else 1 - above))
        total.setdefault(number, []).append(head.weight * sum(steps) / len(steps))
    return sum(sum(own) / len(own) for own in total.values())


def in_dialogues(latents, targets):
    gaps = [
        latents[one[0]][one[1]] - latents[other[0]][other[1]]
        for one in targets
        for other in targets
        if one[3] == other[3] and one[1] == other[1] and one[4] > other[4]
    ]
    return sum(math.log1p(math.exp(-gap)) for gap in gaps) / len(gaps) if gaps else 0.0


def test_ratings_cost_what_a_loop_over_their_steps_says(teacher):
    dice = np.random.default_rng(1)
    targets = []
    for row in range(12):  # each of a dialogue of its own
        number = int(dice.integers(len(HEADS)))
        head = HEADS[number]
        rating = int(dice.integers(head.low, head.high + 1))
        targets.append((row, number, int(dice.integers(4)), row, rating))
    rows = batch(12)
    latents = teacher.latents(rows).tolist()
    expected = ordinal(teacher, latents, targets) + offsets_term(teacher)
    assert loss(teacher, rows, targets) == pytest.approx(expected, rel=1e-5)


def test_pairs_of_one_dialogue_and_one_head_are_ordered_too(teacher):
    exchanges, ratings = NAMES.index("exchanges"), NAMES.index("ratings")
    targets = [
        (0, ratings, 1, 0, 3), (1, ratings, 1, 0, 1), (2, ratings, 2, 0, 3),
        (3, ratings, 0, 1, 2), (4, exchanges, 0, 0, 5), (5, exchanges, 0, 2, 1),
    ]  # fmt: skip
    rows = batch(6)
    latents = teacher.latents(rows).tolist()
    expected = (
        ordinal(teacher, latents, targets)
        + offsets_term(teacher)
        + DIALOGUE_WEIGHT * in_dialogues(latents, targets)
    )
    assert in_dialogues(latents, targets) > 0
    assert loss(teacher, rows, targets) == pytest.approx(expected, rel=1e-5)


def test_a_difference_below_a_quarter_of_a_point_orders_nothing(teacher):
    number, rows = NAMES.index("condolence"), batch(2)
    latents = teacher.latents(rows).tolist()
    for gap, counts in ((0.3, True), (0.2, False)):
        targets = [(0, number, 0, 0, 3 + gap), (1, number, 0, 0, 3)]
        plain = ordinal(teacher, latents, targets) + offsets_term(teacher)
        more = DIALOGUE_WEIGHT * in_dialogues(latents, targets) if counts else 0
        assert loss(teacher, rows, targets) == pytest.approx(plain + more, rel=1e-5)


def alike(rows):
    """Both rows read the same."""
    return {k: v[:1].repeat(2, *[1] * (v.dim() - 1)) for k, v in rows.items()}


def test_a_changed_reply_that_does_not_move_costs_nothing(teacher):
    rows = alike(batch(2))
    assert loss(teacher, rows, same=[(0, 1, 1)]) == pytest.approx(offsets_term(teacher))


@pytest.mark.parametrize("mechanisms", [0, 1])
def test_a_changed_reply_costs_what_it_moves_beyond_the_tolerance(teacher, mechanisms):
    rows = batch(2)
    latents = teacher.latents(rows).tolist()
    counted = [
        max(0.0, abs(latents[1][n] - latents[0][n]) - TOLERANCE)
        for n, head in enumerate(HEADS)
        if head.overall or mechanisms
    ]
    expected = SAME_WEIGHT * sum(counted) / len(counted) + offsets_term(teacher)
    assert sum(counted) > 0
    assert loss(teacher, rows, same=[(0, 1, mechanisms)]) == pytest.approx(expected, rel=1e-5)


def test_a_worse_reply_costs_by_the_margin_that_it_lacks(teacher):
    rows = batch(3)
    latents = teacher.latents(rows).tolist()
    terms = [
        math.log1p(math.exp(2 * (MARGIN - (latents[a][n] - latents[b][n])))) / 2
        for a, b in ((0, 1), (0, 2))
        for n, head in enumerate(HEADS)
        if head.overall
    ]
    expected = PAIR_WEIGHT * sum(terms) / len(terms) + offsets_term(teacher)
    assert loss(teacher, rows, pairs=[(0, 1), (0, 2)]) == pytest.approx(expected, rel=1e-5)


def test_a_step_of_training_pushes_a_worse_reply_down_and_brings_a_same_one_back(teacher):
    rows = batch(3)
    overall = torch.tensor([h.overall for h in HEADS])
    before = teacher.latents(rows).detach()[:, overall]
    optimizer = torch.optim.Adam(teacher.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        teacher(
            rows, NO_TARGETS, torch.zeros(0), torch.tensor([[0, 1]]), torch.tensor([[0, 2, 0]])
        )["loss"].backward()
        optimizer.step()
    after = teacher.latents(rows).detach()[:, overall]
    assert ((after[0] - after[1]) > (before[0] - before[1])).all()
    assert (after[0] - after[2]).abs().mean() < (before[0] - before[2]).abs().mean() / 2


def test_raters_offsets_take_up_what_they_say_apart(teacher):
    """Rater 1 gives 5, rater 2 gives 1 to the same reply; nobody in particular is between."""
    number, rows = NAMES.index("condolence"), alike(batch(2))
    nn.init.zeros_(teacher.offsets.weight)
    targets = torch.tensor([[0, number, 1, 0], [0, number, 2, 1]])
    optimizer = torch.optim.Adam(teacher.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        teacher(rows, targets, torch.tensor([5.0, 1.0]), NO_PAIRS, NO_SAME)["loss"].backward()
        optimizer.step()
    nobody, generous, strict, unseen = teacher.offsets.weight.detach()[:, 0].tolist()
    assert generous > 0.5
    assert strict < -0.5
    assert nobody == unseen == 0  # who said nothing is pulled to 0 and stays there
    assert 2 < float(teacher(rows)["logits"].detach()[0, number]) < 4


def test_expected_ratings_are_means_of_levels_by_their_chances(teacher):
    rows = batch(4)
    latents = teacher.latents(rows).tolist()
    found = teacher(rows)["logits"]
    assert found.shape == (4, len(HEADS))
    for row in range(4):
        for n, head in enumerate(HEADS):
            above = [sigmoid(latents[row][n] - t) for t in teacher.thresholds[n].tolist()]
            edges = [1.0, *above, 0.0]
            mean = sum((head.low + k) * (edges[k] - edges[k + 1]) for k in range(len(above) + 1))
            assert float(found[row, n]) == pytest.approx(mean, abs=1e-5)
            assert head.low <= found[row, n] <= head.high


def test_the_reply_and_the_whole_are_pooled_apart_and_padding_is_not_looked_at(teacher):
    rows = batch(2)
    rows["attention_mask"][1, 4] = rows["reply_mask"][1, 4] = 0
    before = teacher.latents(rows)
    rows["states"][1, 4] = 99.0  # padding
    assert torch.equal(before, teacher.latents(rows))
    rows["states"][1, 3] += 1.0  # the reply
    assert not torch.allclose(before[1], teacher.latents(rows)[1])
