"""The most memory that a process has held, this one or one that is started to be measured."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_START = """
import os, sys
number = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(number, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""
"""A process counts what the one held that started it, so a small one must be in between."""


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
) -> tuple[subprocess.CompletedProcess[Any], int]:
    """Run a command as ``subprocess.run`` does; the most bytes of memory that it held, too.

    Args:
        command: the program's path, then its arguments.
        options: of ``subprocess.run``.
    """
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "peak"
        start = [sys.executable, "-I", "-S", "-c", _START, str(note), *command]
        done = subprocess.run(start, check=False, **options)
        return done, int(note.read_text()) * _unit()


def _unit() -> int:
    """Bytes in what the system counts by."""
    return 1 if sys.platform == "darwin" else 1024
