"""How likely continuations are, read from an ``hf:`` model's logits."""

from __future__ import annotations

import math

import pytest
from support.asking import watch_forward
from support.tiny_models import CHATML, byte_tokenizer, make_random_model, make_scripted_model

from empeval import Continuations, EmpevalError, Message, UsageError, loglikelihood, probabilities
from empeval.generators.hf import HuggingFace
from empeval.generators.replay import Replay

FAMILIES = ["llama", "gpt2", "mistral", "qwen3", "gemma3", "bloom", "lfm2", "mamba", "openai-gpt"]
STORY = "Ann lost her dog and cried all day long. "
OTHER = "Then she heard that he had been seen near the old mill, wet and limping. "
QUESTIONS = [
    (STORY + "How sad is she?", ("0", "5", "10", "very, very")),
    (STORY + "How glad is she?", ("0", "5", "10")),
    ("Bo won.", ("0", "10", " in the end")),
    (STORY + "How sad", (" was she", " w")),
    (STORY + OTHER + "How sad is she now?", ("0", "5", "10")),
    (STORY + OTHER + "How glad is she now?", ("0", "5", "very")),
    (STORY + OTHER + "And she?", ("0", "5", "very")),
    (STORY + "Nobody came to help. How sad is she, and why?", ("0", "5", "10")),
]


def asked(questions=QUESTIONS, lead=""):
    return [
        Continuations(str(number), (Message("user", prompt),), texts, lead)
        for number, (prompt, texts) in enumerate(questions)
    ]


def generator(folder, **options):
    return HuggingFace(str(folder), dtype="float32", device="cpu", **options)


