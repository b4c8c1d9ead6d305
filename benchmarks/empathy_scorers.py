"""Speed of the bundled empathy checkpoints: one dialogue at a time, and in bulk.

    python benchmarks/empathy_scorers.py [--singles 60] [--bulk 512] [--rounds 5]

The three take turns in every round, so that a machine that slows down slows all of them; ratios
are of the medians over the rounds. Dialogues are the mini task's and, to fill the bulk, those with
their replies swapped, so nothing is scored twice.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from tabulate import tabulate

from empeval_empathy.checkpoints import BUNDLED
from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue
from empeval_tasks.ed_mini.task import EDMini

NAMES = ("baseline", "stm", "mvc")


def dialogues(count: int) -> list[Dialogue]:
    """So many different dialogues of our own."""
    items = list(EDMini().items())
    contexts = [tuple(m.content for m in item.messages if m.role != "system") for item in items]
    pairs = [
        Dialogue(context, str(items[(place + shift) % len(items)].reference))
        for shift in range(len(items))
        for place, context in enumerate(contexts)
    ]
    return list(dict.fromkeys(pairs))[:count]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--singles", type=int, default=60, help="dialogues scored one by one")
    parser.add_argument("--bulk", type=int, default=512, help="dialogues scored at once")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    judges: dict[str, Judge] = {}
    loading, size = {}, {}
    for name in NAMES:
        started = time.perf_counter()
        judges[name] = Judge(BUNDLED / name)
        loading[name] = time.perf_counter() - started
        size[name] = sum(p.stat().st_size for p in Path(BUNDLED / name).iterdir()) / 1e6
    few, many = dialogues(options.singles), dialogues(options.bulk)
    single: dict[str, list[float]] = {name: [] for name in NAMES}
    bulk: dict[str, list[float]] = {name: [] for name in NAMES}
    for judge in judges.values():
        judge.judge(many[:16])
    for _ in range(options.rounds):
        for name, judge in judges.items():
            started = time.perf_counter()
            for dialogue in few:
                judge.judge([dialogue])
            single[name].append((time.perf_counter() - started) / len(few))
            started = time.perf_counter()
            judge.judge(many)
            bulk[name].append((time.perf_counter() - started) / len(many))
    rows = []
    for name in NAMES:
        one, each = statistics.median(single[name]), statistics.median(bulk[name])
        rows.append(
            [
                name,
                f"{1000 * one:.1f}",
                f"{one / statistics.median(single['baseline']):.2f}",
                f"{1 / each:.0f}",
                f"{each / statistics.median(bulk['baseline']):.2f}",
                f"{loading[name]:.1f}",
                f"{size[name]:.2f}",
            ]
        )
    headers = [
        "scorer", "ms a sample, batch 1", "to baseline", "samples/s in bulk", "to baseline",
        "loading s", "folder MB",
    ]  # fmt: skip
    print(tabulate(rows, headers=headers, disable_numparse=True))
    print("the first one loaded also imports torch and transformers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
