"""Likelihoods through a server are those of the same model on this machine, or none."""

from __future__ import annotations

import math

import pytest
from support.likely_server import LikelyModel, top_logprobs
from support.model_server import MODEL, echo
from support.tiny_models import CHATML, byte_tokenizer, make_random_model

import empeval
from empeval import (
    Continuations,
    EmpevalError,
    Message,
    Run,
    UsageError,
    loglikelihood,
    probabilities,
)
from empeval.generators.hf import HuggingFace
from empeval.generators.openai import OpenAI

STORY = "Ann lost her dog and cried all day long. "
TALK = (Message("system", "Be fair."), Message("user", STORY + "How sad is she?"))
PRICES = {"price_in": 1.0, "price_out": 2.0}


def asked():
    return [
        Continuations("0", TALK, (" 0", " 5", " 10", " very, very"), "Sad:"),
        Continuations("1", (Message("user", "How sad"),), ("?", "!"), ""),
        Continuations("2", (Message("user", STORY + "How glad?"),), ("1", "10"), "Glad: "),
    ]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    tokenizer = byte_tokenizer(["d?", "10"], chat_template=CHATML)
    make_random_model(
        folder,
        tokenizer=tokenizer,
        seed=5,
        vocab_size=len(tokenizer),
        max_position_embeddings=4096,
        initializer_range=0.2,
    )
    return folder


def local(folder, **options):
    return HuggingFace(str(folder), dtype="float32", device="cpu", **options)


def served(server, **options):
    return OpenAI(MODEL, base_url=server.url, **{"backoff": 0.01, **options})


def values(generator, requests=None):
    found = loglikelihood(generator, requests or asked())
    assert [one.note for one in found.values()] == [None] * len(found)
    return {name: one.values for name, one in found.items()}


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, given in expected.items():
        assert found[name] == pytest.approx(given, abs=1e-3), name


def test_the_tokens_of_an_echoed_prompt_give_what_the_model_gives_here(folder, model_server):
    model_server.answer = LikelyModel(folder)
    generator = served(model_server, api="completions")
    close(values(generator), values(local(folder, chat_template="plain")))
    assert generator.runtime()["likelihood"] == "echo"
    assert model_server.requests[0]["prompt"].endswith("\nAssistant: Sad:")
    assert all(body["max_tokens"] == 1 for body in model_server.requests)


def test_the_tokens_of_a_chat_that_goes_on_give_what_the_chat_template_gives(folder, model_server):
    model_server.answer = LikelyModel(folder)
    generator = served(model_server)
    close(values(generator), values(local(folder)))
    assert generator.runtime()["likelihood"] == "prompt"


@pytest.mark.parametrize("legacy", [True, False])
def test_the_likeliest_tokens_are_followed_where_they_are_all_there_is(
    folder, model_server, legacy
):
    model_server.answer = LikelyModel(folder, ["top"], legacy=legacy)
    generator = served(model_server, api="completions", top_logprobs=400)
    wanted = [Continuations("0", TALK, ("0", "5", "7"), "Sad: ")]
    close(values(generator, wanted), values(local(folder, chat_template="plain"), wanted))
    assert generator.runtime()["likelihood"] == "top"


def test_all_ways_to_cut_a_text_count_where_the_likeliest_tokens_are_followed(folder, model_server):
    answer = model_server.answer = LikelyModel(folder, ["top"])
    generator = served(model_server, api="completions", top_logprobs=400)
    (found,) = values(generator, [asked()[2]]).values()
    before = answer.tokenizer(STORY + "How glad?\nGlad: ").input_ids
    one, zero, ten = answer.tokenizer.convert_tokens_to_ids(["1", "0", "10"])
    first = answer._logs(before)[-1].exp()
    then = answer._logs([*before, one])[-1].exp()
    both = (first[ten] + first[one] * then[zero]).item()
    shares = probabilities(found, ("1", "10"))
    assert math.exp(found[1]) == pytest.approx(both, rel=1e-3)
    assert math.exp(found[0]) == pytest.approx((first[one] + first[ten]).item(), rel=1e-3)
    assert shares[1] == pytest.approx(both / (first[one] + first[ten]).item(), rel=1e-3)


