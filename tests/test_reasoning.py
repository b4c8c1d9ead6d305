"""Thinking aloud is set apart and the answer is never lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval.reasoning import split_reasoning

plain = st.text().filter(lambda text: "<" not in text)
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