def alone(model, tokenizer, before, text):
    """Log-probability of a text's tokens from one forward pass of the model over all of it."""
    import torch

    start = len(tokenizer(before).input_ids)
    ids = torch.tensor([tokenizer(before + text).input_ids])
    with torch.no_grad():
        logs = model(ids).logits[0].double().log_softmax(-1)
    return sum(
        logs[position - 1, ids[0, position]].item() for position in range(start, ids.shape[1])
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_each_value_is_that_of_a_pass_over_its_own_text_alone(tmp_path, family):
    model = make_random_model(tmp_path, family, seed=5)
    found = loglikelihood(generator(tmp_path), asked())
    tokenizer = byte_tokenizer()
    assert list(found) == [str(number) for number in range(len(QUESTIONS))]
    for number, (prompt, texts) in enumerate(QUESTIONS):
        expected = [alone(model, tokenizer, prompt, text) for text in texts]
        assert found[str(number)].values == pytest.approx(expected, abs=2e-4)
        assert found[str(number)].prompt_tokens == len(prompt)
        assert min(expected) < -1


def test_a_request_alone_has_the_values_that_it_has_among_others(tmp_path):
    make_random_model(tmp_path)
    model = generator(tmp_path)
    together = loglikelihood(model, asked())
    for request in asked():
        apart = loglikelihood(model, [request])[request.id]
        assert apart.values == pytest.approx(together[request.id].values, abs=1e-4)


def test_small_batches_change_no_value(tmp_path):
    make_random_model(tmp_path)
    whole = loglikelihood(generator(tmp_path), asked())
    small = loglikelihood(generator(tmp_path, batch_tokens=1), asked())
    for name, found in whole.items():
        assert small[name].values == pytest.approx(found.values, abs=1e-4)


def test_what_two_requests_begin_with_is_read_once(tmp_path, monkeypatch):
    kind = type(make_random_model(tmp_path))
    computed: list[int] = []
    watch_forward(monkeypatch, kind, lambda shape: computed.append(shape[0] * shape[1]))
    loglikelihood(generator(tmp_path), asked(QUESTIONS[:2]))
    longest = len(QUESTIONS[0][0]) + len("very, very") - 1
    rest = len("How glad is she?") + 1  # the row of "10", which has those of "0" and "5" in it
    assert sum(computed) <= longest + 2 * (rest + 1)
    assert sum(computed) < len(QUESTIONS[0][0]) + len(QUESTIONS[1][0])


def test_a_conversation_counts_once_for_all_that_is_asked_of_it(tmp_path, monkeypatch):
    """Rules, four dialogues behind them, five questions on each: twice what is different fits."""
    kind = type(make_random_model(tmp_path))
    rules, talks = STORY * 3, [f"Talk {n}: " + OTHER for n in range(4)]
    ends = [f"{name}?" for name in ("sad", "glad", "proud", "calm", "cross")]
    questions = [(rules + talk + end, ("0", "5")) for talk in talks for end in ends]
    computed: list[int] = []
    watch_forward(monkeypatch, kind, lambda shape: computed.append(shape[0] * shape[1]))
    room = 4 * len(rules + talks[0]) + sum(map(len, ends)) * 4 * 2
    found = loglikelihood(generator(tmp_path, batch_tokens=room), asked(questions))
    assert {one.note for one in found.values()} == {None}
    different = len(rules) + sum(map(len, talks)) + 4 * sum(map(len, ends))
    assert sum(computed) < 1.5 * different
    assert sum(computed) < 0.15 * sum(len(prompt) for prompt, _ in questions)


def test_many_questions_on_one_conversation_are_read_some_at_a_time(tmp_path, monkeypatch):
    """What is kept of each is as wide as the vocabulary."""
    kind = type(make_random_model(tmp_path))
    widest: list[int] = []
    watch_forward(monkeypatch, kind, lambda shape: widest.append(shape[0]))
    questions = [(STORY, (f"{number:03d} times", "never")) for number in range(600)]
    found = loglikelihood(generator(tmp_path), asked(questions))
    assert {one.note for one in found.values()} == {None}
    assert 64 < max(widest) <= 256


def test_a_text_that_the_model_is_sure_of_has_nearly_all_of_the_probability(tmp_path):
    make_scripted_model(tmp_path, {"?": ["yes", " dear"], "!": ["no"]})
    request = Continuations("1", (Message("user", "Well?"),), ("yes", "no", "yes dear"))
    values = loglikelihood(generator(tmp_path), [request])["1"].values
    shares = probabilities(values[:2])
    assert shares[0] > shares[1]
    assert sum(shares) == pytest.approx(1)
    assert values[2] < values[0]


def test_texts_go_on_behind_the_beginning_of_the_answer(tmp_path):
    model = make_random_model(tmp_path, tokenizer=byte_tokenizer(chat_template=CHATML))
    request = asked([("How sad?", ("3", "4"))], "Sad: ")[0]
    found = loglikelihood(generator(tmp_path), [request])["0"]
    before = "<|user|>How sad?\n<|assistant|>Sad: "
    expected = [alone(model, byte_tokenizer(), before, text) for text in "34"]
    assert found.values == pytest.approx(expected, abs=2e-4)


def test_in_the_plain_format_the_answer_begins_on_a_line_of_its_own(tmp_path):
    model = make_random_model(tmp_path)
    request = asked([("How sad?", ("3", "4"))], "Sad: ")[0]
    found = loglikelihood(generator(tmp_path), [request])["0"]
    expected = [alone(model, byte_tokenizer(), "How sad?\nSad: ", text) for text in "34"]
    assert found.values == pytest.approx(expected, abs=2e-4)


def test_a_text_that_is_cut_otherwise_with_what_precedes_it_is_counted_from_there(tmp_path):
    tokenizer = byte_tokenizer(["d?"])  # one token where "?" follows "d", two letters elsewhere
    model = make_random_model(tmp_path, tokenizer=tokenizer, vocab_size=len(tokenizer))
    request = asked([("How sad", ("?", "!"))])[0]
    found = loglikelihood(generator(tmp_path), [request])["0"]
    expected = [alone(model, tokenizer, "How sa", text) for text in ("d?", "d!")]
    assert found.values == pytest.approx(expected, abs=2e-4)


def test_a_request_that_does_not_fit_into_the_window_gets_a_note(tmp_path):
    make_random_model(tmp_path, max_position_embeddings=40)
    found = loglikelihood(generator(tmp_path), asked([("x" * 39, ("a", "bc")), ("y", ("a",))]))
    assert found["0"].values == ()
    assert "41 tokens, the model's window 40" in str(found["0"].note)
    assert math.isfinite(found["1"].values[0])


def test_logits_that_are_no_numbers_give_a_note_and_leave_the_others_alone(tmp_path):
    make_scripted_model(tmp_path, {"a": ["x"], "b": ["y"]}, broken=["b"])
    found = loglikelihood(generator(tmp_path), asked([("b", ("y",)), ("a", ("x",))]))
    assert "not numbers" in str(found["0"].note)
    assert found["1"].note is None


def test_a_generator_that_has_no_likelihoods_is_refused_in_a_sentence(tmp_path):
    saved = tmp_path / "saved.jsonl"
    saved.write_text('{"id": "1", "response": "5"}\n')
    with pytest.raises(UsageError, match="gives no probabilities of tokens"):
        loglikelihood(Replay(str(saved)), asked())


def test_requests_that_make_no_sense_are_refused(tmp_path):
    make_random_model(tmp_path)
    model = generator(tmp_path)
    with pytest.raises(UsageError, match="the same id"):
        loglikelihood(model, [*asked(), *asked()])
    with pytest.raises(UsageError, match="Nothing to say"):
        loglikelihood(model, asked([("a", ("b", ""))]))


class Careless(HuggingFace):
    """Gives one value too few."""

    def loglikelihood(self, requests):
        from empeval import LogLikelihood

        for request in requests:
            yield LogLikelihood(request.id, (-1.0,) * (len(request.texts) - 1))


def test_a_generator_that_leaves_a_value_out_is_told_so(tmp_path):
    make_random_model(tmp_path)
    with pytest.raises(EmpevalError, match="gave 3 likelihoods for the 4 texts of '0'"):
        loglikelihood(Careless(str(tmp_path), dtype="float32"), asked())
