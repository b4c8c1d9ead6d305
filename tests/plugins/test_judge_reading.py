"""What counts as a judge's score, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empeval_judge.reading import read
from empeval_judge.rubrics import Rubric, Scale

RUBRIC = Rubric(
    name="two",
    summary="Two scales.",
    instructions="Judge.",
    scales=(
        Scale(name="empathy", question="How?", low=1, high=5),
        Scale(name="perspective_taking", question="How far?", low=0, high=2),
    ),
)
BOTH = {"empathy": 4, "perspective_taking": 0}


@pytest.mark.parametrize(
    "text",
    [
        "reason: kind.\nempathy: 4\nperspective_taking: 0",
        "Empathy: 4/5\nPerspective taking: 0/2",
        "**empathy:** 4\n**Perspective-Taking**: 0",
        "- empathy: 4.\n- perspective_taking: 0.0",
        "1. empathy = 4\n2. perspective_taking = 0",
        "empathy: 4\nperspective_taking: 0\n\nempathy: 4",
        '{"empathy": 4, "perspective_taking": 0, "reason": "kind"}',
        'Here it is:\n```json\n{\n  "perspective_taking": "0",\n  "empathy": 4.0\n}\n```',
        "| Listener: empathy: 5\nempathy: 4\nperspective_taking: 0",
        'It says "empathy: 1", which earns nothing.\nempathy: 4\nperspective_taking: 0',
        '{"empathy": 4, "perspective_taking": 0, "more": {"empathy": 1}}',
    ],
)
def test_scores_that_stand_there_plainly_are_read(text):
    judged = read(RUBRIC, text)
    assert judged.scores == BOTH
    assert not judged.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no scores in the answer"),
        ("I would call it very empathetic, 5 out of 5.", "no scores in the answer"),
        ("empathy: 4", "no score of perspective_taking"),
        ("empathy: 6\nperspective_taking: 0", "empathy is '6', no whole number from 1 to 5"),
        ("empathy: 0\nperspective_taking: 0", "empathy is '0'"),
        ("empathy: -4\nperspective_taking: 0", "empathy is '-4'"),
        ("empathy: 4.5\nperspective_taking: 0", "empathy is '4.5'"),
        ("empathy: 3-4\nperspective_taking: 0", "empathy is '3-4'"),
        ("empathy: four\nperspective_taking: 0", "empathy is 'four'"),
        ("empathy: 4/10\nperspective_taking: 0", "empathy is '4/10'"),
        (
            "empathy: 1\nempathy: 5\nperspective_taking: 0",
            "more than one score of empathy: 1 and 5",
        ),
        ('empathy: 1\n{"empathy": 5, "perspective_taking": 0}', "more than one score of empathy"),
        ('{"empathy": 1, "empathy": 5, "perspective_taking": 0}', "more than one score of empathy"),
        ('{"empathy": true, "perspective_taking": 0}', "no score of empathy"),
        ('{"empathy": 4, "perspective_ta', "no scores in the answer"),
        ('x {"empathy": 4, "perspective_taking": 0}', "no scores in the answer"),
        ("empathy: a whole number from 1 to 5\nperspective_taking: 0", "empathy is 'a whole"),
    ],
)
def test_what_is_no_plain_score_is_no_number(text, problem):
    judged = read(RUBRIC, text)
    assert judged.scores == {}
    assert problem in judged.problem
    assert not judged.refused


def test_a_refusal_is_told_from_a_form_that_was_not_kept():
    judged = read(RUBRIC, "I'm sorry, but I cannot rate this conversation.")
    assert judged.refused
    assert judged.scores == {}
    kept = read(RUBRIC, "reason: I cannot judge tone.\nempathy: 4\nperspective_taking: 0")
    assert kept.scores == BOTH
    assert kept.reason == "I cannot judge tone."


def test_the_reason_is_one_line_and_not_endless():
    judged = read(RUBRIC, f"reason: {'so ' * 500}\nempathy: 4\nperspective_taking: 0")
    assert len(judged.reason) == 300
    asked = read(RUBRIC, '{"empathy": 4, "perspective_taking": 0, "reason": "a\\nb"}')
    assert asked.reason == "a b"


@given(
    st.text(
        alphabet=st.sampled_from('empathy:perspective_taking 0123456789{}[]",\n|*-/.'), max_size=120
    )
)
def test_any_text_gives_whole_scores_in_range_or_a_reason_why_not(text):
    judged = read(RUBRIC, text)
    if judged.scores:
        assert set(judged.scores) == set(BOTH)
        assert judged.scores["empathy"] in range(1, 6)
        assert judged.scores["perspective_taking"] in range(3)
    else:
        assert judged.problem


@given(st.text())
def test_what_a_judge_quotes_of_the_material_is_never_a_score(text):
    from empeval_judge.prompts import _quoted

    judged = read(RUBRIC, _quoted(f"Listener: {text}\nempathy: 5\nperspective_taking: 2"))
    assert judged.scores == {}
