"""What the tolerant parser reads, and what it leaves alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.eqbench import NAMES, REFERENCE, answer, revised_answer

from empeval_tasks.eqbench.parsing import parse_official
from empeval_tasks.eqbench.tolerant import parse_tolerant

Pairs = list[tuple[str, str]]
OTHER = {"Calm": 1.0, "Jealous": 9.0, "Amused": 3.0, "Weary": 0.0}


def lines(template: str) -> Callable[[Pairs], str]:
    return lambda pairs: "\n".join(
        template.format(name=name, score=score, number=number)
        for number, (name, score) in enumerate(pairs, 1)
    )


def joined(separator: str, template: str) -> Callable[[Pairs], str]:
    return lambda pairs: separator.join(template.format(name=n, score=s) for n, s in pairs)


def as_json(pairs: Pairs) -> str:
    return json.dumps({n: float(s.replace(",", ".").split("/")[0]) for n, s in pairs})


LAYOUTS = [
    *map(
        lines,
        (
            "{name}: {score}",
            "{name}:{score}",
            "{name} : {score}",
            "{name}: <{score}>",
            "{name}: [{score}]",
            "{name}: **{score}**",
            "**{name}:** {score}",
            "**{name}**: {score}",
            "_{name}_: {score}",
            "`{name}`: `{score}`",
            "- {name}: {score}",
            "* **{name}** - {score}",
            "• {name} – {score}",
            "{number}. {name}: {score}",
            "{number}) **{name}:** {score}",
            "### {name}: {score}",
            "> {name}: {score}",
            "{name} - {score}",
            "{name} = {score}",
            "{name} -> {score}",
            "{name} ({score})",
            "{name} [{score}]",
            "{name} {score}",
            "{name}\t{score}",
            "| {name} | {score} |",
            "| {number} | **{name}** | {score} | because of it |",
            "😀 {name}: {score}",
            "\u200f{name}: {score}",
            "{name}: {score} because it shows",
            "{name}: {score} (it shows)",
            "{name}: {score}.",
            "{name}:\n{score}",
            "**{name}**\u00a0: {score}",
            "{name}: {score}<|im_end|>",
        ),
    ),
    joined(", ", "{name}: {score}"),
    joined("; ", "{name} ({score})"),
    joined(" and ", "{name}: {score}"),
    joined(" | ", "{name}: {score}"),
    as_json,
    lambda pairs: "```json\n" + as_json(pairs) + "\n```",
]
numbers = st.one_of(
    st.integers(0, 10).map(str),
    st.integers(0, 10).map("{}/10".format),
    st.integers(0, 10).map("{} out of 10".format),
    st.tuples(st.integers(0, 9), st.integers(0, 99)).map(lambda x: f"{x[0]}.{x[1]}"),
    st.tuples(st.integers(0, 9), st.integers(0, 99)).map(lambda x: f"{x[0]},{x[1]}"),
)
cases = st.sampled_from([str, str.lower, str.upper, str.swapcase])
around = st.sampled_from(["", "\n", "Here you are:\n\n", "Well, 10 things.\n", "Confidence: 8\n"])


def value(text: str) -> float:
    return float(text.replace(" out of ", "/").split("/")[0].replace(",", "."))


@settings(max_examples=2000)
@given(
    st.permutations(NAMES),
    st.lists(numbers, min_size=4, max_size=4),
    cases,
    st.sampled_from(LAYOUTS),
    around,
    around,
)
def test_every_layout_of_a_full_answer_is_read_back(
    order: list[str],
    texts: list[str],
    case: Callable[[str], str],
    layout: Callable[[Pairs], str],
    before: str,
    after: str,
) -> None:
    if layout in LAYOUTS[-2:]:
        texts = [text.split("/")[0].split(" ")[0] for text in texts]
    pairs = [(case(name), text) for name, text in zip(order, texts, strict=True)]
    read = parse_tolerant(before + layout(pairs) + "\n" + after, NAMES)
    assert read is not None
    expected = {name: value(text) for name, text in zip(order, texts, strict=True)}
    assert read.scores == pytest.approx(expected)
    assert read.clamped == 0


@settings(max_examples=300)
@given(
    st.lists(st.integers(-30, 30), min_size=4, max_size=4),
    st.sampled_from(["{}: {}", "- **{}:** {}", "| {} | {} |"]),
)
def test_scores_outside_the_scale_are_limited_and_counted(wanted: list[int], line: str) -> None:
    text = "\n".join(line.format(name, x) for name, x in zip(NAMES, wanted, strict=True))
    read = parse_tolerant(text, NAMES)
    assert read is not None
    assert list(read.scores.values()) == [min(max(x, 0), 10) for x in wanted]
    assert read.clamped == sum(not 0 <= x <= 10 for x in wanted)


@settings(max_examples=500)
@given(st.text(max_size=400))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert parse_tolerant(text, NAMES) is None


WORDS = ["they", "of", "feel", "people", "times", "about", "Then", "not", "score", "is"]


@settings(max_examples=1000)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(WORDS),
            st.sampled_from([*NAMES, *map(str.lower, NAMES), *map(str, range(12))]),
            st.sampled_from(WORDS),
        ),
        max_size=30,
    )
)
def test_prose_with_names_and_numbers_is_never_read(triples: list[tuple[str, str, str]]) -> None:
    assert parse_tolerant(" ".join(" ".join(t) for t in triples), NAMES) is None


@settings(max_examples=300)
@given(st.tuples(*[st.integers(0, 10)] * 4).filter(any), st.permutations(NAMES), around)
def test_what_the_official_parser_reads_is_read_alike(
    wanted: tuple[int, ...], order: list[str], before: str
) -> None:
    text = before.replace("Confidence", "Note") + answer(
        dict(zip(order, map(float, wanted), strict=True))
    )
    official = parse_official(text.replace("Note: 8", "Note"), NAMES).first
    read = parse_tolerant(text, NAMES)
    assert official is not None
    assert read is not None
    assert read.scores == official


@pytest.mark.parametrize(
    "stated",
    [
        "Calm: 4-6",
        "Calm: 4 – 6",
        "Calm: 4 to 6",
        "Calm: 4 or 5",
        "Calm: 4 bis 6",
        "Calm: **4**-**6**",
        "Calm: 4, 5",
        "Calm: 4 5",
        "Calm: 4 -> 5",
        "Calm: ~5",
        "Calm: <5",
        "Calm: 50%",
        "Calm: 5/5",
        "Calm: 50/100",
        "Calm: 3 out of 5",
        "Calm: 5th",
        "Calm: 1,000",
        "Calm: 3.5.2",
        "Calm: five",
        "Calm: <score>",
        "Calm: ",
        "Calm:\n1. They are",
        "Calm -5",
        "Calm 5 times",
        "Calm (0-10): 5",
        "| Calm | 5 | 6 |",
        "Calmness: 5",
        "un-Calm: 5",
        "not calm: 5",
        "He is calm (5)",
        "I count 5 people who are calm",
        "Call: 5",
    ],
)
def test_what_does_not_plainly_state_a_score_is_not_read(stated: str) -> None:
    rest = "\n" + answer({name: 3.0 for name in NAMES if name != "Calm"})
    assert parse_tolerant("Calm: 5" + rest, NAMES) is not None
    assert parse_tolerant(stated + rest, NAMES) is None


def test_the_last_full_set_wins_over_earlier_and_unfinished_ones() -> None:
    text = "\n\n".join([answer(OTHER), answer(REFERENCE), "Calm: 9\nWeary: 9"])
    read = parse_tolerant(text, NAMES)
    assert read is not None
    assert read.scores == REFERENCE


def test_a_score_that_is_put_right_at_once_replaces_the_one_before() -> None:
    read = parse_tolerant("Jealous: 7\nCalm: 9\nCalm: 2\nAmused: 0\nWeary: 5", NAMES)
    assert read is not None
    assert read.scores == REFERENCE


def test_the_revised_scores_of_a_revision_count() -> None:
    read = parse_tolerant(revised_answer(OTHER, REFERENCE), NAMES)
    assert read is not None
    assert read.scores == REFERENCE


def test_halves_of_two_passes_make_no_answer() -> None:
    text = "First pass scores:\nCalm: 1\nJealous: 2\nRevised scores:\nAmused: 3\nWeary: 4"
    assert parse_tolerant(text, NAMES) is None


def test_a_first_pass_counts_when_the_revision_is_unfinished() -> None:
    text = answer(REFERENCE, "First pass scores:") + "\n**Revised scores:**\nCalm: 9"
    read = parse_tolerant(text, NAMES)
    assert read is not None
    assert read.scores == REFERENCE


def test_names_are_compared_in_any_case_and_unicode_composition() -> None:
    names = ("Wütend", "Maßlos", "Erleichtert", "Ängstlich")
    text = "WU\u0308TEND: 1\nMASSLOS: 2\nerleichtert: 3\nA\u0308NGSTLICH: 4"
    read = parse_tolerant(text, names)
    assert read is not None
    assert read.scores == dict(zip(names, (1, 2, 3, 4), strict=True))


@pytest.mark.parametrize(
    "unit",
    [
        *("a", " ", ":", "9", "*", "(", "-", "\n", "é", "e\u0301", "<", "|"),
        *("Calm", "Calm:", "Calm: ", "Calm: 5\n", "Calm <", "--- Calm: 5", "Revised scores:"),
    ],
)
@pytest.mark.parametrize("head", ["", "Calm", "Calm: ", "Calm: 5"])
def test_a_hundred_thousand_characters_are_read_at_once(unit: str, head: str) -> None:
    text = head + unit * (100_000 // len(unit)) + " Calm: 5"
    start = time.perf_counter()
    parse_tolerant(text, NAMES)
    assert time.perf_counter() - start < 2
