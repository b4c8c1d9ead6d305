"""What a log says of long work: a line a minute, and nothing of short work."""

from __future__ import annotations

import pytest

from empeval_training import progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_long_work_says_how_far_it_is_once_a_minute(clock, capsys):
    for _ in progress.bar([1, 2, 3, 4, 5], "texts"):
        clock[0] += 40
    assert capsys.readouterr().err.splitlines() == ["texts: 2 of 5", "texts: 4 of 5"]


def test_work_without_a_length_is_counted(clock, capsys):
    for _ in progress.bar(iter("abc"), "texts"):
        clock[0] += 61
    assert capsys.readouterr().err.splitlines() == ["texts: 1", "texts: 2"]


def test_short_work_says_nothing(capsys):
    assert list(progress.bar(range(1000), "texts")) == list(range(1000))
    assert capsys.readouterr().err == ""
