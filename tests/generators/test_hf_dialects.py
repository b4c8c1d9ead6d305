"""Thoughts and ends that a model marks by special tokens, which decoding leaves out."""

from __future__ import annotations

import json

import pytest
from support.asking import ask, texts
from support.tiny_models import make_scripted_model

from empeval.generators.hf import HuggingFace
from empeval.reasoning import split_reasoning

CHAT = (
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}]{% endif %}"
)
HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>")


def scripted(folder, script, special, **options):
    make_scripted_model(folder, {"]": script}, special=special, chat_template=CHAT, **options)
    return HuggingFace(str(folder), dtype="float32", device="cpu")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<|inner_prefix|>", "<|inner_suffix|>")],
)
def test_special_tokens_around_a_thought_stay_in_the_text(tmp_path, opening, closing):
    script = [opening, "they", " hurt", closing, "So sorry", "!"]
    (answer,) = ask(scripted(tmp_path, script, (opening, closing)), ["Hi"])
    assert split_reasoning(answer.response) == ("So sorry!", "they hurt", True)
    assert answer.completion_tokens == len(script)


def test_a_tag_of_which_a_part_is_a_special_token_stays_whole(tmp_path):
    script = ["<|channel>", "thought", "\nwhy", "<channel|>", "Oh."]
    (answer,) = ask(scripted(tmp_path, script, ("<|channel>", "<channel|>")), ["Hi"])
    assert split_reasoning(answer.response) == ("Oh.", "why", True)


def test_channels_of_special_tokens_stay_in_the_text(tmp_path):
    first, last = ["<|channel|>", "analysis", "<|message|>", "they hurt"], ["<|end|>", "Sorry"]
    model = scripted(tmp_path, first + last, HARMONY)
    assert texts(model, ["Hi"]) == ["<|channel|>analysis<|message|>they hurt<|end|>Sorry"]


def test_the_same_tokens_without_a_channel_are_left_out(tmp_path):
    model = scripted(tmp_path, ["Sorry", "<|end|>", " to hear"], HARMONY)
    assert texts(model, ["Hi"]) == ["Sorry to hear"]


def test_the_special_tokens_of_a_user_s_own_tags_stay_in_the_text(tmp_path):
    model = scripted(tmp_path, ["<plan>", "hm", "</plan>", "Oh."], ("<plan>", "</plan>"))
    assert texts(model, ["Hi"]) == ["hmOh."]
    assert texts(model, ["Hi"], reasoning_tags=("<plan>",)) == ["<plan>hm</plan>Oh."]


def test_a_tag_that_the_template_opens_may_be_a_user_s_own(tmp_path):
    opens = CHAT.replace("]{%", "<plan>{%")
    make_scripted_model(tmp_path, {">": ["hm", "</plan>", "Oh."]}, chat_template=opens)
    model = HuggingFace(str(tmp_path), dtype="float32", device="cpu")
    assert texts(model, ["Hi"]) == ["hm</plan>Oh."]
    assert texts(model, ["Hi"], reasoning_tags=("<plan>",)) == ["<plan>hm</plan>Oh."]


SCRIPT = ["I", " am", " sorry", "<|im_end|>", "user", ": more"]


def test_a_stop_string_that_is_a_special_token_ends_the_answer(tmp_path):
    model = scripted(tmp_path, SCRIPT, ("<|im_end|>",))
    assert texts(model, ["Hi"]) == ["I am sorryuser: more"]
    (answer,) = ask(model, ["Hi"], stop=("<|im_end|>",))
    assert (answer.response, answer.stop) == ("I am sorry", "<|im_end|>")
    assert (answer.status, answer.completion_tokens) == ("ok", 4)


@pytest.mark.parametrize(
    ("stop", "left"), [("sorry<|im_end|>", "I am"), ("<|im_end|>us", "I am sorry")]
)
def test_a_stop_string_may_go_on_around_a_special_token(tmp_path, stop, left):
    (answer,) = ask(scripted(tmp_path, SCRIPT, ("<|im_end|>",)), ["Hi"], stop=(stop,))
    assert (answer.response, answer.stop) == (left, stop)


def test_the_first_stop_string_wins_whether_special_or_not(tmp_path):
    model = scripted(tmp_path, SCRIPT, ("<|im_end|>",))
    assert ask(model, ["Hi"], stop=("<|im_end|>", "am"))[0].stop == "am"
    assert ask(model, ["Hi"], stop=("more", "<|im_end|>"))[0].stop == "<|im_end|>"


def test_a_stop_string_is_cut_off_behind_special_tokens_that_are_left_out(tmp_path):
    script = ["<s>", "One", " two", "<|im_end|>", "three"]
    (answer,) = ask(scripted(tmp_path, script, ("<|im_end|>",)), ["Hi"], stop=("<|im_end|>",))
    assert (answer.response, answer.stop) == ("One two", "<|im_end|>")


def test_a_part_of_a_special_token_s_name_stops_nothing(tmp_path):
    (answer,) = ask(scripted(tmp_path, SCRIPT, ("<|im_end|>",)), ["Hi"], stop=("im_end",))
    assert (answer.response, answer.stop) == ("I am sorryuser: more", "eos")


def test_a_run_keeps_such_a_thought_out_of_the_answer_and_names_what_it_looked_for(cli, tmp_path):
    script = ["<plan>", "they hurt", "</plan>", "So sorry", "!"]
    scripted(tmp_path / "model", script, ("<plan>", "</plan>"), window=4096)
    asked = ["run", "--model", "hf:./model", "--tasks", "ed-mini", "--scorers", "surface"]
    asked += ["--limit", "1", "--out", "run"]
    assert cli(*asked, "--reasoning-tags", "<plan>").code == 0
    lines = (tmp_path / "run" / "responses" / "ed-mini.jsonl").read_text().splitlines()
    answers = {(a["response"], a["reasoning"]) for a in map(json.loads, lines)}
    assert answers == {("So sorry!", "they hurt")}
    task = json.loads((tmp_path / "run" / "run.json").read_text())["tasks"]["ed-mini"]
    assert task["reasoning"][0] == "<plan>...</plan>"
    assert "<think>...</think>" in task["reasoning"]
    other = cli(*asked)
    assert other.code == 2
    assert "reasoning_tags" in other.err
