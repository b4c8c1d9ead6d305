"""Decoding in steps, with rows that leave the batch, changes no answer."""

from __future__ import annotations

import json
import random

import pytest
from support.asking import ask, items, texts, watch_forward
from support.tiny_models import EOS, byte_tokenizer, make_random_model, make_scripted_model

from empeval import Sampling
from empeval.generators.hf import HuggingFace
from empeval.generators.hf.decode import STEPS

FAMILIES = [
    "llama",
    "gpt2",
    "mistral",
    "qwen3",
    "gemma3",
    "bloom",
    "lfm2",
    "mamba",
    "mamba2",
    "openai-gpt",
    "recurrent_gemma",
]
ENDS = list(range(1, 20))
PROMPTS = [
    "".join(random.Random(number).choices("abcdefgh ", k=60 - number // 3)) for number in range(9)
]
"""Three of each length, so near to each other that they are padded and make one batch."""


def set_ends(folder, ends):
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": ends}))


def alone(model, generator, prompt, limit):
    """(text, tokens, stop) from one plain call of transformers' generate."""
    import torch
    from transformers import GenerationConfig

    tokenizer = generator._prompter.tokenizer
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    config = GenerationConfig(
        max_new_tokens=limit, do_sample=False, eos_token_id=ENDS, pad_token_id=2
    )
    with torch.no_grad():
        every = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    new = every[0, ids.shape[1] :].tolist()
    end = next((index for index, token in enumerate(new) if token in ENDS), None)
    text = tokenizer.decode(new[:end], skip_special_tokens=True)
    return text, len(new[:end]), "length" if end is None else "eos"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_as_each_prompt_alone_does(tmp_path, family, monkeypatch):
    model = make_random_model(tmp_path, family, seed=3)
    set_ends(tmp_path, ENDS)
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    expected = [alone(model, generator, prompt, 50) for prompt in PROMPTS]
    rows: list[int] = []
    watch_forward(monkeypatch, type(model), lambda shape: rows.append(shape[0]))
    answers = ask(generator, PROMPTS, max_tokens=50)
    assert [(r.response, r.completion_tokens, r.stop) for r in answers] == expected
    assert len({count for _, count, _ in expected}) > 3
    assert max(rows) == (3 if family == "recurrent_gemma" else len(PROMPTS))


@pytest.fixture
def three(tmp_path):
    """Answers of 5, 20 and 40 tokens to "a", "b" and "c"."""
    scripts = {
        name: [f"{name}{number} " for number in range(count)]
        for name, count in [("a", 5), ("b", 20), ("c", 40)]
    }
    model = make_scripted_model(tmp_path, scripts)
    return HuggingFace(str(tmp_path), dtype="float32", device="cpu"), type(model)


def test_a_row_that_has_ended_leaves_the_batch(three, monkeypatch):
    generator, model = three
    rows: list[int] = []
    watch_forward(monkeypatch, model, lambda shape: rows.append(shape[0]))
    answers = ask(generator, ["b", "c", "a"])
    assert [r.completion_tokens for r in answers] == [20, 40, 5]
    assert rows == STEPS * [3] + STEPS * [2] + (41 - 2 * STEPS) * [1]


def test_a_row_is_yielded_before_the_longest_ends(three, monkeypatch):
    generator, model = three
    passes: list[int] = []
    watch_forward(monkeypatch, model, lambda shape: passes.append(1))
    order = [
        (response.id, len(passes))
        for response in generator.generate(items(["c", "b", "a"]), Sampling())
    ]
    assert order == [("2", STEPS), ("1", 2 * STEPS), ("0", 41)]


def test_only_the_newest_token_is_computed_after_the_prompt(three, monkeypatch):
    generator, model = three
    widths: list[int] = []
    watch_forward(monkeypatch, model, lambda shape: widths.append(shape[1]))
    ask(generator, ["hello a", "hello b"])
    assert widths == [7, *[1] * 20]


def test_times_grow_with_the_answers_and_start_with_the_batch(three):
    generator, _ = three
    seconds = [r.seconds for r in ask(generator, ["a", "b", "c"])]
    assert 0 < seconds[0] < seconds[1] < seconds[2]


def test_the_same_seed_and_batch_repeat_a_sample_and_another_seed_does_not(tmp_path):
    make_random_model(tmp_path)
    first, again = (HuggingFace(str(tmp_path), dtype="float32") for _ in range(2))
    options = {"temperature": 1.0, "max_tokens": 30}
    drawn = texts(first, PROMPTS, seed=1, **options)
    assert texts(first, PROMPTS, seed=1, **options) == drawn
    assert texts(again, PROMPTS, seed=1, **options) == drawn
    assert texts(first, PROMPTS, seed=2, **options) != drawn


def test_equal_prompts_in_a_batch_are_sampled_independently(tmp_path):
    make_random_model(tmp_path)
    generator = HuggingFace(str(tmp_path), dtype="float32")
    drawn = texts(generator, ["abc"] * 5, temperature=1.5, max_tokens=20)
    assert len(set(drawn)) == 5


def test_a_tiny_nucleus_leaves_nothing_but_the_greedy_choice(tmp_path):
    make_random_model(tmp_path)
    generator = HuggingFace(str(tmp_path), dtype="float32")
    greedy = texts(generator, PROMPTS, max_tokens=20)
    assert texts(generator, PROMPTS, max_tokens=20, temperature=1.0, top_p=1e-6) == greedy
    assert texts(generator, PROMPTS, max_tokens=20, temperature=3.0) != greedy


def test_every_token_may_be_drawn(tmp_path):
    make_random_model(tmp_path)
    generator = HuggingFace(str(tmp_path), dtype="float32")
    drawn = texts(generator, ["abc"] * 250, temperature=1e5, max_tokens=1)
    assert len(set(drawn)) > 60


def test_greedy_decoding_draws_no_random_numbers(tmp_path):
    import torch

    make_random_model(tmp_path)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    ask(HuggingFace(str(tmp_path), dtype="float32"), PROMPTS[:2], max_tokens=5)
    assert torch.equal(torch.random.get_rng_state(), before)


HABITS = {
    "do_sample": True,
    "temperature": 5.0,
    "top_k": 3,
    "repetition_penalty": 9.0,
    "no_repeat_ngram_size": 1,
    "num_beams": 4,
    "max_length": 21,
    "min_new_tokens": 12,
    "forced_bos_token_id": 5,
    "suppress_tokens": list(range(20, 120)),
    "cache_implementation": "static",
}


def test_decoding_habits_that_a_model_brings_along_are_not_taken_over(tmp_path):
    model = make_random_model(tmp_path)
    plain = HuggingFace(str(tmp_path), dtype="float32")
    expected = [alone(model, plain, prompt, 40) for prompt in PROMPTS]
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({"eos_token_id": ENDS, "pad_token_id": 2} | HABITS))
    answers = ask(HuggingFace(str(tmp_path), dtype="float32"), PROMPTS, max_tokens=40)
    assert [(r.response, r.completion_tokens, r.stop) for r in answers] == expected


def test_a_model_saved_without_use_of_the_cache_is_decoded_with_it(tmp_path, monkeypatch):
    model = make_scripted_model(tmp_path, {"a": ["one", "two", EOS]})
    for name in ("config.json", "generation_config.json"):
        path = tmp_path / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"use_cache": False}))
    widths: list[int] = []
    watch_forward(monkeypatch, type(model), lambda shape: widths.append(shape[1]))
    assert texts(HuggingFace(str(tmp_path), dtype="float32"), ["hello a"]) == ["onetwo"]
    assert widths == [7, 1, 1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_padding_side_of_a_tokenizer_does_not_matter(tmp_path, side):
    model = make_random_model(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": side}))
    set_ends(tmp_path, ENDS)
    generator = HuggingFace(str(tmp_path), dtype="float32")
    expected = [alone(model, generator, prompt, 20)[0] for prompt in PROMPTS]
    assert texts(generator, PROMPTS, max_tokens=20) == expected


@pytest.mark.parametrize("name", ["pad_token", "eos_token"])
def test_a_special_token_that_the_model_does_not_know_does_no_harm(tmp_path, name):
    make_random_model(tmp_path, tokenizer=byte_tokenizer(**{name: "<new>"}), eos_token_id=None)
    generator = HuggingFace(str(tmp_path), dtype="float32")
    answers = ask(generator, ["x" * 40, "x" * 39], max_tokens=5)
    assert [(r.status, r.completion_tokens) for r in answers] == 2 * [("truncated", 5)]
