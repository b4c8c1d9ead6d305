"""The official parser and lm-eval's, against the expressions that they are defined by."""

from __future__ import annotations

import re
import time
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.eqbench import NAMES, REFERENCE, answer, revised_answer

from empeval_tasks.eqbench.parsing import (
    german_labels,
    labels,
    parse_lm_eval,
    parse_official,
)

OTHER = {"Calm": 1.0, "Jealous": 9.0, "Amused": 3.0, "Weary": 0.0}
ZEROS = dict.fromkeys(NAMES, 0.0)

PIECES = [
    *NAMES,
    *"abé_-*.,:5٣ \n\t<(|",
    ": ",
    ": 7",
    ":\n",
    "10",
    "Calm: 5\n",
    "Weary: 3 ",
    "Jealous: 0\n",
    "Amused: 8\n",
    "Wütend: 4,5",
    "First pass scores:",
    "Revised scores:",
    "Erste Bewertung:",
    "erste",
    "Überarbeitete Bewertung:",
    "überarbeitete",
]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def defined_passes(text: str) -> tuple[str | None, str | None]:
    """The two parts of an answer by EQ-Bench's own expressions."""
    first = re.search(r"First pass scores:(.*?)Revised scores:", text, re.DOTALL)
    revised = re.search(r"Revised scores:(.*?)$", text, re.DOTALL)
    return first and first[1], revised and revised[1]


def defined_german_passes(text: str) -> tuple[str | None, str | None]:
    flags = re.IGNORECASE | re.DOTALL
    first = re.search(r"(Erste.*?):\s*(.*?)(?=Überarbeitete|$)", text, flags)
    revised = re.search(r"(Überarbeitete.*?):\s*(.*)", text, flags)
    return first and first[2], revised and revised[2]


def defined_scores(pairs: dict[str, str]) -> dict[str, float] | None:
    if len(pairs) != 4 or set(pairs) != set(NAMES) or any("," in n for n in pairs.values()):
        return None
    return {name: float(number) for name, number in pairs.items()}


def defined_labels(text: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+):\s+(\d+)", text))


def defined_german_labels(text: str) -> dict[str, str]:
    pairs = re.findall(r"([a-zA-ZäöüßÄÖÜ\s]+):\s*\**(\d+(?:,\d+)?)\**", text)
    return {label.strip(): number for label, number in pairs}


@settings(max_examples=1500)
@given(texts)
def test_labels_are_those_of_the_published_expression(text: str) -> None:
    assert labels(text) == defined_labels(text)


@settings(max_examples=1500)
@given(texts)
def test_german_labels_are_those_of_the_published_expression(text: str) -> None:
    assert german_labels(text) == defined_german_labels(text)


@settings(max_examples=500)
@given(st.text(max_size=200))
def test_labels_of_arbitrary_text_are_those_of_the_published_expressions(text: str) -> None:
    assert labels(text) == defined_labels(text)
    assert german_labels(text) == defined_german_labels(text)


@settings(max_examples=1500)
@given(texts)
def test_an_answer_with_both_headings_is_read_like_the_published_code_does(text: str) -> None:
    first, revised = defined_passes(text)
    official = parse_official(text, NAMES)
    if first is None or revised is None:
        expected = [defined_scores(defined_labels(text)), None]
    else:
        expected = [defined_scores(defined_labels(part)) for part in (first, revised)]
    if not any(any(scores.values()) for scores in expected if scores):
        expected = [None, None]
    assert [official.first, official.revised] == expected


@settings(max_examples=1500)
@given(texts)
def test_a_german_answer_is_read_like_the_published_code_does(text: str) -> None:
    first, revised = defined_german_passes(text)
    official = parse_official(text, NAMES, language="de")
    if first is None or revised is None:
        expected = [defined_scores(defined_german_labels(text)), None]
    else:
        expected = [defined_scores(defined_german_labels(part)) for part in (first, revised)]
    if not any(any(scores.values()) for scores in expected if scores):
        expected = [None, None]
    assert [official.first, official.revised] == expected


@settings(max_examples=500)
@given(texts)
def test_lm_eval_reads_the_whole_text_and_the_last_of_each_label(text: str) -> None:
    assert parse_lm_eval(text, NAMES) == defined_scores(defined_labels(text))


@settings(max_examples=300)
@given(st.text(max_size=300), st.sampled_from(["en", "de"]), st.sampled_from(["plain", "revise"]))
def test_no_text_makes_the_parsers_fail(text: str, language: str, asked: str) -> None:
    official = parse_official(text, NAMES, language=language, asked=asked)  # type: ignore[arg-type]
    for scores in (official.first, official.revised, parse_lm_eval(text, NAMES)):
        assert scores is None or (
            scores.keys() <= set(NAMES) and all(map(isfinite, scores.values()))
        )


