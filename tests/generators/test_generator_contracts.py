"""Generators that need no model keep the contract of every generator."""

from __future__ import annotations

import pytest
from support.answers import write_answers
from support.likely_server import top_logprobs
from support.model_server import MODEL, echo

from empeval.generators.human import Human
from empeval.generators.openai import OpenAI
from empeval.generators.replay import Replay
from empeval.testing import UNUSUAL_TEXTS, Echo, GeneratorContract


class TestHuman(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return Human("")


class TestReplay(GeneratorContract):
    @pytest.fixture
    def generator(self, tmp_path):
        answers = {"1": "Oh no.", "2": "", "4": "I see."} | dict(UNUSUAL_TEXTS)
        return Replay(str(write_answers(tmp_path / "answers.jsonl", answers)))


class TestEcho(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return Echo()


class TestOpenAI(GeneratorContract):
    @pytest.fixture
    def generator(self, model_server):
        tops = top_logprobs({"yes": 0.5, "no": 0.3, "perhaps": 0.2})
        model_server.answer = lambda question, request: (
            echo(question, request)
            | {"choice": {"logprobs": tops} if request.get("logprobs") else {}}
        )
        return OpenAI(MODEL, base_url=model_server.url, backoff=0.01)
