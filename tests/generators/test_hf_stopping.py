"""What ends an answer of an ``hf:`` model: the end of the text, a stop string, the limit."""

from __future__ import annotations

import pytest
from support.asking import ask, items, texts
from support.tiny_models import EOS, PAD, make_scripted_model

from empeval import Sampling
from empeval.generators.hf import HuggingFace

SCRIPT = ["Fine", ",", " thanks", ".\nUs", "er", ": more", " and more"]


def scripted(folder, scripts, **options):
    make_scripted_model(folder, scripts, **options)
    return HuggingFace(str(folder), dtype="float32", device="cpu")


def test_an_answer_that_nothing_stops_goes_on_to_the_end_of_the_text(tmp_path):
    model = scripted(tmp_path, {"a": SCRIPT})
    (answer,) = ask(model, ["a"])
    assert answer.response == "".join(SCRIPT)
    assert (answer.status, answer.stop) == ("ok", "eos")
    assert (answer.prompt_tokens, answer.completion_tokens) == (1, len(SCRIPT))


def test_a_stop_string_is_found_across_token_borders_and_cut_off(tmp_path):
    model = scripted(tmp_path, {"a": SCRIPT})
    (answer,) = ask(model, ["a"], stop=("\nUser:",))
    assert answer.response == "Fine, thanks."
    assert (answer.status, answer.stop) == ("ok", "\nUser:")
    assert answer.completion_tokens == len(SCRIPT) - 1


def test_the_stop_string_that_comes_first_in_the_text_wins(tmp_path):
    model = scripted(tmp_path, {"a": SCRIPT})
    (answer,) = ask(model, ["a"], stop=("User", "more", "thanks", "never"))
    assert (answer.response, answer.stop) == ("Fine, ", "thanks")


def test_of_two_stop_strings_in_one_token_the_first_in_the_text_wins(tmp_path):
    model = scripted(tmp_path, {"a": ["so", " one two three"]})
    (answer,) = ask(model, ["a"], stop=("three", "two", "one"))
    assert (answer.response, answer.stop) == ("so ", "one")


def test_a_stop_string_at_the_very_start_leaves_an_empty_answer(tmp_path):
    model = scripted(tmp_path, {"a": SCRIPT})
    (answer,) = ask(model, ["a"], stop=("F",))
    assert (answer.response, answer.stop, answer.completion_tokens) == ("", "F", 1)


def test_a_stop_string_is_not_put_together_from_prompt_and_answer(tmp_path):
    model = scripted(tmp_path, {"a": SCRIPT})
    assert texts(model, ["how are you? Ya"], stop=("aFine", "a")) == ["Fine, th"]


def test_a_stop_string_in_the_prompt_stops_nothing(tmp_path):
    model = scripted(tmp_path, {"a": SCRIPT})
    assert texts(model, ["do stop, a"], stop=("stop", "do")) == ["".join(SCRIPT)]


@pytest.mark.parametrize(
    ("answer", "stop", "left"),
    [
        ("so: 🎉!", "🎉", "so: "),
        ("да, нет", ", н", "да"),
        ("טוב, כן", ", כ", "טוב"),
    ],
)
def test_stop_strings_of_several_bytes_a_character_are_found(tmp_path, answer, stop, left):
    model = scripted(tmp_path, {"a": [*answer]})
    assert texts(model, ["a"], stop=(stop,)) == [left]


def test_a_character_that_comes_byte_by_byte_is_found_and_the_others_stay_whole(tmp_path):
    model = scripted(tmp_path, {"a": ["ok ", "🎉".encode(), " no"]})
    assert texts(model, ["a"]) == ["ok 🎉 no"]
    assert texts(model, ["a"], stop=("🎉",)) == ["ok "]


def test_half_a_character_is_no_stop_string(tmp_path):
    model = scripted(tmp_path, {"a": ["ok ", "🎉".encode(), " no"]})
    assert texts(model, ["a"], stop=("🎊",)) == ["ok 🎉 no"]


