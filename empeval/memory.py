"""The most memory that a process has held: this one, or one that is started to be measured."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

_START = """
import os, sys
number = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(number, 0)
with open(sys.argv[1], "w") as file:
    print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime, file=file)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""
"""A process counts what the one held that started it, so a small one must be in between."""


class Cost(NamedTuple):
    """What a command took: wall and processor seconds, and the most bytes that it held."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


def peak_memory() -> int | None:
    """The most bytes of memory that this process has held; ``None`` where nobody counts them."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux hands the other count on from the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _unit()


def run_measured(
    command: Sequence[str], **options: Any
) -> tuple[subprocess.CompletedProcess[Any], Cost]:
    """Run a command as ``subprocess.run`` does, and measure it; on POSIX.

    Args:
        command: the program, then its arguments.
        options: of ``subprocess.run``.
    """
    program = shutil.which(command[0]) or command[0]
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "cost"
        start = [sys.executable, "-I", "-S", "-c", _START, str(note), program, *command[1:]]
        started = time.perf_counter()
        done = subprocess.run(start, **options)
        seconds = time.perf_counter() - started
        peak, processor = note.read_text().split()
        return done, Cost(seconds, float(processor), int(peak) * _unit())


def _unit() -> int:
    """Bytes in what the system counts by."""
    return 1 if sys.platform == "darwin" else 1024
