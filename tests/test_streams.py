"""Standard streams that are closed, or whose reader has gone, are no error."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.command import environment
from support.made_runs import make_run, normal

POLICY = '[[headline]]\nmetric = "warmth"\nmargin = 0.1\n'


@pytest.fixture
def shell(tmp_path):
    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line.replace("empeval ", f"{sys.executable} -m empeval ", 1)],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    return run


ASKED = "empeval run --model human: --tasks ed-mini --limit 2 --scorers surface --out run"


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&- <&-", "| true"])
def test_a_run_does_not_mind_streams_that_are_closed(shell, tmp_path, closed):
    done = shell(f"set -o pipefail; {ASKED} {closed}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "metrics.json").read_bytes().startswith(b"{")
    for path in (tmp_path / "run").rglob("*.jsonl"):
        assert all(line.startswith(b"{") for line in path.read_bytes().splitlines())


@pytest.mark.parametrize("closed", [">&-", "| true", "2>&1 | true"])
def test_a_gate_says_what_it_says_to_nobody_too(shell, tmp_path, closed):
    make_run(tmp_path / "base", normal(200, 1))
    make_run(tmp_path / "new", normal(200, 1, mean=-3.0))
    (tmp_path / "gate.toml").write_text(POLICY)
    done = shell(f"set -o pipefail; empeval gate new --baseline base --policy gate.toml {closed}")
    assert done.returncode == 3, done.stderr


def test_prune_goes_on_when_nobody_reads(shell, tmp_path):
    for number in range(3):
        make_run(tmp_path / "empeval-runs" / str(number), [1.0])
    done = shell("set -o pipefail; empeval runs prune --keep 0 --yes | true")
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "empeval-runs").iterdir())
