"""The lines of an audit that nobody watches: what they say of the time that is left."""

from __future__ import annotations

import pytest

from empeval.auditing import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that go by when they are told to."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_time_is_told_from_replies_that_were_read_and_not_from_the_loading(clock, caplog):
    caplog.set_level("INFO", "empeval")
    lines = progress.Lines(96, 0, "judge: rated replies")
    clock[0] += 500  # the scorer is loaded, and a first group is read
    lines.update()
    for _ in range(15):
        lines.update()
    assert caplog.messages == ["judge: rated replies: 1 of 96"]
    for _ in range(2):
        clock[0] += 30
        for _ in range(16):
            lines.update()
    # 32 replies a minute since the first line, 63 left.
    assert caplog.messages[1:] == ["judge: rated replies: 33 of 96, about 2 minutes left"]
