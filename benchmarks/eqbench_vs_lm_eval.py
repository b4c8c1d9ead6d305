"""EQ-Bench by empeval and by lm-evaluation-harness, side by side on one machine.

Both ask the same model the same 171 questions with the settings of lm-eval's own task (greedy,
at most 80 new tokens, stop at a blank line), one after the other, in turn. The script compares
the answers item by item and reports wall time, processor time and peak memory of each process.

    python benchmarks/eqbench_vs_lm_eval.py --model FOLDER --data-dir MIRROR \\
        --lm-eval PATH/TO/ENVIRONMENT/bin/lm_eval [--limit 20] [--rounds 2] [--chat-template] \\
        [--ways hf openvino likelihood]

empeval goes each of the ``--ways``: ``hf`` and ``openvino`` write answers; ``likelihood`` reads the
probabilities of 0 to 10 through ``hf:`` and writes none, so it has no answers to compare.

lm-eval is a peer to measure against, never a dependency: ``pip install 'lm-eval[hf]'`` in an
environment of its own. ``MIRROR`` is a folder that holds ``pbevan11/EQ-Bench/validation.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tabulate import tabulate

from empeval.memory import run_measured

TASK = """
task: eq_bench_local
dataset_path: json
dataset_kwargs: {{data_files: {{validation: {data}}}}}
output_type: generate_until
validation_split: validation
doc_to_text: prompt
doc_to_target: reference_answer_fullscale
process_results: !function peer.calculate_score_fullscale
generation_kwargs: {{do_sample: false, temperature: 0.0, max_gen_toks: 80}}
metric_list:
  - {{metric: eqbench, aggregation: mean, higher_is_better: true}}
  - {{metric: percent_parseable, aggregation: mean, higher_is_better: true}}
"""


WAYS = ("hf", "openvino", "likelihood")
COSTS = ("wall", "cpu", "memory")


def measured(command: list[str], environment: dict[str, str], fine: str = "") -> dict[str, float]:
    """Run a command; wall and processor seconds and the peak memory of its process in GB.

    One that fails ends the benchmark, unless ``fine`` stands in what it said.
    """
    with tempfile.TemporaryFile() as log:
        done, cost = run_measured(command, env=environment, stdout=log, stderr=log)
        if done.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace")
            if not fine or fine not in said:
                sys.exit(f"{command[0]} failed:\n{said[-3000:]}")
    return {
        "wall": cost.seconds,
        "cpu": cost.processor_seconds,
        "memory": cost.peak_bytes / 1e9,
    }


def check(options: argparse.Namespace) -> None:
    """End with a sentence where something is missing, before minutes have been spent."""
    if not Path(options.model, "config.json").is_file():
        sys.exit(f"--model {options.model} is no model folder: there is no config.json in it.")
    source = options.data_dir / "pbevan11/EQ-Bench/validation.jsonl"
    if not source.is_file():
        sys.exit(f"--data-dir: {source} is not there.")
    found = shutil.which(options.lm_eval)
    if found is None:
        sys.exit(f"--lm-eval {options.lm_eval} is no program; give the path of lm_eval.")
    options.lm_eval = found
    if options.rounds < 1:
        sys.exit(f"--rounds is {options.rounds}; it must be 1 or more.")
    for command in ([found, "--help"], [*options.empeval, "--version"]):
        with tempfile.TemporaryFile() as log:
            done, _ = run_measured(command, env=dict(os.environ), stdout=log, stderr=log)
        if done.returncode:
            sys.exit(f"{' '.join(command)} does not work; run it by hand to see why.")


def run_peer(options: argparse.Namespace, work: Path, index: int) -> tuple[Any, dict[int, Any]]:
    """lm-eval's measurements and its samples by item number from 1."""
    tasks = work / "tasks"
    tasks.mkdir(exist_ok=True)
    rows = work / "rows.jsonl"
    columns = ("prompt", "reference_answer", "reference_answer_fullscale")
    source = Path(options.data_dir, "pbevan11/EQ-Bench/validation.jsonl")
    with rows.open("w", encoding="utf-8") as file:
        for line in source.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            file.write(json.dumps({c: row[c] for c in columns}) + "\n")
    (tasks / "eq.yaml").write_text(TASK.format(data=rows), encoding="utf-8")
    peer = "from lm_eval.tasks.eq_bench.utils import calculate_score_fullscale  # noqa: F401\n"
    (tasks / "peer.py").write_text(peer, encoding="utf-8")
    out = work / f"peer{index}"
    command = [
        options.lm_eval, "run", "--model", "hf",
        "--model_args", f"pretrained={options.model},dtype=float32",
        "--tasks", "eq_bench_local", "--include_path", str(tasks),
        "--batch_size", str(options.batch_size), "--log_samples", "--output_path", str(out),
    ]  # fmt: skip
    if options.limit:
        command += ["--limit", str(options.limit)]
    if options.chat_template:
        command += ["--apply_chat_template"]
    costs = measured(command, {**os.environ, "HF_HUB_OFFLINE": "1"})
    samples = next(out.rglob("samples_*.jsonl"))
    by_number = {}
    for line in samples.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        by_number[row["doc_id"] + 1] = row
    return costs, by_number


