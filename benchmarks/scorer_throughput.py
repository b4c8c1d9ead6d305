"""Throughput and peak memory of ``empeval score`` with the empathy scorers, alone and together.

    python benchmarks/scorer_throughput.py [--counts 250 1000] [--threads 1 2] [--rounds 1]

Each row is a command of its own, start-up and numbers included: ``empeval score FILE --scorers
...`` over so many replies, with so many threads. The replies are those of ``empathy_scorers.py``,
taken over and over with a number in them, so that none is scored twice.

Ratios are of processor seconds, since a machine that has other work to do leaves these alone, and
the commands that are compared follow one another. *A further reply* is the difference between two
sizes, without what start-up takes: where it stays the same, scoring is linear.

``--profile`` adds in what each scorer alone spends its time on a chunk of replies, in this process
and on one thread; with an empty ``--counts`` nothing else is measured.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from empathy_scorers import check_writable, contestant, count_from_one, draw
from tabulate import tabulate

from empeval import EmpevalError, UsageError
from empeval.memory import Cost, run_measured

DISTINCT = 200
"""Dialogues that the replies are given to in turn."""

PARTS = {
    "encoder": ("encoding.py", "pooled"),
    "tokens, views": ("views.py", "build"),
    "language": ("english.py", "looks_english"),
}
"""Parts of scoring, and the file and the function that each is."""


class Row(NamedTuple):
    """What is measured: scorers together, threads, replies."""

    scorers: tuple[str, ...]
    threads: int
    count: int


def write_dialogues(path: Path, count: int, seed: int) -> Path:
    """A file of so many dialogues of people, with a number in each reply."""
    _, samples = draw(DISTINCT, seed)
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            sample = samples[number % DISTINCT]
            row = {
                "id": str(number),
                "messages": [{"role": m.role, "content": m.content} for m in sample.item.messages],
                "response": f"{sample.text} {number}",
            }
            file.write(json.dumps(row) + "\n")
    return path


def cost_of(row: Row, file: Path, folder: Path) -> Cost:
    """What scoring a file takes.

    Raises:
        EmpevalError: it failed.
    """
    command = [sys.executable, "-m", "empeval", "score", str(file), "--scorers"]
    command += [",".join(row.scorers), "--out", str(folder), "--format", "json"]
    threads = {"OMP_NUM_THREADS": str(row.threads), "TOKENIZERS_PARALLELISM": "false"}
    done, cost = run_measured(
        command, capture_output=True, encoding="utf-8", env={**os.environ, **threads}
    )
    if done.returncode:
        raise EmpevalError(f"empeval score failed: {done.stderr.strip()[-500:]}")
    return cost


def measured(rows: Sequence[Row], rounds: int, seed: int) -> dict[Row, list[Cost]]:
    """What each row takes, a cost a round; rows of one size follow one another."""
    costs: dict[Row, list[Cost]] = {row: [] for row in rows}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for count in dict.fromkeys(row.count for row in rows):
            file = write_dialogues(work / f"{count}.jsonl", count, seed)
            for turn in range(rounds):
                for index, row in enumerate(row for row in rows if row.count == count):
                    folder = work / f"{count}-{turn}-{index}"
                    costs[row].append(cost_of(row, file, folder))
                    print(f"{row} {costs[row][-1]}", file=sys.stderr, flush=True)
    return costs


def medians(costs: dict[Row, list[Cost]]) -> list[dict[str, Any]]:
    """Medians of each row."""
    found = []
    for row, taken in costs.items():
        seconds = statistics.median(cost.seconds for cost in taken)
        found.append(
            {
                "scorers": list(row.scorers),
                "threads": row.threads,
                "replies": row.count,
                "seconds": seconds,
                "replies_per_second": row.count / seconds,
                "cpu_seconds": statistics.median(cost.processor_seconds for cost in taken),
                "peak_bytes": statistics.median(cost.peak_bytes for cost in taken),
            }
        )
    return found


def further(costs: dict[Row, list[Cost]]) -> list[list[Any]]:
    """Scorers, threads, two sizes, and processor milliseconds of a reply between them."""
    rows = []
    for scorers, threads in dict.fromkeys((row.scorers, row.threads) for row in costs):
        for small, large in pairwise(sorted({row.count for row in costs})):
            before, after = (costs[Row(scorers, threads, count)] for count in (small, large))
            more = statistics.median(
                b.processor_seconds - a.processor_seconds
                for a, b in zip(before, after, strict=True)
            )
            rows.append([scorers, threads, small, large, 1000 * more / (large - small)])
    return rows


def ratios(costs: dict[Row, list[Cost]]) -> list[list[Any]]:
    """What all scorers together take for each that was measured alone, as a multiple of it."""
    rows = []
    for together in (row for row in costs if len(row.scorers) > 1):
        for alone in (row for row in costs if len(row.scorers) == 1):
            if alone[1:] == together[1:]:
                pairs = zip(costs[together], costs[alone], strict=True)
                made = [(a.processor_seconds / b.processor_seconds, a.peak_bytes / b.peak_bytes)
                        for a, b in pairs]  # fmt: skip
                columns = zip(*made, strict=True)
                rows.append([*alone, *map(statistics.median, columns)])
    return rows


def report(costs: dict[Row, list[Cost]]) -> str:
    """The numbers in Markdown."""
    rows = [
        [
            ", ".join(one["scorers"]),
            one["threads"],
            one["replies"],
            f"{one['seconds']:.1f}",
            f"{one['cpu_seconds']:.1f}",
            f"{one['replies_per_second']:.1f}",
            f"{one['peak_bytes'] / 1e6:.0f}",
        ]
        for one in medians(costs)
    ]
    heads = ["scorers", "threads", "replies", "s", "CPU s", "replies/s", "peak MB"]
    parts = [tabulate(rows, heads, tablefmt="github", disable_numparse=True)]
    steps = [[", ".join(r[0]), r[1], f"{r[2]} to {r[3]}", f"{r[4]:.1f}"] for r in further(costs)]
    if steps:
        heads = ["scorers", "threads", "replies", "CPU ms a further reply"]
        parts.append(tabulate(steps, heads, tablefmt="github", disable_numparse=True))
    against = [[r[0][0], r[1], r[2], f"{r[3]:.2f}", f"{r[4]:.2f}"] for r in ratios(costs)]
    if against:
        heads = ["all together against", "threads", "replies", "CPU time", "peak memory"]
        parts.append(tabulate(against, heads, tablefmt="github", disable_numparse=True))
    return "\n\n".join(parts)


def profile(name: str, seed: int) -> list[Any]:
    """The scorer, processor milliseconds a reply, and the shares of its parts in percent."""
    import torch

    scorer = contestant(name).scorer
    _, samples = draw(DISTINCT, seed)
    torch.set_num_threads(1)
    scorer.score(samples[:8])
    watched = cProfile.Profile(time.process_time)
    watched.runcall(scorer.score, samples)
    spent = pstats.Stats(watched).stats

    def seconds_in(file: str, function: str) -> float:
        return max(
            numbers[3]
            for (path, _, name), numbers in spent.items()
            if (Path(path).name, name) == (file, function)
        )

    parts = [seconds_in(*where) for where in PARTS.values()]
    total = seconds_in("scorers.py", "score")
    shares = [100 * part / total for part in (*parts, total - sum(parts))]
    return [name, 1000 * total / len(samples), *shares]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scorers", nargs="*", metavar="SCORER", default=["mvc", "stm", "baseline"])
    parser.add_argument("--alone", nargs="+", metavar="SCORER", default=["mvc", "baseline"],
                        help="scorers that are measured alone, too")  # fmt: skip
    parser.add_argument("--counts", type=count_from_one, nargs="*", default=[250, 1000])
    parser.add_argument("--threads", type=count_from_one, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=count_from_one, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser


def run(options: Any) -> int:
    """Check everything that can be checked, measure, print."""
    if os.name != "posix":
        raise UsageError("What a command takes is measured on POSIX only.")
    if options.json is not None:
        check_writable(options.json)
    names = list(options.scorers)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"{min(twice)} is named twice.")
    for name in dict.fromkeys([*names, *options.alone]):
        contestant(name)
    draw(DISTINCT, options.seed)
    groups = dict.fromkeys([*((name,) for name in options.alone), tuple(names)])
    rows = [
        Row(scorers, threads, count)
        for count in sorted(set(options.counts))
        for threads in sorted(set(options.threads))
        for scorers in groups
    ]
    load = os.getloadavg()[0]
    costs = measured(rows, options.rounds, options.seed)
    facts = f"{os.cpu_count()} CPUs, whose load was {load:.1f} before"
    if costs:
        print(report(costs) + f"\n\nMedians of {options.rounds}; {facts}.")
    if options.profile:
        heads = ["scorer", "CPU ms a reply", *(f"{part}, %" for part in (*PARTS, "rest"))]
        made = [profile(name, options.seed) for name in options.alone]
        print("\n" + tabulate(made, heads, tablefmt="github", floatfmt=".1f"))
    if options.json is not None:
        document = {"schema": 1, "load": load, "rows": medians(costs)}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Measure; 2 when the arguments make no sense, 1 when something fails."""
    try:
        return run(_parser().parse_args(arguments))
    except EmpevalError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
