"""The command line, in this process and in others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a command came to: exit code and what it printed."""

    code: int
    out: str
    err: str


def environment(path: Sequence[Path] = (), **settings: str) -> dict[str, str]:
    """The variables of a new process, with the tests' modules and ``path`` importable."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMPEVAL_", "PYTHON"))}
    entries = [*map(str, path), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(entries)} | settings


def start(
    *arguments: str, folder: Path, path: Sequence[Path] = (), **settings: str
) -> subprocess.Popen[str]:
    """Start ``empeval`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "empeval", *arguments],
        cwd=folder,
        env=environment(path, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for it."""
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Outcome(process.returncode, out, err)


def python(code: str, *arguments: str, folder: Path, path: Sequence[Path] = ()) -> Outcome:
    """Run code in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