whole = st.integers(0, 10)


@settings(max_examples=200)
@given(st.tuples(*[whole] * 4).filter(any), st.permutations(NAMES), st.sampled_from(["", "\n\n"]))
def test_an_answer_in_the_form_asked_for_is_read_back(
    numbers: tuple[int, ...], order: list[str], tail: str
) -> None:
    scores = {name: float(x) for name, x in zip(order, numbers, strict=True)}
    text = answer(scores) + tail
    for language in ("en", "de"):
        assert parse_official(text, NAMES, language=language).first == scores  # type: ignore[arg-type]
    assert parse_lm_eval(text, NAMES) == scores


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Calm: 5\nJealous: 5\nAmused: 5",
        answer() + "\nConfidence: 8",
        answer().lower(),
        answer().replace(": ", ": **"),
        answer().replace(": ", ":"),
        answer().replace(": ", ": -"),
        answer().replace("Weary", "Tired"),
        answer().replace("Weary: 5", "Weary: " + "9" * 400),
    ],
)
def test_what_the_official_parser_is_known_to_miss_is_missed(text: str) -> None:
    assert parse_official(text, NAMES).first is None


def test_decimals_are_cut_like_the_official_parser_cuts_them() -> None:
    official = parse_official(answer().replace("7", "7.9"), NAMES)
    assert official.first == REFERENCE


def test_german_scores_may_follow_the_colon_directly_and_stand_in_stars() -> None:
    text = answer().replace(": ", ":**")
    assert parse_official(text, NAMES, language="de").first == REFERENCE


def test_the_last_german_score_of_a_name_wins_wherever_its_line_begins() -> None:
    assert german_labels("Amused: 8\nAmused: 7Amused: 8") == {"Amused": "8"}


def test_german_decimal_commas_make_an_answer_unparsed_as_they_do_there() -> None:
    text = answer().replace("7", "7,5")
    assert parse_official(text, NAMES, language="de").first is None


def test_both_passes_of_a_revision_are_read() -> None:
    official = parse_official(revised_answer(REFERENCE, OTHER), NAMES)
    assert official == ("revise", REFERENCE, OTHER, False)


def test_german_headings_separate_the_passes() -> None:
    text = answer(REFERENCE, "Erste Bewertung:") + "\nKritik: nun ja\n"
    text += answer(OTHER, "Überarbeitete Bewertung:")
    assert parse_official(text, NAMES, language="de") == ("revise", REFERENCE, OTHER, False)


def test_lm_eval_takes_the_revised_scores_of_a_revision() -> None:
    assert parse_lm_eval(revised_answer(REFERENCE, OTHER), NAMES) == OTHER


def test_a_revision_cut_before_its_second_part_counts_only_where_none_was_asked_for() -> None:
    text = answer(REFERENCE, "First pass scores:") + "\nCritique: well"
    assert parse_official(text, NAMES).first == REFERENCE
    assert parse_official(text, NAMES, asked="revise") == ("revise", None, None, False)


def test_an_answer_without_headings_is_read_even_when_a_revision_was_asked_for() -> None:
    assert parse_official(answer(), NAMES, asked="revise") == ("plain", REFERENCE, None, False)


def test_zeros_only_are_dropped_by_the_official_parser_and_kept_by_lm_eval() -> None:
    assert parse_official(answer(ZEROS), NAMES) == ("plain", None, None, True)
    assert parse_lm_eval(answer(ZEROS), NAMES) == ZEROS


def test_a_pass_of_zeros_stays_beside_one_with_more() -> None:
    official = parse_official(revised_answer(ZEROS, OTHER), NAMES)
    assert official == ("revise", ZEROS, OTHER, False)
    assert parse_official(revised_answer(ZEROS, ZEROS), NAMES).all_zero


@pytest.mark.parametrize("unit", ["a", " ", ":", "9", "Calm", "Calm: ", "Calm: 5\n", "*", "é"])
@pytest.mark.parametrize("head", ["", "Calm: ", "First pass scores:", "Erste"])
def test_a_hundred_thousand_characters_are_read_at_once(unit: str, head: str) -> None:
    text = head + unit * (100_000 // len(unit))
    start = time.perf_counter()
    for language in ("en", "de"):
        parse_official(text, NAMES, language=language, asked="revise")  # type: ignore[arg-type]
    parse_lm_eval(text, NAMES)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("heading", ["First pass scores:", "Revised scores:", "Erste", "Erste: "])
def test_many_headings_are_read_at_once(heading: str) -> None:
    text = heading * (100_000 // len(heading))
    start = time.perf_counter()
    for language in ("en", "de"):
        parse_official(text, NAMES, language=language)  # type: ignore[arg-type]
    assert time.perf_counter() - start < 2
