"""Time and peak memory of scoring many dialogues, and of comparing two such runs.

    python benchmarks/run_memory.py [--counts 20000 200000] [--folder FOLDER]
    python benchmarks/run_memory.py --scorers baseline --no-compare --counts 1000 10000

Writes two files of generated dialogues of each size, lets ``empeval score`` score them (with the
scorer ``surface``, unless ``--scorers`` says otherwise) and ``empeval compare`` compare the two
runs by ``--metric``, each in a process of its own, and prints the most memory that each held,
libraries included. ``--no-compare`` scores one file of each size and compares nothing.
``--scorer-alone`` adds what the scorer ``surface`` itself takes for its metrics, of samples that
are there. The hash is over answers, scores and metrics: files of the same dialogues are the same
bytes in every version of empeval.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from empeval.memory import run_measured

WORDS = [
    *("so", "sorry", "that", "must", "have", "been", "hard", "tell", "me", "more", "about", "what"),
    *("you", "feel", "when", "it", "happens", "and", "how", "long", "this", "has", "gone", "on"),
    *("with", "them", "because", "nobody", "should", "be", "left", "alone", "there", "today"),
    *("again", "I", "think", "we", "can", "find", "some", "way", "out", "of", "such", "days"),
]
CLUSTER = 4
"""Dialogues of one cluster."""

ALONE = """
import random, sys
from empeval import Item, Message, Response, Sample, Score, Scored
from empeval.registry import build, find, load
from empeval.memory import peak_memory
scorer = build(load(find("scorers", "surface")), {}, label="surface", target=None)
count, scored = int(sys.argv[1]), []
words, dice = sys.argv[2].split(), random.Random(1)
message = (Message("user", "I lost my dog."),)
for n in range(count):
    text = " ".join(dice.choices(words, k=dice.randint(8, 40)))
    item = Item(str(n), message, str(n // 4))
    sample = Sample(item, Response(str(n), text))
    scored.append(Scored(sample, Score(str(n), values={"words": 1.0})))
before = peak_memory()
scorer.metrics(scored)
print(before, peak_memory())
"""


def dialogues(path: Path, count: int, seed: int) -> Path:
    """A file of dialogues; the same questions for every seed, other answers."""
    asked, said = random.Random(0), random.Random(seed)

    def text(dice: random.Random, low: int, high: int) -> str:
        return " ".join(dice.choices(WORDS, k=dice.randint(low, high)))

    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            row = {
                "id": f"dialogue-{number}",
                "context": [text(asked, 5, 25) for _ in range(3)],
                "response": text(said, 8, 40),
                "reference": text(asked, 8, 40),
                "cluster": number // CLUSTER,
                "emotion": ("sad", "proud", "afraid", "hopeful")[number // CLUSTER % 4],
            }
            file.write(json.dumps(row) + "\n")
    return path


def measured(command: list[str]) -> list[float]:
    """Seconds, processor seconds and peak megabytes of a command."""
    done, cost = run_measured(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    return [cost.seconds, cost.processor_seconds, cost.peak_bytes / 1e6]


def hashed(folder: Path) -> str:
    """A hash over the answers, scores and metrics of a run."""
    digest = hashlib.sha256()
    for path in sorted([*folder.rglob("*.jsonl"), folder / "metrics.json"]):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each size and verb."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--folder", type=Path, help="keep the runs here")
    parser.add_argument("--scorers", default="surface")
    parser.add_argument("--metric", default="words", help="that runs are compared by")
    parser.add_argument("--no-compare", action="store_true")
    parser.add_argument("--scorer-alone", action="store_true")
    options = parser.parse_args(arguments)
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = options.folder or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        empeval = [sys.executable, "-m", "empeval"]
        for count in options.counts:
            runs = []
            names = ("base",) if options.no_compare else ("base", "candidate")
            for seed, name in enumerate(names, 1):
                file = dialogues(work / f"{name}-{count}.jsonl", count, seed)
                run = work / f"{name}-{count}"
                found = measured([*empeval, "score", str(file), "--scorers", options.scorers,
                                  "--out", str(run), "--format", "json"])  # fmt: skip
                rows.append([f"score {name}", count, *found, hashed(run)])
                print(rows[-1], flush=True)
                runs.append(str(run))
            if not options.no_compare:
                found = measured(
                    [*empeval, "compare", *runs, "--metrics", options.metric, "--format", "json"]
                )
                rows.append(["compare", count, *found, ""])
                print(rows[-1], flush=True)
            if options.scorer_alone:
                done, _ = run_measured([sys.executable, "-c", ALONE, str(count), " ".join(WORDS)],
                                       capture_output=True, text=True)  # fmt: skip
                before, after = map(int, done.stdout.split())
                rows.append(["surface alone", count, *[None] * 2, (after - before) / 1e6, ""])
    print(
        tabulate(rows, headers=["", "dialogues", "s", "cpu s", "peak MB", "files"], floatfmt=".1f")
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
