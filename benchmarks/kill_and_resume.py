"""Kill runs at random moments, resume them, and compare with an uninterrupted run.

Each round starts ``empeval run`` in a new folder, kills it with SIGKILL at a random moment,
starts the same command again, and so on until one gets through. At the end the figures must be
the same bytes, and every answer must be there once with the text of the uninterrupted run.

    python benchmarks/kill_and_resume.py --rounds 20 -- \\
        --model packaged:smollm2-135m-instruct --tasks ed-mini --limit 6 --max-tokens 24
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def answers(folder: Path) -> dict[tuple[str, str], str]:
    """(task, id) -> answer of a run; stops when an id comes twice."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted((folder / "responses").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            key = (path.stem, row["id"])
            if key in found:
                sys.exit(f"{path}: {row['id']} comes twice")
            found[key] = row["response"]
    return found


def interrupted_run(command: list[str], longest: float, dice: random.Random) -> tuple[int, int]:
    """Kill and resume until one run gets through; (kills, kills that had left answers behind)."""
    kills = partial = 0
    folder = Path(command[-1])
    while True:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, errors = process.communicate(timeout=dice.uniform(0.05, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            partial += (folder / "responses").is_dir() and any(
                p.stat().st_size for p in (folder / "responses").iterdir()
            )
            continue
        if process.returncode:
            sys.exit(f"the run failed: {errors}")
        return kills, partial


def main() -> int:
    """Run the rounds; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--empeval", default=shutil.which("empeval") or "empeval")
    parser.add_argument("arguments", nargs="+", help="after --: arguments of empeval run")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    different = total_kills = total_partial = 0
    with tempfile.TemporaryDirectory() as work:
        whole = Path(work, "whole")
        command = [options.empeval, "run", *options.arguments, "--out"]
        started = time.perf_counter()
        subprocess.run([*command, str(whole)], check=True, stdout=subprocess.DEVNULL)
        longest = 1.2 * (time.perf_counter() - started)
        expected = (whole / "metrics.json").read_bytes()
        for number in range(options.rounds):
            folder = Path(work, f"round{number}")
            kills, partial = interrupted_run([*command, str(folder)], longest, dice)
            same = (folder / "metrics.json").read_bytes() == expected
            same = same and answers(folder) == answers(whole)
            different += not same
            total_kills += kills
            total_partial += partial
            verdict = "same" if same else "DIFFERENT"
            print(
                f"round {number + 1}: {kills} kills, {partial} with answers: {verdict}", flush=True
            )
    print(
        f"{options.rounds} rounds, {total_kills} kills ({total_partial} with answers on disk), "
        f"{len(json.loads(expected)['metrics'])} figures each, {different} rounds differ"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
