"""What a run takes is counted, and held against what it may take."""

from __future__ import annotations

import pytest

from empeval import EmpevalError, Response
from empeval.records import Usage
from empeval.spending import LimitReachedError, Spending


def answer(prompt=10, completion=5, cost=None, status="ok"):
    return Response(
        "1", "x", status, prompt_tokens=prompt, completion_tokens=completion, cost=cost,
        cached_tokens=4,
    )  # fmt: skip


def test_tokens_and_cost_of_all_answers_are_added_up():
    spending = Spending(before=Usage(1, 0, 2, 0.5))
    spending.add(answer(cost=0.25))
    spending.add(answer(None, None))
    assert spending.usage == Usage(11, 4 + 4, 7, 0.75)
    assert (spending.tokens, spending.answers) == (18, 2)
    assert spending.said() == "18 tokens, 0.7500 USD"


def test_without_a_limit_there_is_always_more():
    spending = Spending()
    spending.add(answer(10**9, 10**9, 1e9))
    assert spending.allows(10**6)
    spending.require("all")


@pytest.mark.parametrize(
    "limits", [{"max_tokens": 100}, {"max_cost": 1.0}, {"max_tokens": 100, "max_cost": 0.5}]
)
def test_what_is_under_way_is_taken_for_as_large_as_the_largest_so_far(limits):
    spending = Spending(**limits)
    spending.add(answer(cost=0.125))  # 15 tokens
    spending.add(answer(1, 1, cost=0.0625))
    under_way = 0
    while spending.allows(under_way):
        under_way += 1
    assert under_way > 1
    for _ in range(under_way):
        spending.add(answer(cost=0.125))
    assert not spending.allows()
    for limit, taken, largest in (
        (limits.get("max_tokens", 10**9), spending.tokens, 15),
        (limits.get("max_cost", 10**9), spending.usage.cost, 0.125),
    ):
        assert taken <= limit + largest


def test_with_a_limit_one_goes_alone_until_the_size_of_an_answer_is_known():
    spending = Spending(max_tokens=1000)
    assert [spending.allows(0), spending.allows(1)] == [True, False]
    spending.add(answer())
    assert spending.allows(1)
    assert Spending().allows(1)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"max_tokens": 15}, "Stopped at --max-tokens-total 15: 15 tokens, 0.5000 USD are spent"),
        ({"max_cost": 0.5}, "Stopped at --max-cost 0.5 USD: 15 tokens, 0.5000 USD are spent"),
    ],
)
def test_a_limit_that_is_reached_says_how_to_go_on(limits, sentence):
    spending = Spending(**limits)
    spending.add(answer(cost=0.5))
    with pytest.raises(LimitReachedError, match=sentence) as caught:
        spending.require("3 of 9 items of t")
    assert "3 of 9 items of t are not answered yet" in str(caught.value)
    assert "a higher --max" in str(caught.value)


def test_a_limit_that_cannot_be_kept_is_said_so():
    with pytest.raises(EmpevalError, match="does not say what an answer costs"):
        Spending(max_cost=1.0).check(answer())
    with pytest.raises(EmpevalError, match="are not counted"):
        Spending(max_tokens=1).check(answer(None, None))
    Spending(max_cost=1.0, max_tokens=1).check(answer(None, None, status="error"))
    Spending().check(answer(None, None))
