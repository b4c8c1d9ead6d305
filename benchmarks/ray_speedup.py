"""How much faster two replicas answer than one, and what Ray itself costs; answers must be equal.

    empeval models get smollm2-135m-instruct
    python benchmarks/ray_speedup.py --limit 40 --rounds 3

Each round asks the same questions of the model in this process, of one replica and of two, a
thread each, in turns, so that a change of the machine's load meets all of them. Loading is not
counted: every replica answers a group before the clock starts. On a machine that does other things
as well take the ratio's spread for what it is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import empeval
from empeval.asked import AskedTask
from empeval.runspec import RunSpec

HERE = 0
"""Replicas of the model that this process has itself."""


def measured(model: str, replicas: int, asked: AskedTask, budget: int) -> tuple[float, dict]:
    """Seconds that all questions took, and the answers by id."""
    options: dict[str, object] = {"batch_tokens": budget}
    if replicas:
        model, options = f"ray:{model}", options | {"replicas": replicas, "cpus": 1}
    generator = empeval.open_model(model, options)
    sampling = asked.entry.sampling
    generator.prepare({asked.name: asked.shown})
    plan = generator.plan(asked.shown, sampling)
    first = [item for group in plan[: max(1, 2 * replicas)] for item in group]
    list(generator.generate(first, sampling))  # loads the weights, everywhere
    started = time.perf_counter()
    found = {r.id: r.response for r in generator.generate(asked.shown, sampling)}
    seconds = time.perf_counter() - started
    generator.close()
    print(f"  {'no Ray' if not replicas else f'{replicas} replica(s)'}: {len(plan)} groups, "
          f"{seconds:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    return seconds, found


def main() -> int:
    """Measure; 1 if an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="packaged:smollm2-135m-instruct")
    parser.add_argument("--task", default="eqbench")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=2000, metavar="N",
                        help="small, so that there are many groups to share out")  # fmt: skip
    options = parser.parse_args()
    asked = AskedTask(options.task, {}, RunSpec(limit=options.limit))
    kinds = (HERE, 1, options.replicas)
    taken: dict[int, list[float]] = {kind: [] for kind in kinds}
    answers = []
    print(f"{options.model}, {len(asked.items)} questions of {options.task}, "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    for number in range(options.rounds):
        print(f"round {number + 1}", flush=True)
        for kind in kinds:
            seconds, found = measured(options.model, kind, asked, options.batch_tokens)
            taken[kind].append(seconds)
            answers.append(found)
    equal = all(one == answers[0] for one in answers)
    for name, one, other in (
        (f"{options.replicas} replicas beside one", 1, options.replicas),
        ("one replica beside no Ray", HERE, 1),
    ):
        ratios = [a / b for a, b in zip(taken[one], taken[other], strict=True)]
        print(f"{name}: {statistics.median(ratios):.2f} times as fast "
              f"({min(ratios):.2f} to {max(ratios):.2f})")  # fmt: skip
    print("answers are equal" if equal else "ANSWERS DIFFER")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
