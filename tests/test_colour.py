"""Colour is for a person at a terminal, and marks three things."""

from __future__ import annotations

import io
import re

import pytest
from support.made_runs import make_run, normal

from empeval import colour

CODE = re.compile(r"\x1b\[(\d+)m([^\x1b]*)\x1b\[0m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def compared(cli, tmp_path):
    """Compares a run with one that is worse."""
    base = normal(60, 1, mean=3)
    make_run(tmp_path / "one", base)
    make_run(tmp_path / "two", [v - 1 for v in base])

    def compare(*more):
        return cli("compare", "one", "two", "--margin", "0.2", "--resamples", "200", *more)

    return compare


@pytest.mark.parametrize(
    ("settings", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_who_gets_colour(monkeypatch, settings, terminal, expected):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert colour.wanted(Terminal() if terminal else io.StringIO()) is expected


def test_a_verdict_is_coloured_and_the_table_stays_as_it_was(compared, monkeypatch):
    plain = compared()
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = compared()
    assert "\x1b" not in plain.out
    assert (str(colour.RED), "worse") in CODE.findall(coloured.out)
    assert CODE.sub(r"\2", coloured.out) == plain.out


def test_a_table_that_was_made_to_fit_stays_as_it_was(compared, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    plain = compared()
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = compared()
    assert (str(colour.RED), "worse") in CODE.findall(coloured.out)
    assert CODE.sub(r"\2", coloured.out) == plain.out


@pytest.mark.parametrize("form", ["md", "csv", "json", "latex"])
def test_what_a_program_or_a_page_reads_has_no_colour(compared, monkeypatch, form):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in compared("--format", form).out


def test_of_an_error_the_prefix_alone_is_coloured(cli, monkeypatch):
    assert cli("show", "nowhere").err.startswith("error: ")
    monkeypatch.setenv("FORCE_COLOR", "1")
    told = cli("show", "nowhere").err
    assert CODE.findall(told) == [(str(colour.RED), "error:")]


def test_what_a_model_says_is_no_status(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colour.word("It was worse than that.", io.StringIO()) == "It was worse than that."
    assert colour.message("an error: this", io.StringIO()) == "an error: this"


def test_no_word_has_two_colours():
    words = [word for words in colour.WORDS.values() for word in words]
    assert len(words) == len(set(words))
