"""Time and memory of comparing two runs of many items.

    python benchmarks/compare_scale.py [--items 100000] [--resamples 10000] [--folder FOLDER]

Writes two run folders of generated items (once; they are kept in the folder) and compares them in
a process of its own with ``empeval compare``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from empeval import Item, Message, Metric, ResponseLine, Run, Sampling, Score, Source
from empeval.memory import run_measured
from empeval.runs import Manifest, ModelEntry, ScorerEntry, TaskEntry, item_hash

WORDS = ("so", "sorry", "that", "must", "have", "been", "hard", "tell", "me", "more")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        paths = [_run(folder / f"{name}-{options.items}", options.items, shift)
                 for name, shift in (("base", 0.0), ("candidate", 0.01))]  # fmt: skip
        command = [sys.executable, "-m", "empeval", "compare", *map(str, paths), "--margin", "0.05",
                   "--resamples", str(options.resamples)]  # fmt: skip
        done, cost = run_measured(command, capture_output=True, text=True, check=True)
    print(done.stdout)
    print(
        f"2 runs of {options.items} items, {options.resamples} resamples: {cost.seconds:.1f} "
        f"s, {cost.processor_seconds:.1f} s of CPU, {cost.peak_bytes / 1e9:.2f} GB"
    )
    return 0


def _run(path: Path, count: int, shift: float) -> Path:
    if (path / "metrics.json").is_file():
        return path
    dice = np.random.default_rng(count)
    difficulty = dice.normal(3, 0.5, count)
    values = difficulty + shift + np.random.default_rng(len(path.name)).normal(0, 0.4, count)
    manifest = Manifest(
        schema=1,
        status="complete",
        created="2026-01-01T00:00:00+00:00",
        model=ModelEntry(uri=f"made:{path.name}", name=path.name, fingerprint=path.name),
        tasks={"talks": TaskEntry(version="1", data_fingerprint="made", prompts_hash="made",
                                  n_items=count, n_clusters=count, sampling=Sampling())},
        scorers={"talks": {"warmth": ScorerEntry(name="warmth", version="1")}},
    )  # fmt: skip
    run = Run.create(path, manifest)
    for name in (run.responses_path("talks"), run.scores_path("talks", "warmth")):
        name.parent.mkdir(parents=True, exist_ok=True)
    lengths = dice.integers(5, 40, count)
    with (
        open(run.responses_path("talks"), "wb") as responses,
        open(run.scores_path("talks", "warmth"), "wb") as scores,
    ):
        for number in range(count):
            asked = " ".join(WORDS[(number + n) % 10] for n in range(20))
            item = Item(str(number), (Message("user", asked),), cluster=str(number), task="talks")
            answer = " ".join(WORDS[(number * 7 + n) % 10] for n in range(lengths[number]))
            line = ResponseLine(str(number), answer, "ok", item_hash(item), item)
            responses.write(msgspec.json.encode(line) + b"\n")
            score = Score(str(number), values={"warmth": float(values[number])})
            scores.write(msgspec.json.encode(score) + b"\n")
    run.write_metrics(
        [
            Metric("talks", "warmth", "warmth", float(values.mean()), None, None, count, 0,
                   "points", True, count, None, Source("warmth"))
        ]
    )  # fmt: skip
    return path


if __name__ == "__main__":
    raise SystemExit(main())
