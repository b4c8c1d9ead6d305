"""What goes wrong between here and a server passes, stays with an item, or ends the run at once."""

from __future__ import annotations

import socket
import sys
import time
from email.utils import formatdate

import pytest
from support.asking import ask, items, refused, texts
from support.model_server import KEY, MODEL, PASSING, ModelServer

from empeval import Sampling
from empeval.generators.openai import OpenAI

MANY = [f"word{n}" for n in range(30)]
ANSWERS = [f"You said {word}." for word in MANY]


def patient(server, **options):
    return OpenAI(MODEL, base_url=server.url, **({"backoff": 0.01} | options))


@pytest.mark.parametrize("fault", [fault for fault in PASSING if fault != "other model"])
def test_what_passes_is_tried_again(model_server, fault):
    model_server.plan = lambda question, before: fault if before < 2 else None
    generator = patient(model_server)
    assert texts(generator, MANY[:4]) == ANSWERS[:4]
    assert sum(generator.runtime()["retried"].values()) == 8


@pytest.mark.parametrize("first", [0, 3])
def test_an_answer_by_another_model_is_asked_for_again(model_server, first):
    strange = {MANY[first]: 1}
    model_server.plan = lambda question, before: (
        "other model" if before < strange.get(question, 0) else None
    )
    responses = ask(patient(model_server), MANY)
    assert [r.response for r in responses] == ANSWERS
    assert {r.model for r in responses} == {MODEL}


@pytest.mark.parametrize(
    ("fault", "status", "note"),
    [
        ("500", "error", "HTTP 500: it happens (tried 4 times)"),
        ("drop", "error", "the connection broke"),
        ("half", "error", "the reply is no whole JSON"),
        ("no choice", "error", "the reply holds no choice"),
        ("other model", "error", f"answered by 'another-model', not by '{MODEL}'"),
        ("null", "empty", "the answer's content is null"),
        ("filter", "empty", "content filter"),
        ("400 too long a prompt", "error", "HTTP 400: too long a prompt"),
    ],
)
def test_what_stays_is_the_status_of_its_item_and_the_others_are_answered(
    model_server, fault, status, note
):
    model_server.plan = lambda question, before: fault if question == MANY[7] else None
    responses = ask(patient(model_server, retries=3), MANY)
    bad = responses.pop(7)
    assert (bad.status, bad.response) == (status, "")
    assert note in bad.note
    assert [r.response for r in responses] == ANSWERS[:7] + ANSWERS[8:]


def test_an_answer_that_does_not_come_in_time_is_the_status_of_its_item(model_server):
    model_server.plan = lambda question, before: "slow" if question == MANY[1] else None
    started = time.perf_counter()
    responses = ask(patient(model_server, timeout=0.2), MANY[:4])
    assert responses[1].status == "error"
    assert "no answer within 0.2 seconds (tried 3 times)" in responses[1].note
    assert time.perf_counter() - started < 4


def test_a_server_that_is_asked_too_much_is_asked_less_at_once():
    server = ModelServer()
    try:
        server.room, server.delay, server.wait = 3, 0.02, "0.05"
        generator = patient(server, concurrency=24)
        assert texts(generator, MANY) == ANSWERS
        refusals = generator.runtime()["retried"]["HTTP 429"]
        assert 0 < refusals < 60
    finally:
        server.close()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_says_how_long_to_wait_is_not_asked_before(model_server, form):
    wait = 1.2
    times = []
    real = model_server.fault

    def fault(question):
        times.append(time.time())
        return real(question)

    model_server.fault = fault
    model_server.plan = lambda question, before: "429 wait" if before == 0 else None
    model_server.wait = "1.2" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    assert texts(patient(model_server), ["one"]) == ["You said one."]
    assert times[1] - times[0] >= (wait - 0.05 if form == "seconds" else 0.5)


def test_a_server_that_wants_to_be_left_alone_for_an_hour_ends_the_run(model_server):
    model_server.plan = lambda question, before: "429 wait"
    model_server.wait = "3600"
    message = str(refused(lambda: ask(patient(model_server), MANY)).value)
    assert "asks to wait 3600 seconds" in message
    assert "the same command goes on" in message


