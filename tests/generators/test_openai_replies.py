"""What comes back from a server becomes a response, or a status that says why there is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asking import ask
from support.model_server import MODEL

from empeval.errors import EmpevalError
from empeval.generators.openai import OpenAI
from empeval.generators.openai.failures import PassingError, StayingError
from empeval.generators.openai.replies import Price, Reader, is_version


def reply(message, finish="stop", usage=None, model=MODEL, **choice):
    """A chat reply's JSON."""
    return {
        "model": model,
        "choices": [{"message": message, "finish_reason": finish, **choice}],
        "usage": usage or {},
    }


def read(data, *, stops=(), raw=False, price=None, served=None):
    reader = Reader(MODEL, served, price)
    return reader.response("1", data, stops=stops, raw=raw, most_tokens=10)


@pytest.mark.parametrize(
    ("message", "finish", "got"),
    [
        ({"content": " Oh no. "}, "stop", ("ok", "Oh no.", None, "eos")),
        ({"content": "Oh"}, "length", ("truncated", "Oh", None, "length")),
        ({"content": "Oh"}, None, ("ok", "Oh", None, None)),
        ({"content": ""}, "stop", ("ok", "", None, "eos")),
        ({"content": "5", "reasoning_content": "hm"}, "stop", ("ok", "5", "hm", "eos")),
        ({"content": "5", "reasoning": "hm"}, "stop", ("ok", "5", "hm", "eos")),
        ({"content": None, "reasoning_content": "h"}, "length", ("truncated", "", "h", "length")),
        (
            {"content": None, "refusal": "I will not."},
            "stop",
            ("ok", "I will not.", None, "refusal"),
        ),
        ({"content": None}, "content_filter", ("empty", "", None, "content_filter")),
        ({"content": "Oh"}, "content_filter", ("truncated", "Oh", None, "content_filter")),
        ({"content": None, "tool_calls": [{}]}, "tool_calls", ("empty", "", None, "tool_calls")),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"text": "5"}]},
            "stop",
            ("ok", "5", "hm", "eos"),
        ),
    ],
)
def test_a_reply_is_read_as_it_is_meant(message, finish, got):
    response = read(reply(message, finish))
    assert (response.status, response.response, response.reasoning, response.stop) == got


@pytest.mark.parametrize(
    ("data", "reason", "left"),
    [
        ([], "no object", None),
        ({"choices": []}, "no choice", "error"),
        ({}, "no choice", "error"),
        ({"choices": ["x"]}, "no choice", "error"),
        (reply({"content": None}), "content is null", "empty"),
        (reply({}), "content is null", "empty"),
        (reply({"content": None}, "length"), "content is null", "truncated"),
        (reply(None), "content is null", "empty"),
        (reply({"content": 7}), "content is null", "empty"),
        ({"error": {"message": "busy", "code": 502}}, "HTTP 502: busy", None),
        ({"error": "busy"}, "HTTP 500: busy", None),
        (
            reply({"content": "x"}, "error", error={"code": 429, "message": "slow"}),
            "HTTP 429",
            None,
        ),
    ],
)
def test_a_reply_without_an_answer_is_asked_for_again_and_then_a_status(data, reason, left):
    with pytest.raises(PassingError, match=reason) as caught:
        read(data)
    assert (caught.value.left.status if caught.value.left else None) == left


def test_tokens_the_cache_the_cost_and_the_model_are_kept():
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 400},
    }
    response = read(reply({"content": "x"}, usage=usage), price=Price(2.0, 0.5, 8.0))
    assert (response.prompt_tokens, response.completion_tokens) == (1000, 100)
    assert response.cached_tokens == 400
    assert response.cost == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 8) / 1e6)
    assert response.model == MODEL


def test_a_cost_that_the_server_states_is_kept_where_no_price_is_given():
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "cost": 0.25}
    assert read(reply({"content": "x"}, usage=usage)).cost == 0.25
    assert read(reply({"content": "x"}, usage=usage), price=Price(1, 1, 1)).cost == 11 / 1e6
    assert read(reply({"content": "x"}, usage={"cost": "much"})).cost is None


