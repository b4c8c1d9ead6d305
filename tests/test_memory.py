"""What a command takes is measured, and not what its parent holds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from empeval.memory import peak_memory, run_measured

pytestmark = pytest.mark.skipif(os.name != "posix", reason="wait4 is of POSIX")

MB = 1_000_000


def test_the_memory_that_a_command_held_is_counted():
    program = f"import sys; x = bytearray(150 * {MB}); print('said'); sys.exit(3)"
    done, cost = run_measured([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "said\n")
    assert 150 * MB < cost.peak_bytes < 250 * MB
    assert cost.processor_seconds > 0
    assert cost.seconds > 0


def test_what_this_process_holds_is_not_counted_to_a_command():
    held = b"x" * (200 * MB)
    _, cost = run_measured([sys.executable, "-c", "pass"], check=True)
    assert len(held) < peak_memory()
    assert cost.peak_bytes < 100 * MB


def test_a_command_that_fails_is_raised_when_that_is_asked_for():
    with pytest.raises(subprocess.CalledProcessError):
        run_measured([sys.executable, "-c", "raise SystemExit(2)"], check=True)
