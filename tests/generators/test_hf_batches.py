"""Which prompts of an ``hf:`` model are computed together."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asking import items, watch_forward
from support.tiny_models import byte_tokenizer, make_random_model, random_config

from empeval import Sampling, UsageError
from empeval.answering import unfinished_groups
from empeval.generators.hf import HuggingFace
from empeval.generators.hf.batches import MAX_PADDING, cut_batches, padding_share

lengths = st.lists(st.integers(1, 2_000), max_size=60)
limits = st.fixed_dictionaries(
    {
        "budget": st.integers(1, 20_000),
        "new_tokens": st.integers(1, 500),
        "max_rows": st.integers(1, 20),
    }
)


def cut(sizes, options):
    """Batches of (length, number) pairs."""
    return cut_batches([(size, (size, i)) for i, size in enumerate(sizes)], **options)


@given(lengths, limits)
def test_every_prompt_is_in_one_batch(sizes, options):
    numbers = sorted(number for batch in cut(sizes, options) for _, number in batch)
    assert numbers == list(range(len(sizes)))


@given(lengths, limits)
def test_only_a_single_prompt_may_exceed_the_limits(sizes, options):
    for batch in cut(sizes, options):
        assert batch
        rows, longest = len(batch), max(size for size, _ in batch)
        assert rows <= options["max_rows"]
        assert rows == 1 or rows * (longest + options["new_tokens"]) <= options["budget"]
        assert padding_share([[size for size, _ in batch]]) <= MAX_PADDING + 1e-9


@given(lengths, limits)
def test_the_longest_come_first_and_equal_ones_keep_their_order(sizes, options):
    flat = [pair for batch in cut(sizes, options) for pair in batch]
    assert flat == sorted(flat, key=lambda pair: (-pair[0], pair[1]))


@given(lengths, limits)
def test_no_two_neighbouring_batches_would_fit_together(sizes, options):
    batches = cut(sizes, options)
    for one, next_one in pairwise(batches):
        rows, longest = len(one) + 1, one[0][0]
        total = sum(size for size, _ in one) + next_one[0][0]
        assert (
            rows > options["max_rows"]
            or rows * (longest + options["new_tokens"]) > options["budget"]
            or 1 - total / (rows * longest) > MAX_PADDING
        )


@given(lengths, limits, st.data())
def test_taking_whole_batches_away_leaves_the_others_as_they_are(sizes, options, data):
    batches = cut(sizes, options)
    kept = [batch for batch in batches if data.draw(st.booleans())]
    again = cut_batches([(pair[0], pair) for batch in kept for pair in batch], **options)
    assert again == kept


@given(lengths, limits)
def test_padding_stays_under_five_percent(sizes, options):
    batches = [[size for size, _ in batch] for batch in cut(sizes, options)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert padding_share(batches) * padded == pytest.approx(padded - sum(sizes))
    assert padding_share(batches) <= 0.05 + 1e-9


PROMPTS = [
    chr(ord("a") + index) * length
    for index, length in enumerate((30, 31, 3, 90, 4, 92, 91, 30, 12, 3))
]


@pytest.fixture
def model(tmp_path):
    """A random model that computes at most 250 tokens together."""
    made = make_random_model(tmp_path)
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu", batch_tokens=250)
    return generator, type(made)


def test_the_plan_keeps_to_the_token_budget(model):
    generator, _ = model
    plan = generator.plan(items(PROMPTS), Sampling(max_tokens=10))
    sizes = [[len(item.messages[0].content) for item in group] for group in plan]
    assert sizes == [[92, 91], [90, 31], [30, 30, 12, 4, 3], [3]]


def test_longer_answers_make_smaller_groups(model):
    generator, _ = model
    plan = generator.plan(items(PROMPTS), Sampling(max_tokens=60))
    assert [len(group) for group in plan] == [1, 1, 1, 2, 2, 3]


def test_what_is_computed_together_is_what_was_planned(model, monkeypatch):
    generator, kind = model
    shapes: list[tuple[int, int]] = []
    watch_forward(monkeypatch, kind, lambda shape: shapes.append(shape))
    sampling = Sampling(max_tokens=10)
    list(generator.generate(items(PROMPTS), sampling))
    prefills = [shape for shape in shapes if shape[1] > 1]
    apart = [(1, 89), (1, 30), (2, 29), (1, 11), (1, 3), (1, 2)]  # the last token comes later
    assert prefills == [(2, 92), *apart, (1, 3)]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("done", [{"3"}, {"0", "1", "9"}, {"5", "6", "2", "4", "7"}])
def test_an_interrupted_run_goes_on_with_the_answers_of_an_uninterrupted_one(
    model, temperature, done
):
    generator, _ = model
    sampling = Sampling(max_tokens=10, temperature=temperature)
    asked = items(PROMPTS)
    full = {r.id: r.response for r in generator.generate(asked, sampling)}
    left = unfinished_groups(generator.plan(asked, sampling), done)
    rest = {r.id: r.response for r in generator.generate(left, sampling)}
    assert set(rest) >= {item.id for item in asked} - done
    assert rest == {identifier: full[identifier] for identifier in rest}


def test_the_plan_is_the_same_before_and_after_generating(model):
    generator, _ = model
    sampling = Sampling(max_tokens=10)
    plan = generator.plan(items(PROMPTS), sampling)
    list(generator.generate(items(PROMPTS), sampling))
    assert generator.plan(items(PROMPTS), sampling) == plan


def test_a_batch_budget_below_zero_is_refused(tmp_path):
    with pytest.raises(UsageError, match="batch_tokens is -1; it must be 0 or more"):
        HuggingFace(str(tmp_path), batch_tokens=-1)


def budget(folder, **options):
    return HuggingFace(str(folder), dtype="float32", device="cpu", **options).runtime()[
        "batch_tokens"
    ]


@pytest.mark.parametrize(
    ("family", "width", "expected"),
    [
        ("llama", 32, 24_576),  # 2 layers, 2 of 4 heads: 256 bytes a token
        ("llama", 16_384, 8_192),  # 131,072 bytes a token: 768 MiB hold 6,144
        ("llama", 8_192, 12_288),
        ("mistral", 32, 8_192),  # a sliding window: its prompts are read together
    ],
)
def test_a_batch_on_a_cpu_is_as_large_as_its_cache_may_be(tmp_path, family, width, expected):
    from safetensors.torch import save_file
    from torch import zeros

    random_config(family, hidden_size=width).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    save_file({"unused": zeros(1)}, tmp_path / "model.safetensors")  # no weights are loaded
    assert budget(tmp_path) == expected
    assert budget(tmp_path, batch_tokens=77) == 77
