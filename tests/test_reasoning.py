"""Thinking aloud is set apart and the answer is never lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval import UsageError
from empeval.reasoning import KNOWN, opened_at_end, parse_tags, recorded, split_reasoning, table

plain = st.text().filter(lambda text: not set("<[◁") & set(text))
tags = st.sampled_from(["think", "thinking", "reasoning"])


@pytest.mark.parametrize(
    ("text", "answer", "reasoning", "closed"),
    [
        ("I am sorry.", "I am sorry.", None, True),
        ("  kept as is \n", "  kept as is \n", None, True),
        ("<think>Sad.</think>\n\nI am sorry.", "I am sorry.", "Sad.", True),
        ("<think>\n\n</think>\n\nI am sorry.", "I am sorry.", "", True),
        ("Sad, I guess.</think>I am sorry.", "I am sorry.", "Sad, I guess.", True),
        ("<think>Sad, I gue", "", "Sad, I gue", False),
        ("<think>a</think>b<think>c</think>d", "bd", "a\n\nc", True),
        ("<think>a</think>b<think>c", "b", "a\n\nc", False),
        ("<thinking>a</thinking>b", "b", "a", True),
        ("<reasoning>a</reasoning>b", "b", "a", True),
        ("<think>a", "", "a", False),
        ("</think>", "", "", True),
        ("a < b and <thin king>", "a < b and <thin king>", None, True),
        ("<THINK>a</Think>b", "b", "a", True),
        ("<think>is it <reasoning>?</think>b", "b", "is it <reasoning>?", True),
        ("is it <thought>?</think>b", "b", "is it <thought>?", True),
    ],
)
def test_blocks_are_taken_out(text, answer, reasoning, closed):
    assert split_reasoning(text) == (answer, reasoning, closed)


@given(plain)
def test_a_text_without_blocks_comes_back_as_it_is(text):
    assert split_reasoning(text) == (text, None, True)


@given(tags, st.lists(st.tuples(plain, plain), min_size=1, max_size=4), plain)
@settings(max_examples=150)
def test_what_stands_around_blocks_is_the_answer(tag, pieces, end):
    text = "".join(f"{before}<{tag}>{thought}</{tag}>" for before, thought in pieces) + end
    answer, reasoning, closed = split_reasoning(text)
    assert closed
    assert answer == ("".join(before for before, _ in pieces) + end).lstrip()
    assert reasoning == "\n\n".join(thought.strip() for _, thought in pieces)


@given(tags, plain, plain)
def test_a_block_that_the_prompt_opened_ends_where_it_is_closed(tag, thought, answer):
    assert split_reasoning(f"{thought}</{tag}>{answer}") == (
        answer.lstrip(),
        thought.strip(),
        True,
    )


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "b", "c ", "\n"]), max_size=30))
@settings(max_examples=500)
def test_every_letter_is_in_the_answer_or_the_reasoning_once(pieces):
    text = "".join(pieces)
    answer, reasoning, _ = split_reasoning(text)
    both = (answer + (reasoning or "")).replace("<think>", "").replace("</think>", "")
    letters = [p.strip() for p in pieces if p.strip() in {"a", "b", "c"}]
    assert sorted(both.replace("\n", "").replace(" ", "")) == sorted(letters)


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "<think></think>", "<think>a</think>b", "<", "<think", "a "]
)
@pytest.mark.parametrize("end", ["", "</think>", "<think>", "<reasoning>"])
def test_a_hundred_thousand_characters_take_a_moment(piece, end):
    text = piece * (100_000 // len(piece)) + end
    started = time.perf_counter()
    split_reasoning(text)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("pair", KNOWN, ids=str)
def test_every_known_kind_of_tags_is_taken_out(pair):
    assert split_reasoning(f"{pair.opening}a{pair.closing}\nb") == ("b", "a", True)
    assert split_reasoning(f"a{pair.closing}b") == ("b", "a", True)
    assert split_reasoning(f"{pair.opening}a") == ("", "a", False)


CALL = "<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>"


@pytest.mark.parametrize(
    ("text", "answer", "reasoning", "closed"),
    [
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
            "b",
            "a",
            True,
        ),
        ("a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>", "b", "a", True),
        ("<|channel|>final<|message|>b", "b", None, True),
        ("<|start|>assistant<|channel|>final<|message|>b<|end|>", "b", None, True),
        ("<|channel|>analysis<|message|>a", "", "a", False),
        (CALL + "<|start|>assistant<|channel|>final<|message|>b", "b", "{}", True),
        ("analysisa?assistantfinalb", "b", "a?", True),
        ("analysis of the assistant's final", "analysis of the assistant's final", None, True),
        ("the mark <|channel|> begins one", "the mark <|channel|> begins one", None, True),
    ],
)
def test_of_messages_with_channels_the_final_one_is_the_answer(text, answer, reasoning, closed):
    assert split_reasoning(text) == (answer, reasoning, closed)


@pytest.mark.parametrize("piece", ["<|channel|>", "<|channel|>a<|message|>b", "analysis"])
@pytest.mark.parametrize("rest", ["", "a", " "])
def test_channels_in_a_hundred_thousand_characters_take_a_moment(piece, rest):
    text = piece + rest * 100_000 if rest else piece * (100_000 // len(piece))
    started = time.perf_counter()
    split_reasoning(text)
    opened_at_end(text)
    assert time.perf_counter() - started < 0.5


def test_tags_of_a_user_s_own_go_before_the_known_ones():
    text = "<plan>one <think>two</think></plan>three"
    assert split_reasoning(text) == ("<plan>one </plan>three", "two", True)
    assert split_reasoning(text, table(("<plan>",))) == ("three", "one <think>two</think>", True)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("<plan>", ("<plan>", "</plan>")),
        (" [PLAN] ", ("[PLAN]", "[/PLAN]")),
        ("Plan: ... Answer:", ("Plan:", "Answer:")),
    ],
)
def test_tags_are_written_as_a_name_or_as_both_ends(text, pair):
    assert parse_tags(text) == pair


@pytest.mark.parametrize("text", ["", "plan", "</plan>", "...", "<a>...", "...<b>", "|...|"])
def test_what_names_no_tags_is_refused(text):
    with pytest.raises(UsageError, match=r"^--reasoning-tags: .* names no tags; write <name>"):
        parse_tags(text)


def test_the_record_names_every_kind_that_is_looked_for():
    assert recorded(["<plan>"]) == ("<plan>...</plan>", *recorded())
    assert "<think>...</think>" in recorded()
    assert "harmony channels" in recorded()


@pytest.mark.parametrize(
    ("prompt", "opening"),
    [
        ("[user] hi [assistant]<think>\n", "<think>\n"),
        ("hi [THINK]", "[THINK]"),
        ("<|start|>assistant<|channel|>analysis<|message|>", "<|channel|>analysis<|message|>"),
        ("<think>\n\n</think>\n\n", ""),
        ("what does <think> mean?", ""),
        ("", ""),
    ],
)
def test_an_opening_tag_at_the_end_of_a_prompt_is_seen(prompt, opening):
    assert opened_at_end(prompt) == opening
