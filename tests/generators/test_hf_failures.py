"""What goes wrong with one prompt of an ``hf:`` model does not touch the others."""

from __future__ import annotations

import pytest
from support.asking import ask, items, texts, watch_forward
from support.tiny_models import byte_tokenizer, make_random_model, make_scripted_model

from empeval import Item, Message, Sampling, UsageError
from empeval.generators.hf import HuggingFace

PROMPTS = [f"{letter * 40} {letter}" for letter in "abcdefghi"]
SCRIPTS = {letter: [f"{letter}{number} " for number in range(12)] for letter in "abcdefghi"}
ANSWERS = ["".join(SCRIPTS[letter]) for letter in "abcdefghi"]


@pytest.fixture
def scripted(tmp_path):
    """Answers of 12 tokens to nine prompts, and the model's class."""
    kind = type(make_scripted_model(tmp_path, SCRIPTS))
    return HuggingFace(str(tmp_path), dtype="float32", device="cpu"), kind


class Memory:
    """Runs out as soon as more tokens are in a batch than it holds."""

    def __init__(self, monkeypatch, kind, tokens, error=None):
        import torch

        self.tokens = tokens
        self.error = error or torch.OutOfMemoryError("CUDA out of memory.")
        self.failures = 0
        self.rows: list[int] = []
        self.held = 0
        watch_forward(monkeypatch, kind, self.check)

    def check(self, shape):
        rows, width = shape
        self.rows.append(rows)
        self.held = width if width > 1 else self.held + 1
        if rows * self.held > self.tokens:
            self.failures += 1
            raise self.error


def test_a_batch_that_does_not_fit_is_answered_by_smaller_ones(scripted, monkeypatch):
    generator, kind = scripted
    memory = Memory(monkeypatch, kind, tokens=3 * 42 + 20)
    assert texts(generator, PROMPTS, max_tokens=20) == ANSWERS
    assert memory.failures > 0
    assert max(memory.rows) == 9
    assert memory.rows[-1] <= 3


def test_later_batches_stay_as_small_as_memory_has_shown(scripted, monkeypatch):
    generator, kind = scripted
    memory = Memory(monkeypatch, kind, tokens=5 * 62)
    assert texts(generator, PROMPTS, max_tokens=20) == ANSWERS
    found_out = memory.failures
    assert found_out > 0
    assert texts(generator, PROMPTS, max_tokens=20) == ANSWERS
    assert memory.failures == found_out


def test_batches_of_shorter_prompts_may_have_more_rows(scripted, monkeypatch):
    generator, kind = scripted
    memory = Memory(monkeypatch, kind, tokens=6 * 62)
    assert texts(generator, PROMPTS, max_tokens=20) == ANSWERS
    assert max(memory.rows[memory.rows.index(9) + 1 :]) < 6
    memory.rows.clear()
    assert texts(generator, list("abcdefghi"), max_tokens=20) == ANSWERS
    assert max(memory.rows) == 9


def test_answers_that_were_given_before_memory_ran_out_are_kept(tmp_path, monkeypatch):
    scripts = SCRIPTS | {letter: [f"{letter}."] for letter in "abcd"}
    scripts |= {letter: [f"{letter}{n} " for n in range(40)] for letter in "efghi"}
    kind = type(make_scripted_model(tmp_path, scripts))
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    memory = Memory(monkeypatch, kind, tokens=5 * (42 + 20))
    memory.tokens = 10**6
    order: list[tuple[str, int]] = []
    for response in generator.generate(items(PROMPTS), Sampling(max_tokens=50)):
        order.append((response.id, memory.failures))
        memory.tokens = 5 * (42 + 20)
        assert response.response == "".join(scripts["abcdefghi"[int(response.id)]])
    assert order[:4] == [("0", 0), ("1", 0), ("2", 0), ("3", 0)]
    assert sorted(order[4:]) == [(str(number), memory.failures) for number in range(4, 9)]
    assert memory.failures > 0


def test_a_single_prompt_that_does_not_fit_gets_an_error_and_the_others_answers(
    scripted, monkeypatch
):
    generator, kind = scripted
    Memory(monkeypatch, kind, tokens=200)
    long, *others = ask(generator, [f"{'x' * 300} a", *PROMPTS], max_tokens=20)
    assert (long.status, long.response) == ("error", "")
    assert long.note == "out of memory with a batch of one"
    assert [r.response for r in others] == ANSWERS


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_way_to_say_that_memory_ran_out_is_understood(scripted, monkeypatch, error):
    generator, kind = scripted
    memory = Memory(monkeypatch, kind, tokens=200, error=error)
    assert texts(generator, PROMPTS, max_tokens=20) == ANSWERS
    assert memory.failures > 0