def test_a_wrong_key_ends_it_with_the_first_request(model_server, monkeypatch):
    model_server.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-but-long-enough")
    caught = refused(lambda: ask(patient(model_server, concurrency=32), MANY))
    assert (caught.value.code, caught.value.exit_code) == ("key-refused", 2)
    assert "refuses the key in OPENAI_API_KEY (HTTP 401: Incorrect API key" in str(caught.value)
    assert "sk-wrong" not in str(caught.value)
    assert len(model_server.requests) == 1


def test_no_key_where_one_is_wanted_says_where_to_put_it(model_server):
    model_server.key = KEY
    message = str(refused(lambda: ask(patient(model_server), MANY)).value)
    assert "refuses no key; set OPENAI_API_KEY" in message


def test_an_unknown_model_ends_it_and_names_the_nearest(model_server):
    generator = OpenAI("smal-model", base_url=model_server.url)
    caught = refused(lambda: ask(generator, MANY))
    assert (caught.value.code, caught.value.exit_code) == ("model-refused", 2)
    assert "has no model 'smal-model'" in str(caught.value)
    assert f"Did you mean '{MODEL}'?" in str(caught.value)
    assert len(model_server.requests) == 1


def test_a_server_that_refuses_every_question_ends_it(model_server):
    model_server.plan = lambda question, before: "400 seed is not supported"
    message = str(refused(lambda: ask(patient(model_server, concurrency=32), MANY)).value)
    assert "refuses every question (HTTP 400: seed is not supported)" in message
    assert "omit=seed" in message
    assert len(model_server.requests) <= 4  # the next may be on its way


def test_nobody_there_ends_it_soon():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    generator = OpenAI(MODEL, base_url=f"http://127.0.0.1:{port}/v1", backoff=0.01)
    started = time.perf_counter()
    message = str(refused(lambda: ask(generator, MANY)).value)
    assert "cannot be reached" in message
    assert time.perf_counter() - started < 10


def test_a_server_that_goes_away_for_good_ends_it_after_some_items(model_server):
    generator = patient(model_server, retries=1, concurrency=1)
    got = []

    def attempt():
        for response in generator.generate(items(MANY), Sampling()):
            got.append(response)
            if len(got) == 5:
                model_server.close()

    assert "cannot be reached any more" in str(refused(attempt).value)
    assert [r.status for r in got][:5] == ["ok"] * 5
    assert len(got) < len(MANY)


def test_the_key_is_sent_nowhere_else(model_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    other = ModelServer()
    try:

        def redirect(handler_self, request):
            handler_self._send(307, {}, {"Location": f"{other.url}/chat/completions"})

        handler = model_server.server.RequestHandlerClass
        monkeypatch.setattr(handler, "_post", redirect)
        message = str(refused(lambda: ask(patient(model_server), ["a"])).value)
        assert "it sends elsewhere" in message
        assert other.requests == []
    finally:
        other.close()


def test_a_server_that_tells_the_key_back_does_not_get_it_into_an_answer(model_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model_server.answer = lambda question, request: {"text": f"Your key is {KEY}."}
    assert texts(patient(model_server), ["a"]) == ["Your key is ***."]


def test_an_answer_that_has_no_end_is_given_up(model_server, monkeypatch):
    monkeypatch.setattr("empeval.generators.openai.client.LARGEST_REPLY", 10_000)
    model_server.answer = lambda question, request: {"text": "x" * 20_000}
    (response,) = ask(patient(model_server), ["a"])
    assert (response.status, response.response) == ("error", "")
    assert "no end" in response.note


def test_a_generator_that_is_left_early_asks_no_more(model_server):
    model_server.delay = 0.02
    answers = patient(model_server, concurrency=2).generate(items(MANY), Sampling())
    next(answers)
    answers.close()
    time.sleep(0.1)  # a request that was on its way arrives
    asked = len(model_server.requests)
    time.sleep(0.2)
    assert len(model_server.requests) == asked < len(MANY)


def test_the_name_that_a_server_gives_its_model_is_kept_and_said_when_it_is_another(
    model_server, caplog
):
    model_server.served_as = "weights-q4.gguf"
    (response,) = ask(patient(model_server), ["a"])
    assert response.model == "weights-q4.gguf"
    assert f"'weights-q4.gguf', not '{MODEL}'" in caplog.text


def test_without_the_http_client_a_sentence_says_what_to_install(model_server, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    message = str(refused(lambda: ask(patient(model_server), ["a"])).value)
    assert (
        "'openai:' needs httpx2, which is not installed: pip install 'empeval[openai]'" in message
    )
