from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.eqbench import NAMES, REFERENCE

from empeval_tasks.eqbench.scoring import (
    best_constant,
    constant_scores,
    item_score,
    penalty,
    random_score,
)

intensities = st.floats(0, 10, allow_nan=False)
quadruples = st.tuples(*[intensities] * 4).map(lambda x: dict(zip(NAMES, x, strict=True)))


def test_the_reference_itself_scores_ten() -> None:
    assert item_score(REFERENCE, REFERENCE) == 10


@pytest.mark.parametrize(
    ("distance", "cost"),
    [(0, 0), (1, 0.17288), (4, 3.25), (5, 4.99541), (5.5, 5.5), (6, 6), (10, 10), (25, 25)],
)
def test_a_distance_costs_what_the_published_formula_says(distance: float, cost: float) -> None:
    assert penalty(distance) == pytest.approx(cost, abs=1e-5)


def test_far_off_intensities_cost_without_limit() -> None:
    assert item_score({**REFERENCE, "Amused": 30}, REFERENCE) == pytest.approx(10 - 0.7477 * 30)


@given(quadruples, quadruples)
def test_a_score_is_at_most_ten_and_at_least_that_of_four_extremes(
    answer: dict[str, float], reference: dict[str, float]
) -> None:
    assert 10 - 0.7477 * 40 <= item_score(answer, reference) <= 10


@given(quadruples, quadruples)
def test_answer_and_reference_can_change_places(
    answer: dict[str, float], reference: dict[str, float]
) -> None:
    assert math.isclose(item_score(answer, reference), item_score(reference, answer), abs_tol=1e-12)


@given(quadruples, st.permutations(NAMES))
def test_the_order_of_the_emotions_does_not_matter(
    answer: dict[str, float], order: list[str]
) -> None:
    shuffled = {name: answer[name] for name in order}
    assert math.isclose(item_score(shuffled, REFERENCE), item_score(answer, REFERENCE))


def test_the_best_constant_is_found_among_all_whole_numbers() -> None:
    references = [dict.fromkeys(NAMES, float(x)) for x in (6, 6, 6, 7)]
    assert best_constant(references) == 6
    assert constant_scores(references, 6)[:3] == [10, 10, 10]


def test_the_expected_score_of_random_answers_agrees_with_drawing_them() -> None:
    generator = random.Random(4)
    drawn = [
        item_score({name: generator.randint(0, 10) for name in NAMES}, REFERENCE)
        for _ in range(40_000)
    ]
    assert random_score(REFERENCE) == pytest.approx(sum(drawn) / len(drawn), abs=0.1)