def run_ours(
    options: argparse.Namespace, work: Path, index: int, way: str
) -> tuple[Any, dict[int, Any]]:
    """Measurements, answers and scores of empeval, by item number; none by ``likelihood``."""
    out = work / f"{way}{index}"
    template = "auto" if options.chat_template else "plain"
    engine = "openvino" if way == "openvino" else "hf"
    dtype = [] if way == "openvino" else ["--model-args", "dtype=float32"]
    command = [
        *options.empeval, "run", "--model", f"{engine}:{options.model}", *dtype,
        "--model-args", f"chat_template={template}",
        "--tasks", "eqbench", "--data-dir", str(options.data_dir), "--out", str(out),
    ]  # fmt: skip
    if way == "likelihood":
        command += ["--task-args", "eqbench.mode=likelihood"]
    else:
        command += ["--max-tokens", "80", "--stop", r"\n\n"]
    if options.limit:
        command += ["--limit", str(options.limit)]
    costs = measured(command, dict(os.environ), "[nothing-usable]")  # few questions, none parsed
    answers: dict[int, Any] = {}
    if way == "likelihood":
        return costs, answers
    for name, path in (
        ("response", out / "responses/eqbench.jsonl"),
        ("score", out / "scores/eqbench/eqbench.jsonl"),
    ):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            answers.setdefault(int(row["id"]), {})[name] = row
    return costs, answers


def shown(costs: dict[str, float]) -> list[str]:
    """Costs as cells of a table."""
    return [f"{costs[name]:.2f}" for name in COSTS]


def compare(peer: dict[int, Any], ours: dict[int, Any]) -> None:
    """Print which items differ in text, in whether they parse, and in score."""
    texts, parses, scores = [], [], []
    for number in sorted(peer):
        theirs, mine = peer[number], ours[number]
        answer = theirs["filtered_resps"][0]
        parsed = theirs["percent_parseable"] == 100
        mine_parsed = mine["score"]["status"] == "ok"
        value = 10 * mine["score"]["values"]["first_pass"] if mine_parsed else 0.0
        if answer.strip() != mine["response"]["response"].strip():
            texts.append(number)
        if parsed != mine_parsed:
            parses.append(number)
        if abs(theirs["eqbench"] - value) > 1e-6:
            scores.append(number)
    print(f"items: {len(peer)}, parsed by lm-eval: "
          f"{sum(r['percent_parseable'] == 100 for r in peer.values())}, by empeval: "
          f"{sum(r['score']['status'] == 'ok' for r in ours.values())}")  # fmt: skip
    print(f"lm-eval's score: {statistics.fmean(r['eqbench'] for r in peer.values()):.4f}")
    for label, numbers in (("text", texts), ("parsing", parses), ("score", scores)):
        print(f"items that differ in {label}: {len(numbers)} {numbers}")
    for number in sorted({*parses, *scores}):
        print(f"  {number}: lm-eval {peer[number]['filtered_resps'][0]!r}")
        print(f"  {number}: empeval {ours[number]['response']['response']!r}")


def main() -> int:
    """Run both in turn and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a model folder")
    parser.add_argument("--data-dir", required=True, type=Path)
    parser.add_argument("--lm-eval", default="lm_eval", help="the peer's executable")
    parser.add_argument("--batch-size", type=int, default=8, help="the peer's batch size")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--chat-template", action="store_true", help="apply it in both")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["hf"], help="of empeval")
    options = parser.parse_args()
    options.data_dir = options.data_dir.resolve()
    options.empeval = [sys.executable, "-m", "empeval"]
    check(options)
    rows: list[list[str]] = []
    ratios: dict[str, list[list[float]]] = {way: [] for way in options.ways}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for index in range(options.rounds):
            theirs, peer = run_peer(options, work, index)
            rows.append(["lm-eval", *shown(theirs)])
            for way in options.ways:
                mine, ours = run_ours(options, work, index, way)
                rows.append([way, *shown(mine)])
                ratios[way].append([mine[k] / theirs[k] for k in COSTS])
                if index == 0 and ours:
                    print(f"\n{way}")
                    compare(peer, ours)
    print()
    print(tabulate(rows, headers=["", "wall s", "cpu s", "peak GB"], disable_numparse=True))
    print("\nempeval / lm-eval, the middle of the rounds:")
    middle = [
        [way, *(f"{statistics.median(r):.2f}" for r in zip(*of, strict=True))]
        for way, of in ratios.items()
    ]
    print(tabulate(middle, headers=["", *COSTS], disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
