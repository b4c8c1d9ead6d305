"""``make bench``: one failing measurement stops no other, and what cannot be measured is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "benchmarks" / "bench.py"


def bench(out, *arguments, **changes):
    environment = {**os.environ, **changes}
    command = [sys.executable, str(BENCH), "--quick", "-o", str(out), *arguments]
    return subprocess.run(
        command, cwd=out.parent, env=environment, capture_output=True, text=True, timeout=300
    )


def test_what_is_measured_stands_in_the_file_with_its_command_and_the_machine(tmp_path):
    out = tmp_path / "bench.md"
    done = bench(out, "--only", "start", "raw", "--lm-eval", "no-such-program")
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    assert f"Python {sys.version.split()[0]}" in text
    assert f"{os.cpu_count()} processors" in text
    assert "python benchmarks/start_up.py --rounds 1" in text
    [bare] = [line for line in text.splitlines() if "python -c pass" in line]
    assert float(bare.split()[-2]) > 0
    assert "Not measured: --lm-eval no-such-program is no program" in text
    assert "not measured: raw" in done.stdout


def test_the_peer_is_not_started_without_its_questions(tmp_path):
    out = tmp_path / "bench.md"
    done = bench(out, "--only", "chat", "--lm-eval", sys.executable, EMPEVAL_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "EMPEVAL_DATA names no folder" in out.read_text()


def test_a_measurement_that_fails_is_named_and_the_next_one_made(tmp_path):
    data = tmp_path / "data" / "pbevan11" / "EQ-Bench"
    data.mkdir(parents=True)
    (data / "validation.jsonl").write_text("{}\n")
    out = tmp_path / "bench.md"
    done = bench(
        out, "--only", "raw", "start", "--model", str(tmp_path), "--lm-eval", sys.executable,
        EMPEVAL_DATA=str(tmp_path / "data"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "failed: raw" in done.stderr
    assert "there is no config.json in it" in done.stdout + done.stderr
    assert "python -c pass" in out.read_text()
