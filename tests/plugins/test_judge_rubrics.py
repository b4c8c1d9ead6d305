"""Rubrics: those that come with empeval, and files of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from empeval import DataError, UsageError
from empeval.testing import fake_sample
from empeval_judge.prompts import form, prompt
from empeval_judge.reading import read
from empeval_judge.rubrics import names, read_rubric

MINE = """\
name: mine
summary: Is it polite?
instructions: Judge politeness.
scales:
  - name: politeness
    question: How polite is it?
    low: 0
    high: 3
    higher_is_better: true
    levels:
      0: rude
      3: very polite
"""


@pytest.fixture
def mine(tmp_path):
    def write(text=MINE):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_our_rubrics_ask_what_they_promise():
    assert names() == ["empathy", "epitome", "eqbench3", "eqbench3-analysis"]
    empathy, epitome, play, analysis = (read_rubric(name) for name in names())
    assert [(s.name, s.low, s.high) for s in empathy.scales] == [
        (name, 1, 5)
        for name in ("empathy", "perspective_taking", "validation", "warmth", "helpfulness")
    ]
    assert [(s.name, s.low, s.high) for s in epitome.scales] == [
        (name, 0, 2) for name in ("emotional_reaction", "interpretation", "exploration")
    ]
    for whole, count in ((play, 18), (analysis, 6)):
        assert whole.of == "dialogue"
        assert [(s.low, s.high) for s in whole.scales] == [(0, 20)] * count
        better = tuple(s.name for s in whole.scales if s.higher_is_better)
        assert whole.means == {"overall": better}
        assert len(better) == 6


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("means: {politeness: [politeness]}\n", "'politeness' cannot name a mean"),
        ("means: {all: [warmth]}\n", "must be of scales of this rubric"),
        ("means: {all: []}\n", "must be of scales of this rubric"),
        (
            "  - {name: tact, question: How, low: 0, high: 9}\nmeans: {all: [politeness, tact]}\n",
            "differ in range or direction",
        ),
    ],
)
def test_a_mean_of_what_cannot_be_averaged_is_refused(mine, lines, problem):
    with pytest.raises(DataError, match=problem):
        read_rubric(mine(MINE + lines))


def test_a_rubric_of_dialogues_takes_no_examples_of_replies(mine):
    examples = "examples: [{context: [a], reply: b, reason: c, scores: {politeness: 1}}]"
    path = mine(f"{MINE}of: dialogue\n{examples}\n")
    with pytest.raises(DataError, match="takes no examples"):
        read_rubric(path)


@pytest.mark.parametrize("name", names())
def test_an_example_of_ours_is_answered_in_the_form_that_is_asked_for(name):
    rubric = read_rubric(name)
    messages = prompt(rubric, fake_sample("I see."))
    answered = [m.content for m in messages if m.role == "assistant"]
    assert len(answered) == len(rubric.examples) >= (0 if rubric.of == "dialogue" else 2)
    for example, text in zip(rubric.examples, answered, strict=True):
        assert read(rubric, text).scores == example.scores
    assert read(rubric, form(rubric)).scores == {}  # the form itself is no answer


def test_a_rubric_of_ones_own_is_asked_as_it_says(mine):
    rubric = read_rubric(mine())
    first = prompt(rubric, fake_sample("Well."))[0].content
    assert "Judge politeness." in first
    assert "- politeness, from 0 to 3: How polite is it?\n  0: rude\n  3: very polite" in first
    assert "politeness: a whole number from 0 to 3" in first


@pytest.mark.parametrize(
    ("before", "after"),
    [("Is it polite?", "Is it?"), ("rude", "gruff"), ("high: 3", "high: 4"), ("true", "false")],
)
def test_whatever_a_rubric_says_changes_its_hash(mine, before, after):
    one = read_rubric(mine()).hash
    assert read_rubric(mine(MINE + "# a comment\n")).hash == one
    assert read_rubric(mine(MINE.replace(before, after))).hash != one


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINE.replace("high: 3", "high: 0"), "line 5: low .0. must be 0 or more and below high"),
        (MINE.replace("politeness\n", "Polite ness\n"), "line 5: 'Polite ness' cannot name"),
        (MINE.replace("politeness\n", "reason\n"), "line 5: 'reason' cannot name"),
        (MINE.replace("      3:", "      7:"), "line 5: the level 7 lies outside 0-3"),
        (MINE.replace("low: 0", "low: zero"), "line 7"),
        (MINE.replace("    low: 0\n", ""), "lacks 'low'"),
        (MINE.replace("levels", "level"), "line 10: there is no 'level' here"),
        (MINE.replace("summary", "sumary"), "there is no 'sumary' here"),
        (MINE.partition("scales")[0] + "scales: []\n", "at least one scale"),
        (MINE + MINE.partition("scales:\n")[2], "the scale 'politeness' is there twice"),
        (MINE + "examples:\n  - {context: [Hi], reply: x, reason: y, scores: {}}\n", "exactly"),
        (
            MINE + "examples:\n  - {context: [a], reply: x, reason: y, scores: {politeness: 4}}\n",
            "the score 4 of politeness lies outside",
        ),
        ("- a\n- b\n", "name: value"),
        ("a: !!python/object:os.system {}\n", "line 1"),
    ],
)
def test_a_rubric_that_makes_no_sense_is_refused_with_its_line(mine, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_rubric(mine(text))


def test_the_rubric_in_the_documents_is_one(mine):
    page = (Path(__file__).parents[2] / "docs" / "judges.md").read_text()
    shown = read_rubric(mine(page.partition("```yaml\n")[2].partition("```")[0]))
    assert [scale.name for scale in shown.scales] == ["politeness"]
    assert shown.examples


def test_a_rubric_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"no rubric 'epitom'.*epitome"):
        read_rubric("epitom")
    with pytest.raises(UsageError, match=r"nowhere\.yaml cannot be read"):
        read_rubric("nowhere.yaml")