def test_any_other_error_of_the_model_is_not_swallowed(scripted, monkeypatch):
    generator, kind = scripted
    Memory(monkeypatch, kind, tokens=200, error=RuntimeError("a kernel is broken"))
    with pytest.raises(RuntimeError, match="a kernel is broken"):
        ask(generator, PROMPTS)


def test_logits_that_are_no_numbers_spoil_their_own_row_only(tmp_path):
    make_scripted_model(tmp_path, SCRIPTS, broken=["y"])
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    good, bad, also_good = ask(generator, [PROMPTS[0], "y" + PROMPTS[1][1:], PROMPTS[2]])
    assert (bad.status, bad.response, bad.stop) == ("error", "", None)
    assert "not numbers (NaN)" in bad.note
    assert [good.response, also_good.response] == [ANSWERS[0], ANSWERS[2]]


def test_logits_that_turn_bad_in_the_middle_of_an_answer_are_noticed(tmp_path):
    make_scripted_model(tmp_path, {"a": [*"one", b"y", "two"], "b": ["fine"]}, broken=["y"])
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    bad, good = ask(generator, ["a", "b"])
    assert (bad.status, bad.response) == ("error", "")
    assert good.response == "fine"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_model_whose_weights_are_not_numbers_gives_errors(tmp_path, value, temperature):
    import torch

    model = make_random_model(tmp_path)
    with torch.no_grad():
        model.lm_head.weight.fill_(float(value))
    model.save_pretrained(tmp_path)
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    answers = ask(generator, ["abc", "abd"], temperature=temperature)
    assert [(r.status, r.response) for r in answers] == 2 * [("error", "")]
    assert all("NaN" in r.note for r in answers)


@pytest.fixture
def narrow(tmp_path):
    """A model of 40 positions that never stops."""
    make_scripted_model(tmp_path, {"a": ["x", "y", "y"]}, window=40)
    return HuggingFace(str(tmp_path), dtype="float32", device="cpu")


def test_a_prompt_longer_than_the_window_gets_an_error_with_both_numbers(narrow):
    long, full, short = ask(narrow, [f"{'x' * 44}a", f"{'x' * 39}a", "a"], max_tokens=5)
    assert long.status == full.status == "error"
    assert long.note == "the prompt has 45 tokens, the model's window 40"
    assert long.prompt_tokens == 45
    assert full.note == "the prompt has 40 tokens, the model's window 40"
    assert short.response == "xyyyy"


def test_each_answer_is_cut_where_its_own_window_ends(narrow):
    answers = ask(narrow, [f"{'z' * 30}a", f"{'z' * 29}a", "a"], max_tokens=20)
    assert [r.completion_tokens for r in answers] == [9, 10, 20]
    assert [len(r.response) for r in answers] == [9, 10, 20]
    assert [(r.status, r.stop) for r in answers] == 3 * [("truncated", "length")]
    assert [r.note for r in answers] == [
        *2 * ["cut off at the end of the model's window of 40 tokens"],
        None,
    ]


def test_prompts_beyond_the_window_are_announced_before_the_run(narrow):
    asked = items(["a", f"{'x' * 44}a", "b"])
    plain, warning = narrow.prepare({"mine": asked, "other": asked[:1]})
    assert "no chat template" in plain
    assert warning == (
        "mine: 1 of 3 prompts are longer than the model's window of 40 tokens and get no answer: 1"
    )


def test_absolute_positions_are_never_exceeded(tmp_path):
    endless = byte_tokenizer(eos_token=None)
    make_random_model(tmp_path, "gpt2", tokenizer=endless, n_positions=40, eos_token_id=None)
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    answers = ask(generator, ["x" * 39, "x" * 38, "x" * 20], max_tokens=64)
    assert [r.completion_tokens for r in answers] == [1, 2, 20]


def test_an_empty_prompt_gets_an_error(scripted):
    generator, _ = scripted
    empty, good = ask(generator, ["", "a"])
    assert (empty.status, empty.note) == ("error", "the prompt is empty")
    assert good.response == ANSWERS[0]


def test_two_questions_with_one_id_are_not_mixed_up(scripted):
    generator, _ = scripted
    for letter, answer in zip("abc", ANSWERS, strict=False):
        asked = Item("1", (Message("user", letter),), cluster="1")
        assert [r.response for r in generator.generate([asked], Sampling())] == [answer]


def test_a_model_that_was_closed_answers_again(scripted):
    generator, _ = scripted
    assert texts(generator, ["a"]) == ANSWERS[:1]
    generator.close()
    generator.close()
    assert texts(generator, ["a"]) == ANSWERS[:1]


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path):
    make_random_model(tmp_path, tokenizer=byte_tokenizer(["hello"]))
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    with pytest.raises(UsageError, match="gives the token 259, but the model knows only 259"):
        generator.prepare({"mine": items(["a", "hello"])})
