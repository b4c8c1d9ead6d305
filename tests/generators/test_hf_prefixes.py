"""What several prompts of a batch begin with is read once, and no answer changes by that."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asking import ask, items, watch_forward
from support.tiny_models import make_random_model, make_scripted_model

from empeval import Sampling
from empeval.answering import unfinished_groups
from empeval.generators.hf import HuggingFace
from empeval.generators.hf.batches import LEAST_SHARED, common_prefix, cut_families
from empeval.generators.hf.prefill import passes, share

draw = random.Random(4)
STORIES = ["".join(draw.choices("abcdefgh ", k=length)) for length in (60, 47, 45, 20)]
PROMPTS = [
    STORIES[0] + "how sad",
    STORIES[0] + "how glad is she",
    STORIES[0],
    STORIES[1] + "why",
    STORIES[0][:40],
    STORIES[2],
    STORIES[0] + "how sad",
    STORIES[3],
    STORIES[1] + "which of them all",
    "z",
    STORIES[0] + STORIES[1] + "how glad she is, and why",
    STORIES[0] + STORIES[1] + "why",
    STORIES[0] + STORIES[1] + STORIES[3] + "how sad",
    STORIES[0] + STORIES[1] + STORIES[3] + "why",
]
SHARING = ["llama", "gpt2", "qwen3", "bloom"]
OTHERS = ["mistral", "gemma3", "lfm2", "mamba"]

rows = st.lists(st.lists(st.integers(0, 1), min_size=0, max_size=60), min_size=1, max_size=8).map(
    lambda some: [*some, *(one + [2] * 3 for one in some), some[0] * 2]
)


def length_in_common(one, other):
    return next(
        (index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )


@given(st.lists(st.integers(0, 1), max_size=40), st.lists(st.integers(0, 1), max_size=40))
def test_the_common_beginning_is_found(one, other):
    assert common_prefix(one, other) == length_in_common(one, other)
    assert common_prefix(one, one + other) == len(one)


@given(rows, st.integers(0, 3))
def test_rows_take_their_beginning_from_rows_that_are_longer(some, computed):
    shared = share(some, [computed] * len(some))
    for row, part in zip(some, shared, strict=True):
        if part.donor is None:
            assert part.length == 0
            continue
        donor = some[part.donor]
        assert len(donor) >= len(row)
        assert LEAST_SHARED <= part.length <= len(row) - computed
        assert donor[: part.length] == row[: part.length]


def test_a_row_takes_what_others_took_before_it():
    """Instructions that all have, a dialogue that three have each, and an end of its own."""
    rules = list(range(100))
    dialogues = [[200 + 50 * n + step for step in range(30 + n)] for n in range(4)]
    some = [[*rules, *one, 900 + end, 901 + end] for one in dialogues for end in range(3)]
    shared = share(some, [1] * len(some))
    rest = [len(row) - part.length for row, part in zip(some, shared, strict=True)]
    [whole] = [index for index, part in enumerate(shared) if part.donor is None]
    assert rest[whole] == 100 + 33 + 2
    firsts = [rest[3 * n : 3 * n + 3] for n in range(3)]
    assert [sorted(own) for own in firsts] == [[2, 2, 32 + n] for n in range(3)]
    assert sum(rest) == 135 + 2 * 2 + sum(map(sum, firsts))
    assert len(passes(some, shared)) == 4  # whole, its own ends, dialogues, their ends


def test_a_few_tokens_more_are_no_reason_to_wait_for_another_row():
    beginning = list(range(100))
    some = [[*beginning, *range(500, 550)], [*beginning, *range(600, 640)],
            [*beginning, *range(600, 610), *range(700, 720)]]  # fmt: skip
    assert [part.donor for part in share(some, [1, 1, 1])] == [None, 0, 0]
    some[2][100:110] = range(600, 620)
    assert [part.donor for part in share(some, [1, 1, 1])] == [None, 0, 1]


@given(rows, st.booleans(), st.integers(1, 900))
def test_each_row_is_computed_in_one_pass_behind_those_that_it_takes_from(some, padding, held):
    shared = share(some, [0] * len(some))
    planned = passes(some, shared, padding=padding, held=held)
    rest = {i: len(r) - p.length for i, (r, p) in enumerate(zip(some, shared, strict=True))}
    flat = [index for one in planned for index in one.rows]
    assert sorted(flat) == [index for index, left in rest.items() if left]
    order = {index: number for number, one in enumerate(planned) for index in one.rows}
    for one in planned:
        widths = {rest[index] for index in one.rows}
        assert one.width == max(widths)
        assert padding or len(widths) == 1
        longest = max(len(some[index]) for index in one.rows)
        assert len(one.rows) == 1 or len(one.rows) * longest <= held
        for index in one.rows:
            donor = shared[index].donor
            assert donor is None or order[donor] < order[index]


@given(rows, st.integers(1, 400), st.integers(0, 30), st.integers(1, 9))
def test_batches_of_families_keep_to_the_limits(some, budget, new_tokens, max_rows):
    prompts = [(row, index) for index, row in enumerate(some)]
    limits = {"budget": budget, "new_tokens": new_tokens, "max_rows": max_rows}
    plan = cut_families(prompts, **limits)
    assert sorted(index for batch in plan for index in batch) == list(range(len(some)))
    for batch in plan:
        longest = max(len(some[index]) for index in batch)
        assert len(batch) == 1 or len(batch) * (longest + new_tokens) <= budget
        assert len(batch) <= max_rows


def test_prompts_that_begin_alike_stand_together():
    story, other = [1] * 40, [2] * 40
    some = [story, other, [*story, 3, 4], [5] * 41, [*other, 6], [*story, 7]]
    prompts = [(row, index) for index, row in enumerate(some)]
    [batch] = cut_families(prompts, budget=10_000, new_tokens=1, max_rows=10)
    assert batch == [2, 5, 0, 3, 4, 1]


@pytest.mark.parametrize("done", [{"0"}, {"2", "3"}, {"7", "8", "9", "6", "5"}])
def test_a_resumed_run_reads_the_batches_of_an_uninterrupted_one(tmp_path, done):
    make_random_model(tmp_path, seed=3)
    asked, sampling = items(PROMPTS), Sampling(max_tokens=20, temperature=1.0)
    full, again = (
        HuggingFace(str(tmp_path), dtype="float32", device="cpu", batch_tokens=250)
        for _ in range(2)
    )
    plan = full.plan(asked, sampling)
    assert len(plan) > 2
    expected = {r.id: r.response for r in full.generate([i for g in plan for i in g], sampling)}
    left = unfinished_groups(again.plan(asked, sampling), done)
    rest = {r.id: r.response for r in again.generate(left, sampling)}
    assert set(rest) >= {item.id for item in asked} - done
    assert rest == {name: expected[name] for name in rest}


def answers(generator, **sampling):
    return [
        (r.response, r.status, r.completion_tokens, r.stop)
        for r in ask(generator, PROMPTS, **sampling)
    ]


def both(folder, monkeypatch, **sampling):
    """Answers of a model that shares beginnings, and of the same when it does not."""
    sharing, plain = (
        HuggingFace(str(folder), dtype="float32", device="cpu", batch_tokens=4_000)
        for _ in range(2)
    )
    monkeypatch.setattr(plain, "plan", lambda items, _: [list(items)])
    monkeypatch.setattr(sharing, "plan", lambda items, _: [list(items)])
    plain._load()
    monkeypatch.setattr(plain._reader, "shares", False)
    return answers(sharing, **sampling), answers(plain, **sampling), sharing


@pytest.mark.parametrize("family", [*SHARING, *OTHERS])
def test_answers_are_those_of_the_plain_loop(tmp_path, family, monkeypatch):
    make_random_model(tmp_path, family, seed=3)
    shared, plain, generator = both(tmp_path, monkeypatch, max_tokens=40)
    assert shared == plain
    assert generator._reader.shares == (family in SHARING)
    assert len(set(plain)) > 5


def test_so_are_drawn_answers_and_those_that_a_string_stops(tmp_path, monkeypatch):
    make_random_model(tmp_path, seed=1)
    stop = [chr(code) for code in range(ord("0"), ord("z"))]
    options = {"max_tokens": 40, "temperature": 1.5, "top_p": 0.9, "stop": stop, "seed": 7}
    shared, plain, _ = both(tmp_path, monkeypatch, **options)
    assert shared == plain
    assert len({end for *_, end in plain} & set(stop)) > 1


def test_only_what_is_not_shared_is_computed(tmp_path, monkeypatch):
    model = make_scripted_model(tmp_path, {"d": ["x"], "w": ["y"], "z": ["v"]})
    shapes: list[tuple[int, int]] = []
    watch_forward(monkeypatch, type(model), shapes.append)
    story = "".join(draw.choices("abcefgh", k=90))
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    monkeypatch.setattr(generator, "plan", lambda items, _: [list(items)])
    prompts = [story + "how sad", story + "how", story + "z", story + "how sad"]
    assert [r.response for r in ask(generator, prompts)] == ["x", "y", "v", "x"]
    whole, *rest = [shape for shape in shapes if shape[0] * shape[1] > 4]
    assert whole == (1, len(story) + len("how sa"))  # generate computes the last token of each
    assert rest == []


def test_a_row_that_takes_its_beginning_may_turn_bad_alone(tmp_path):
    make_scripted_model(tmp_path, {"d": ["x"], "w": ["y"]}, broken=["!"])
    story = "".join(draw.choices("abcefgh", k=90))
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    found = ask(generator, [story + "how! d", story + "how", story])
    assert [r.status for r in found[:2]] == ["error", "ok"]


def test_memory_that_runs_out_makes_smaller_batches_with_the_same_answers(tmp_path, monkeypatch):
    model = make_random_model(tmp_path, seed=3)
    expected, _, _ = both(tmp_path, monkeypatch, max_tokens=10)

    def limited(shape):
        if shape[0] > 2:
            raise MemoryError

    watch_forward(monkeypatch, type(model), limited)
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    monkeypatch.setattr(generator, "plan", lambda items, _: [list(items)])
    assert answers(generator, max_tokens=10) == expected
    assert generator.runtime()["batch_tokens_after_out_of_memory"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"temperature": 0.8, "seed": 3}])
def test_a_real_model_answers_as_by_the_plain_loop(options, monkeypatch):
    from empeval import EmpevalError, packaged_model
    from empeval_tasks.eqbench_mini.task import EQBenchMini

    try:
        folder = packaged_model("smollm2-135m-instruct")
    except EmpevalError as error:
        pytest.skip(f"smollm2-135m-instruct cannot be had: {error}")
    asked = list(EQBenchMini().items())[:12]  # five scenes come twice among them
    sampling = Sampling(max_tokens=24, stop=("\n\n",), **options)
    found = []
    for shares in (True, False):
        generator = HuggingFace(str(folder), dtype="float32", device="cpu")
        monkeypatch.setattr(generator, "plan", lambda items, _: [list(items)])
        if not shares:
            monkeypatch.setattr(generator._load().reader, "shares", False)
        answers = {r.id: (r.response, r.stop) for r in generator.generate(asked, sampling)}
        found.append(answers)
    assert found[0] == found[1]
    assert len({text for text, _ in found[0].values()}) > 6