def test_every_token_that_the_model_says_ends_a_text_ends_it(tmp_path):
    scripts = {"a": ["one", "<end>", "never"], "b": ["two", "<stop>"], "c": ["three", EOS]}
    model = scripted(tmp_path, scripts, eos=("<end>", "<stop>"))
    answers = ask(model, ["a", "b", "c"])
    assert [(r.response, r.stop, r.completion_tokens) for r in answers] == [
        ("one", "eos", 1),
        ("two", "eos", 1),
        ("three", "eos", 1),
    ]


def test_a_model_that_answers_nothing_gives_an_empty_response(tmp_path):
    model = scripted(tmp_path, {"a": [EOS], "b": ["words"]})
    answers = ask(model, ["a", "b"])
    assert [(r.response, r.stop, r.completion_tokens) for r in answers] == [
        ("", "eos", 0),
        ("words", "eos", 1),
    ]


@pytest.mark.parametrize("pad", [None, PAD, EOS])
def test_the_padding_token_has_no_part_in_answers(tmp_path, pad):
    scripts = {"a": ["one"], "b": ["two", PAD, "three"], "c": [*"long", "!"]}
    model = scripted(tmp_path, scripts, pad_token=pad)
    answers = ask(model, ["a", "b", "c"], stop=("!",))
    found = [(r.response, r.completion_tokens, r.stop) for r in answers]
    assert found[0] == ("one", 1, "eos")
    assert found[1][1:] == (3, "eos")
    assert found[2] == ("long", 5, "!")


def test_special_tokens_are_left_out_of_the_text(tmp_path):
    model = scripted(tmp_path, {"a": ["one", "<s>", " two"]})
    (answer,) = ask(model, ["a"])
    assert (answer.response, answer.completion_tokens) == ("one two", 3)


def test_the_limit_cuts_an_answer_and_says_so(tmp_path):
    model = scripted(tmp_path, {"a": ["x", "y", "y"], "b": ["one", "two"]})
    endless, just = ask(model, ["a", "b"], max_tokens=40)
    assert endless.response == "x" + 39 * "y"
    assert (endless.status, endless.stop, endless.completion_tokens) == ("truncated", "length", 40)
    assert (just.status, just.completion_tokens) == ("ok", 2)


@pytest.mark.parametrize("limit", [1, 15, 16, 17])
def test_the_limit_may_lie_anywhere_between_two_looks_at_the_rows(tmp_path, limit):
    model = scripted(tmp_path, {"a": ["x", "y", "y"]})
    (answer,) = ask(model, ["a"], max_tokens=limit)
    assert len(answer.response) == answer.completion_tokens == limit


def test_a_model_without_an_end_of_text_stops_at_strings_and_limits(tmp_path):
    scripts = {"a": ["x", "!", "y", "y"], "b": ["u", "u"]}
    model = scripted(tmp_path, scripts, eos=(), eos_token=None)
    stopped, endless = ask(model, ["a", "b"], stop=("!",), max_tokens=20)
    assert (stopped.response, stopped.completion_tokens, stopped.stop) == ("x", 2, "!")
    assert (endless.response, endless.stop) == (20 * "u", "length")


def test_a_hundred_thousand_characters_come_through(tmp_path):
    model = scripted(tmp_path, {"a": ["x" * 5_000, "y" * 5_000, "y" * 5_000]})
    (answer,) = ask(model, ["a"], max_tokens=20)
    assert answer.response == "x" * 5_000 + "y" * 95_000


@pytest.mark.parametrize("text", ["🎉👩‍👩‍👧", "مرحبا كيف", "שלום עולם", "日本語", "a‏b‮"])
def test_any_script_goes_in_and_comes_out(tmp_path, text):
    model = scripted(tmp_path, {"a": [f"<{text}>"]})
    seen = model.preview(items([f"{text} a"])[0], Sampling())
    assert (seen.text, seen.tokens) == (f"{text} a", len(f"{text} a".encode()))
    assert texts(model, [f"{text} a"]) == [f"<{text}>"]
