"""What looking around costs: processor time of ``--help`` and the like, this tree beside another.

    python benchmarks/start_up.py --against ../empeval-before --rounds 15

The other tree is a checkout of another version; the two take turns, so that a busy machine is busy
for both, and the least of all rounds counts (user and system time, from ``RUSAGE_CHILDREN``). Which
distributions are installed is the same for both. With ``PYTHONDONTWRITEBYTECODE`` set, every start
compiles what it imports; without it, the first round leaves byte code for the others.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("--help", "--version", "list tasks", "run --help", "train --help", "run --nope", "rune")
PARTS = ("", "plugins", "tasks", "reference_models")
BARE = ["-c", "pass"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, metavar="TREE", help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="of each (default 9)")
    options = parser.parse_args()
    trees = [ROOT] if options.against is None else [options.against.resolve(), ROOT]
    commands = {"python -c pass": BARE}
    commands |= {f"empeval {words}": ["-m", "empeval", *words.split()] for words in COMMANDS}
    least: dict[tuple[str, Path], float] = {}
    for _ in range(options.rounds):
        for name, words in commands.items():
            for tree in trees:
                spent = milliseconds(words, tree)
                least[name, tree] = min(spent, least.get((name, tree), spent))
    for name in commands:
        print(f"{name:24}", *(f"{least[name, tree]:8.1f} ms" for tree in trees))


def milliseconds(words: list[str], tree: Path) -> float:
    """Processor time of a process of Python, user and system, that imports a tree."""
    folders = os.pathsep.join(str(tree / part) for part in PARTS)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words],
        cwd=tree,  # the first entry of all with -m
        env=os.environ | {"PYTHONPATH": folders},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