def test_what_is_not_among_the_likeliest_tokens_is_said_and_no_number(folder, model_server):
    model_server.answer = LikelyModel(folder, ["top"])
    found = loglikelihood(served(model_server, api="completions", top_logprobs=5), asked())
    assert {one.values for one in found.values()} == {()}
    assert all("among the likeliest tokens" in one.note for one in found.values())
    assert "raise top_logprobs" in found["0"].note


def likeliest(shares):
    """A server of chats that knows the likeliest tokens of an answer and nothing else."""
    return lambda question, request: (
        echo(question, request)
        | {"choice": {"logprobs": top_logprobs(shares)} if request.get("logprobs") else {}}
    )


def digits(model_server, shares, texts=(" 1", " 2", " 10")):
    model_server.answer = likeliest(shares)
    generator = served(model_server)
    request = Continuations("1", TALK, texts, "Sad:")
    return generator, loglikelihood(generator, [request])["1"]


def test_an_answer_in_words_has_its_probabilities_read_off_the_first_token(model_server):
    generator, found = digits(model_server, {"2": 0.5, " 2": 0.1, "10": 0.3, "1": 0.1})
    assert probabilities(found.values, (" 1", " 2", " 10")) == pytest.approx([0.1, 0.6, 0.3])
    assert generator.runtime()["likelihood"] == "words"
    body = model_server.requests[-1]
    assert body["top_logprobs"] == 20
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert "behind 'Sad:'" in body["messages"][-1]["content"]


def test_a_text_too_unlikely_to_matter_has_its_upper_bound_and_is_named(model_server):
    _, found = digits(model_server, {"2": 0.7, "1": 0.29996, "x": 0.00004}, (" 1", " 3", " 2"))
    assert found.bounded == (1,)
    assert math.exp(found.values[1]) <= 0.00004
    assert probabilities(found.values)[::2] == pytest.approx([0.3, 0.7], abs=1e-3)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"2": 0.7, "1": 0.2, "x": 0.05}, "' 10' is not among"),
        ({"2": 0.7, "1": 0.3}, "' 10' is not among"),  # "1" may go on to "10"
        ({"x": 0.9, "y": 0.1}, "is not among"),
    ],
)
def test_a_text_that_might_matter_gives_a_reason_and_no_number(model_server, shares, said):
    _, found = digits(model_server, shares)
    assert found.values == ()
    assert said in found.note


def test_a_server_without_probabilities_is_told_from_one_request_a_method(model_server):
    with pytest.raises(UsageError) as caught:
        loglikelihood(served(model_server), asked())
    assert caught.value.code == "no-likelihoods"
    assert caught.value.to_dict()["model"] == MODEL
    assert "use hf:" in caught.value.hint
    assert len(model_server.requests) == 3


def test_a_server_that_refuses_a_field_is_asked_in_the_next_way(model_server):
    def answer(question, request):
        if "prompt_logprobs" in request or "continue_final_message" in request:
            return {"error": "Unrecognized request argument"}
        return likeliest({" 1": 0.4, " 2": 0.6})(question, request)

    model_server.answer = answer
    generator = served(model_server)
    found = loglikelihood(generator, [Continuations("1", TALK, (" 1", " 2"), "Sad:")])["1"]
    assert probabilities(found.values) == pytest.approx([0.4, 0.6])
    assert generator.runtime()["likelihood"] == "words"


def test_a_method_goes_with_its_api():
    with pytest.raises(UsageError, match="likelihood=echo does not go with api=chat"):
        OpenAI(MODEL, likelihood="echo")