def test_an_answer_is_cut_at_a_stop_string_that_the_server_did_not_know():
    response = read(reply({"content": "Oh no.\n\nUser: hi\nUser: ho"}), stops=("\nUser:", "\n\n"))
    assert (response.response, response.stop, response.status) == ("Oh no.", "\n\n", "ok")


def test_a_plain_continuation_is_kept_to_the_letter():
    data = {"choices": [{"text": " upon a time ", "finish_reason": "stop"}]}
    assert read(data, raw=True).response == " upon a time "


def test_an_answer_as_long_as_it_may_be_is_cut_also_where_the_server_does_not_say_so():
    usage = {"prompt_tokens": 1, "completion_tokens": 10}
    assert read(reply({"content": "x"}, None, usage=usage)).status == "truncated"


@pytest.mark.parametrize(
    ("name", "asked", "same"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o-2024-08-06", "gpt-4o", True),
        ("gpt-4-0613", "gpt-4", True),
        ("llama3:latest", "llama3", True),
        ("claude-3-5-20241022", "claude-3-5-latest", True),
        ("gpt-4o-2024-08-06", "openai/GPT-4o", True),
        ("gpt-4o-mini", "gpt-4o", False),
        ("qwen-2", "qwen", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", False),
        ("other", "gpt-4o", False),
    ],
)
def test_a_version_of_the_model_asked_for_is_that_model(name, asked, same):
    assert is_version(name, asked) is same


def test_a_servers_own_name_is_taken_when_it_comes_again_and_then_no_other():
    reader = Reader(MODEL, None, None)
    answers = {"stops": (), "raw": False, "most_tokens": 10}
    with pytest.raises(PassingError, match=r"answered by 'weights\.gguf', not by 'small-model'"):
        reader.response("1", reply({"content": "x"}, model="weights.gguf"), **answers)
    assert reader.response("2", reply({"content": "x"}, model="weights.gguf"), **answers)
    other = r"answered by 'other', not by 'weights\.gguf'"
    with pytest.raises(PassingError, match=other) as caught:
        reader.response("3", reply({"content": "made up"}, model="other"), **answers)
    assert caught.value.left.status == "error"
    assert caught.value.left.response == ""


def test_a_pinned_name_is_the_only_one_that_may_answer():
    assert read(reply({"content": "x"}, model="m-2"), served="m-2").status == "ok"
    with pytest.raises(PassingError, match="answered by"):
        read(reply({"content": "x"}, model=MODEL), served="m-2")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
fields = st.sampled_from(
    ["content", "refusal", "tool_calls", "reasoning", "reasoning_content", "text", "thinking"]
)


@settings(max_examples=60, deadline=None)
@given(
    message=st.dictionaries(fields, json_values) | json_values,
    finish=json_values,
    usage=json_values
    | st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cost"]),
        json_values,
    ),
    model=json_values,
    error=st.none() | json_values,
)
def test_whatever_a_reply_holds_it_is_a_response_or_a_failure(message, finish, usage, model, error):
    data = reply(message, finish, usage=usage, model=model, stop_reason=finish)
    if error is not None:
        data["choices"][0]["error"] = error
    try:
        response = read(json.loads(json.dumps(data)), stops=("x",))
    except (PassingError, StayingError, EmpevalError):
        return
    assert response.status in ("ok", "empty", "truncated")
    assert response.cost is None or 0 <= response.cost < 1e9


def test_thoughts_inside_of_an_answer_are_set_apart_by_the_run(model_server):
    model_server.answer = lambda question, request: {"text": "<think>hm</think>5"}
    (response,) = ask(OpenAI(MODEL, base_url=model_server.url), ["a"])
    assert response.response == "<think>hm</think>5"  # the runner's to split, as everybody's
