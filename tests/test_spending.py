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
    assert spending.reserve("a", 10**9, None, alone=False)
    spending.require("all")


@pytest.mark.parametrize(
    "limits", [{"max_tokens": 100}, {"max_cost": 1.0}, {"max_tokens": 100, "max_cost": 0.5}]
)
def test_what_goes_out_beside_others_fits_into_what_is_left(limits):
    spending = Spending(**limits)
    spending.add(answer(cost=0.125))
    keys = [str(n) for n in range(50)]
    out = [k for k in keys if spending.reserve(k, 15, 0.125, alone=k == "0")]
    assert 1 < len(out) < 50
    for key in out:
        spending.add(answer(cost=0.125))  # 15 tokens, the most that was thought of
        spending.release(key)
    assert spending.tokens <= limits.get("max_tokens", 10**9)
    assert spending.usage.cost <= limits.get("max_cost", 10**9)


def test_one_that_goes_alone_needs_only_that_something_is_left():
    spending = Spending(max_tokens=100)
    spending.add(answer(90, 5))
    assert not spending.reserve("a", 15, None, alone=False)
    assert spending.reserve("a", 15, None, alone=True)
    spending.add(answer())
    spending.release("a")
    assert not spending.reserve("b", 1, None, alone=True)


def test_no_question_is_taken_for_smaller_than_the_largest_answer_so_far():
    spending = Spending(max_tokens=100, max_cost=10.0)
    spending.add(answer(30, 10, cost=3.0))
    asked = [spending.reserve(k, 1, 0.001, alone=k == "0") for k in "012"]
    assert asked == [True, False, False]


def test_what_is_kept_aside_is_given_back():
    spending = Spending(max_tokens=30)
    spending.add(answer(1, 1))
    assert spending.reserve("a", 20, None, alone=True)
    assert not spending.reserve("b", 20, None, alone=False)
    spending.release("a")
    assert spending.reserve("b", 20, None, alone=False)


def test_with_a_limit_one_goes_alone_until_something_was_answered():
    spending = Spending(max_tokens=1000)
    assert not spending.reserve("a", 1, None, alone=False)
    spending.add(answer(1, 1, status="error"))
    assert not spending.reserve("a", 1, None, alone=False)
    spending.add(answer(1, 1))
    assert spending.reserve("a", 1, None, alone=False)


def test_what_nobody_knows_the_price_of_goes_alone_under_a_limit_of_cost():
    spending = Spending(max_cost=1.0)
    spending.add(answer(cost=0.1))
    assert spending.reserve("a", 20, None, alone=True)
    assert not spending.reserve("b", 20, None, alone=False)
    assert spending.reserve("c", 20, 0.01, alone=False)


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
    Spending(max_cost=1.0).check(answer(), charges=False)
