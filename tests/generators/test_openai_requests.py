"""What is sent to a server, and which options make no sense."""

from __future__ import annotations

import pytest
from support.asking import ask, items, refused
from support.model_server import KEY, MODEL

from empeval import Message, Sampling
from empeval.generators.openai import OpenAI


def sent(server, prompts, *, sampling=None, **options):
    """The bodies of the requests for prompts."""
    ask(OpenAI(MODEL, base_url=server.url, **options), prompts, **(sampling or {}))
    return server.requests


def test_a_conversation_is_sent_as_messages_with_the_sampling(model_server):
    talk = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "I am sad")]
    (body,) = sent(
        model_server, [talk], sampling={"max_tokens": 7, "seed": 3, "stop": ("\n\n", "END")}
    )
    assert body == {
        "model": MODEL,
        "messages": [{"role": role, "content": content} for role, content in talk],
        "max_tokens": 7,
        "temperature": 0.0,
        "seed": 3,
        "stop": ["\n\n", "END"],
    }


def test_nucleus_mass_goes_with_a_temperature_only(model_server):
    sent(model_server, ["a"], sampling={"top_p": 0.5})
    sent(model_server, ["a"], sampling={"top_p": 0.5, "temperature": 0.7})
    greedy, drawn = model_server.requests
    assert "top_p" not in greedy
    assert (drawn["top_p"], drawn["temperature"]) == (0.5, 0.7)


def test_completions_get_the_plain_format_and_end_at_the_next_turn(model_server):
    talk = [("user", "Hi"), ("assistant", "Hello"), ("user", "I am sad")]
    body, single = sent(model_server, [talk, "Once upon"], api="completions", concurrency=1)
    assert body["prompt"] == "User: Hi\nAssistant: Hello\nUser: I am sad\nAssistant:"
    assert body["stop"] == ["\nUser:"]
    assert single["prompt"] == "Once upon"
    assert "stop" not in single


def test_further_fields_are_added_and_others_left_out(model_server):
    (body,) = sent(
        model_server, ["a"], extra='{"reasoning_effort": "low"}', omit="temperature, seed"
    )
    assert body["reasoning_effort"] == "low"
    assert not {"temperature", "seed"} & set(body)


def test_a_server_that_wants_the_longer_name_of_the_token_limit_gets_it(model_server):
    real = model_server.answer
    model_server.models.append("o-model")

    def picky(question, request):
        return real(question, request)

    model_server.plan = lambda question, before: (
        "400 Use 'max_completion_tokens' instead." if before == 0 and question == "one" else None
    )
    model_server.answer = picky
    bodies = sent(model_server, ["one", "two"], concurrency=1)
    assert ["max_tokens" in body for body in bodies] == [True, False, False]
    assert bodies[-1]["max_completion_tokens"] == 256


def test_the_key_comes_from_the_environment_alone(model_server, monkeypatch):
    model_server.key = KEY
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    ask(OpenAI(MODEL, base_url=model_server.url, api_key_env="MY_KEY"), ["a"])
    assert model_server.headers[-1]["authorization"] == f"Bearer {KEY}"


def test_a_server_without_a_key_gets_none(model_server):
    ask(OpenAI(MODEL, base_url=model_server.url), ["a"])
    assert "authorization" not in model_server.headers[-1]


def test_the_address_may_come_from_the_environment_and_have_a_query(model_server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{model_server.url}/?api-version=1")
    generator = OpenAI(MODEL)
    ask(generator, ["a"])
    assert generator.card.details["base_url"] == f"{model_server.url}/?api-version=1"


def test_a_user_in_the_address_is_in_no_card(model_server):
    address = model_server.url.replace("//", "//ann:secret-word@")
    generator = OpenAI(MODEL, base_url=address)
    ask(generator, ["a"])
    assert model_server.headers[-1]["authorization"].startswith("Basic ")
    assert "secret-word" not in str(generator.card) + str(generator.runtime())


def test_openai_itself_wants_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    message = str(refused(lambda: OpenAI("gpt-4o-mini").prepare({"t": items(["a"])})).value)
    assert "OPENAI_API_KEY is not set" in message


def test_a_key_that_would_go_as_plain_text_is_said_so(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (warning,) = OpenAI(MODEL, base_url="http://models.example/v1").prepare({})
    assert "plain text" in warning
    assert OpenAI(MODEL, base_url="http://127.0.0.1:1/v1").prepare({}) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"base_url": "localhost:8000"}, "begins with http:// or https://"),
        ({"base_url": "http://localhost:eight"}, "is no URL"),
        ({"base_url": "ftp://x/v1"}, "begins with http"),
        ({"api_key_env": KEY}, "api_key_env is no name of an environment variable"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"timeout": 0.0}, "timeout is 0"),
        ({"backoff": float("inf")}, "backoff is inf"),
        ({"price_in": 1.0}, "both price_in and price_out"),
        ({"price_in": 1.0, "price_out": -1.0}, "price_out is -1"),
        ({"extra": "[1]"}, "extra is no JSON object"),
        ({"extra": '{"stream": true}'}, "'stream' is set by nobody"),
        ({"extra": '{"temperature": 1}'}, "'temperature' is set by --temperature"),
        ({"omit": "model"}, "'model' cannot be left out"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, reason):
    message = str(refused(lambda: OpenAI(MODEL, **options)).value)
    assert reason in message
    assert KEY not in message


def test_a_model_without_a_name_is_refused():
    assert "needs a model's name" in str(refused(lambda: OpenAI("")).value)


def test_a_preview_shows_what_will_be_sent():
    (item,) = items([[("system", "Be kind."), ("user", "Hi")]])
    assert item.messages[0] == Message("system", "Be kind.")
    chat = OpenAI(MODEL, base_url="http://x/v1")
    base = OpenAI(MODEL, base_url="http://x/v1", api="completions")
    assert chat.preview(item, Sampling()).text == "[system] Be kind.\n[user] Hi"
    assert base.preview(item, Sampling()).text == "Be kind.\n\nUser: Hi\nAssistant:"
