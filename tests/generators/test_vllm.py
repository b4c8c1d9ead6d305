"""``vllm:`` asks vLLM's engine what ``hf:`` asks transformers.

vLLM itself runs where it is installed (with a GPU, ``-m slow``). Elsewhere a stand-in with the same
two classes decodes with transformers, so that what is handed over and read back is tested.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import ClassVar

import pytest
from support.asking import ask, refused
from support.tiny_models import make_scripted_model

from empeval.generators.hf import HuggingFace
from empeval.generators.vllm import VLLM

SCRIPTS = {"a": ["Fine", ",", " thanks", ".\nUs", "er", ": more"], "b": [" Oh", " no", " "]}
TALK = [("user", "b"), ("assistant", "x"), ("user", "a")]


@dataclass
class SamplingParams:
    max_tokens: int
    temperature: float
    top_p: float
    stop: list[str]
    seed: int
    skip_special_tokens: bool


@dataclass
class Completion:
    text: str
    token_ids: list[int]
    finish_reason: str
    stop_reason: str | None


@dataclass
class Output:
    outputs: list[Completion]
    num_cached_tokens: int = 3


class LLM:
    """vLLM's engine, as far as it is used, on transformers."""

    made: ClassVar[list[dict]] = []
    calls: ClassVar[list[list]] = []

    def __init__(self, **arguments):
        if arguments.get("max_model_len") == 1:
            raise ValueError("the model's\nwindow is too small")
        from transformers import AutoModelForCausalLM, AutoTokenizer

        LLM.made.append(arguments)
        self.model = AutoModelForCausalLM.from_pretrained(arguments["model"])
        self.tokenizer = AutoTokenizer.from_pretrained(arguments["model"])

    def generate(self, prompts, parameters, use_tqdm):
        assert use_tqdm is False
        LLM.calls.append(prompts)
        return [
            self._one(p["prompt_token_ids"], s) for p, s in zip(prompts, parameters, strict=True)
        ]

    def _one(self, ids, sampling):
        import torch

        rows = self.model.generate(
            torch.tensor([ids]), max_new_tokens=sampling.max_tokens, do_sample=False
        )
        new = rows[0, len(ids) :].tolist()
        text = self.tokenizer.decode(new, skip_special_tokens=sampling.skip_special_tokens)
        found = min([(text.find(s), s) for s in sampling.stop if s in text], default=None)
        if found:
            return Output([Completion(text[: found[0]], new, "stop", found[1])])
        ended = len(new) < sampling.max_tokens
        return Output([Completion(text, new, "stop" if ended else "length", None)])


@pytest.fixture
def engine(monkeypatch):
    LLM.made, LLM.calls = [], []
    module = types.ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    return LLM


@pytest.fixture
def folder(tmp_path):
    make_scripted_model(tmp_path, SCRIPTS)
    return str(tmp_path)


@pytest.mark.parametrize("sampling", [{}, {"max_tokens": 2}, {"stop": ("thanks",)}])
def test_it_answers_as_hf_does(engine, folder, sampling):
    prompts = ["a", "b", TALK]
    expected = ask(HuggingFace(folder, dtype="float32", device="cpu"), prompts, **sampling)
    got = ask(VLLM(folder), prompts, **sampling)
    for one, other in zip(got, expected, strict=True):
        assert (one.response, one.status, one.stop) == (other.response, other.status, other.stop)
        assert one.prompt_tokens == other.prompt_tokens
        assert one.cached_tokens == 3


def test_arguments_of_the_engine_are_passed_through(engine, folder):
    generator = VLLM(folder, dtype="float16", engine='{"tensor_parallel_size": 2, "x": [1]}')
    ask(generator, ["a"])
    (arguments,) = engine.made
    assert arguments == {
        "model": folder,
        "revision": None,
        "dtype": "float16",
        "seed": 0,
        "trust_remote_code": False,
        "tensor_parallel_size": 2,
        "x": [1],
    }
    assert generator.card.details["engine"] == "vllm"
    assert generator.card.fingerprint == HuggingFace(folder).card.fingerprint
    generator.close()


def test_questions_go_to_the_engine_by_batches(engine, folder):
    ask(VLLM(folder, batch=2), ["a", "b", "a", "b", "a"])
    assert [len(call) for call in engine.calls] == [2, 2, 1]
    assert len(engine.made) == 1


def test_a_prompt_that_does_not_fit_is_an_error_of_its_item(engine, folder):
    good, long = ask(VLLM(folder), ["a", "a " * 5000])
    assert good.status == "ok"
    assert (long.status, long.note) == ("error", "the prompt is longer than the model's window")


def test_an_engine_that_does_not_start_says_why_in_a_line(engine, folder):
    generator = VLLM(folder, engine='{"max_model_len": 1}')
    message = str(refused(lambda: ask(generator, ["a"])).value)
    assert "vLLM cannot load" in message
    assert "the model's window is too small" in message


def test_without_vllm_a_sentence_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    generator = VLLM(folder)
    assert generator.card.name  # nothing of it is needed to look around
    assert "pip install 'empeval[vllm]'" in str(refused(lambda: ask(generator, ["a"])).value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"engine": "1"}, "engine is no JSON object"),
        ({"engine": '{"seed": 1}'}, "'seed' has an option of its own"),
        ({"engine": '{"trust_remote_code": true}'}, "'trust_remote_code' has an option"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(folder, options, reason):
    assert reason in str(refused(lambda: VLLM(folder, **options)).value)


@pytest.mark.slow
def test_the_real_engine_answers_as_hf_does(tmp_path):
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from empeval.models import packaged_model

    folder = str(packaged_model("smollm2-135m-instruct"))
    prompts = ["What is the capital of France?", "Say hello."]
    expected = ask(HuggingFace(folder, dtype="bfloat16"), prompts, max_tokens=8)
    got = ask(VLLM(folder, dtype="bfloat16"), prompts, max_tokens=8)
    assert [r.response for r in got] == [r.response for r in expected]