def many():
    texts = tuple(f" {n}" for n in range(4))
    return [
        Continuations(str(n), (Message("user", f"Story {n}."),), texts, "Sad:") for n in range(12)
    ]


@pytest.mark.parametrize("most", [1, 8])
def test_faults_and_concurrency_change_no_value(folder, model_server, most):
    model_server.answer = LikelyModel(folder)
    whole = values(served(model_server, api="completions"), many())
    plan, count = model_server.plan, {"n": 0}

    def failing(question, before):
        count["n"] += 1
        return ["503", "cut", "half", "429", "drop", "no choice"][count["n"] % 6] if (
            count["n"] % 3 == 0
        ) else plan(question, before)  # fmt: skip

    model_server.plan = failing
    generator = served(model_server, api="completions", concurrency=most, retries=30)
    close(values(generator, many()), whole)
    assert sum(generator.runtime()["retried"].values()) > 10
    assert generator.runtime()["most_at_once"] <= most


def test_a_request_that_is_lost_for_good_has_a_note_and_the_others_their_values(
    folder, model_server
):
    model_server.answer = LikelyModel(folder)
    model_server.plan = lambda question, before: "503" if "Story 3." in question else None
    found = loglikelihood(served(model_server, api="completions", retries=1), many())
    assert "503" in found["3"].note
    assert all(one.note is None for name, one in found.items() if name != "3")


def run(server, out, **options):
    arguments = {"base_url": server.url, "api": "completions", "backoff": 0.01, **PRICES}
    return empeval.run(
        f"openai:{MODEL}", ["eqbench-mini"], limit=3, out=out, model_args=arguments,
        task_args={"eqbench-mini.mode": "likelihood"}, **options,
    )  # fmt: skip


def test_a_run_by_likelihood_counts_and_stops_like_any_other(folder, model_server, tmp_path):
    model_server.answer = LikelyModel(folder)
    whole = run(model_server, tmp_path / "whole")
    here = empeval.run(
        f"hf:{folder}", ["eqbench-mini"], limit=3, out=tmp_path / "here",
        model_args={"dtype": "float32", "device": "cpu", "chat_template": "plain"},
        task_args={"eqbench-mini.mode": "likelihood"},
    )  # fmt: skip
    for one, other in zip(whole.metrics(), here.metrics(), strict=True):
        assert (one.metric, one.value) == (other.metric, pytest.approx(other.value, abs=0.05))
    lines = {line.id: line for line in whole.responses("eqbench-mini")}
    requests = len(model_server.requests)
    assert sum(line.completion_tokens for line in lines.values()) == requests == 3 * 4 * 12 + 1
    for line in lines.values():
        taken = line.prompt_tokens + 2 * line.completion_tokens
        assert line.cost == pytest.approx(taken / 1e6)
    costs = [line.cost for line in lines.values()]
    with pytest.raises(EmpevalError, match="Stopped at --max-cost"):
        run(model_server, tmp_path / "limited", max_cost=sum(costs) / 2)
    answered = list(Run(tmp_path / "limited").responses("eqbench-mini"))
    assert sum(line.cost for line in answered) <= sum(costs) / 2 + max(costs)
    again = run(model_server, tmp_path / "limited", max_cost=1)
    assert again.metrics() == whole.metrics()


def test_a_longer_text_of_one_token_is_in_the_shorter_ones_value_here_too(folder):
    """Whether "10" is one token or two, the shares of "1" and "10" mean the same."""
    model = LikelyModel(folder)
    request = Continuations("1", (Message("user", "How sad?"),), ("1", "10", "2"))
    (found,) = values(local(folder, chat_template="plain"), [request]).values()
    first = model._logs(model.tokenizer("How sad?").input_ids)[-1].exp()
    ids = model.tokenizer.convert_tokens_to_ids(["1", "10", "2"])
    expected = [first[token].item() for token in ids]
    shares = probabilities(found, request.texts)
    assert shares == pytest.approx([share / sum(expected) for share in expected], abs=1e-3)
