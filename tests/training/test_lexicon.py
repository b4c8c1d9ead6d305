"""Lexical signals against sentences counted by hand, and on any text whatever."""

from __future__ import annotations

import time

import numpy as np
import pytest
from empeval_training.lexicon import NAMES, asks_openly, is_empathic, lexical, sentences
from hypothesis import given, settings
from hypothesis import strategies as st


def signals(reply):
    return dict(zip(NAMES, lexical([reply])[0], strict=True))


@pytest.mark.parametrize(
    ("reply", "name", "value"),
    [
        ("That must have been a long night.", "validation", 1),
        ("It sounds awful. I'd be nervous too. No wonder!", "validation", 2),
        ("I’d be nervous too.", "validation", 1),
        ("The train was late.", "validation", 0),
        ("I'm sorry, that's terrible.", "sympathy", 2),
        ("Sorry, sorry, sorry, sorry!", "sympathy", 2),
        ("Congrats! I'm so happy for you!", "shared_joy", 2),
        ("How exciting!", "shared_joy", 1),
        ("It's not a big deal. Get over it.", "dismissal", 2),
        ("At least it was cheap.", "dismissal", 1),
        ("You should see a lawyer. Have you tried calling?", "advice", 2),
        ("You should be proud.", "advice", 0),
        ("You must feel lonely and scared.", "feeling_words", 2),
        ("The same happened to me.", "shared_experience", 1),
        ("You and your dog", "second_person", 0.5),
        ("my dog and I went out", "first_person", 2 / 6),
        ("What did he say?", "open_question", 1),
        ("Did he call?", "open_question", 0),
        ("I know what he said. Really?", "open_question", 0),
        ("Did he call?", "question", 1),
        ("He did!", "exclamation", 1),
    ],
)
def test_signals_of_sentences_counted_by_hand(reply, name, value):
    assert signals(reply)[name] == pytest.approx(value)


def test_an_empty_reply_says_nothing():
    assert lexical(["", "   "]).tolist() == [[0.0] * 12] * 2
    assert lexical([]).shape == (0, 12)


@given(st.text())
@settings(deadline=None, max_examples=200)
def test_any_text_has_signals_within_their_ranges(text):
    row = signals(text)
    assert np.isfinite(list(row.values())).all()
    assert all(0 <= value <= 2 for value in row.values())
    for name in ("second_person", "first_person", "open_question", "question", "exclamation"):
        assert row[name] <= 1
    is_empathic(text)
    assert all(part.strip() for part in sentences(text))


@given(st.text(alphabet="aI. !?\n", max_size=60))
def test_sentences_lose_nothing_but_blanks(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_sentences_end_at_closing_marks():
    assert sentences("Oh no! What now?  I see... Well") == [
        "Oh no!",
        "What now?",
        "I see...",
        "Well",
    ]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("That must have been hard.", True),
        ("How was it?", True),
        ("I’m glad for you.", True),
        ("The bus leaves at six.", False),
        ("Was it six?", False),
    ],
)
def test_sentences_that_carry_empathy(sentence, expected):
    assert is_empathic(sentence) is expected


@pytest.mark.parametrize(
    "text", ["what ", "my a ", "that's ", "i'd be a ", "a", "?", "that must ", "oh ", ". "]
)
def test_a_text_of_a_hundred_thousand_characters_takes_a_moment(text):
    long = (text * 100_000)[:100_000]
    started = time.process_time()
    lexical([long])
    is_empathic(long)
    asks_openly(long)
    sentences(long)
    assert time.process_time() - started < 3
