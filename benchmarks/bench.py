"""Most of what ``docs/performance.md`` measures of this version, one after the other.

    python benchmarks/bench.py [--only NAME ...] [--lm-eval PATH] [--model FOLDER] [-o FILE]

Each measurement is a script of this folder in a process of its own. What it prints goes to the
terminal and, behind a description of the machine, into FILE (Markdown). One that fails is named at
the end and stops no other. Beside the peer, ``lm-eval`` and ``empeval`` ask the same model the same
questions in turns; for that lm-eval has to be there (``pip install 'lm-eval[hf]'`` in an
environment of its own) and EQ-Bench in ``EMPEVAL_DATA``. ``--quick`` is a rehearsal with a few
items each; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, TextIO

FOLDER = Path(__file__).parent
MODEL = "smollm2-135m-instruct"
ENGINES = [
    "mvc",
    "mvc?engine=openvino",
    "mvc?engine=openvino&precision=bfloat16",
    "mvc?engine=openvino&precision=int8",
]
PACKAGES = ("empeval", "torch", "transformers", "openvino", "ray")


class Step(NamedTuple):
    """A measurement.

    Attributes:
        name: as ``--only`` takes it.
        title: of its section.
        script: of this folder, with its arguments.
        threads: of the process; ``None`` leaves them to the script or the libraries.
        lacks: why it cannot be done here.
    """

    name: str
    title: str
    script: list[str]
    threads: int | None = None
    lacks: str | None = None


def steps(options: argparse.Namespace) -> list[Step]:
    """What is measured, in order."""
    quick = options.quick
    lacks, peer = beside_peer(options)
    few = ["--limit", "2", "--rounds", "1"] if quick else ["--rounds", str(options.rounds)]
    if options.limit and not quick:
        few += ["--limit", str(options.limit)]
    ways = ["--ways", "hf", "likelihood", *(["openvino"] if has("openvino_genai") else [])]
    counts = ["4"] if quick else ["1000", "10000"]
    engines = ENGINES if has("openvino") else ENGINES[:1]
    size = ["--bulk", "4", "--rounds", "1", "--replies", "2"] if quick else [
        "--bulk", "200", "--rounds", "3", "--replies", "40"]  # fmt: skip
    return [
        Step("raw", "EQ-Bench beside lm-eval, the raw prompt", [*peer, *few, *ways], None, lacks),
        Step("chat", "EQ-Bench beside lm-eval, the model's chat template",
             [*peer, *few, *ways, "--chat-template"], None, lacks),
        Step("engines", "One scorer by several engines",
             ["empathy_scorers.py", *engines, "--against", "mvc", "--agreement",
              "--processor-time", *size], 1),
        Step("scorers", "Three scorers together",
             ["scorer_throughput.py", "--profile", "--counts", *(["4"] if quick else ["400"])]),
        Step("throughput", "Many replies", ["scorer_throughput.py", "mvc", "--alone", "mvc",
             "--counts", *counts, "--threads", "1", "2", "--rounds", "1"]),
        Step("memory", "Memory", ["run_memory.py", "--scorers", "baseline", "--no-compare",
             "--counts", *counts], 1),
        Step("gpu", "Tokens a second on a GPU", ["gpu_throughput.py", "--replies", "512", "--new",
             "64", "--rounds", "1"], None, lacks_gpu()),
        Step("start", "Start-up", ["start_up.py", "--rounds", "1" if quick else "15"]),
    ]  # fmt: skip


def beside_peer(options: argparse.Namespace) -> tuple[str | None, list[str]]:
    """Why lm-eval cannot be measured against, and the command that does."""
    data = os.environ.get("EMPEVAL_DATA")
    found = shutil.which(options.lm_eval)
    if found is None:
        return f"--lm-eval {options.lm_eval} is no program; install 'lm-eval[hf]'", []
    if not data or not Path(data, "pbevan11/EQ-Bench/validation.jsonl").is_file():
        return "EMPEVAL_DATA names no folder with pbevan11/EQ-Bench/validation.jsonl", []
    model = options.model
    if model is None:
        from empeval import EmpevalError, packaged_model

        try:
            model = packaged_model(MODEL)
        except EmpevalError as error:
            return f"{MODEL} cannot be had ({error})", []
    script = ["eqbench_vs_lm_eval.py", "--model", str(model), "--data-dir", data]
    return None, [*script, "--lm-eval", found]


def lacks_gpu() -> str | None:
    """Why nothing can be measured on a GPU."""
    if not has("torch"):
        return "torch is not installed"
    import torch

    return None if torch.cuda.is_available() else "there is no GPU"


def has(module: str) -> bool:
    """Whether a package is installed."""
    from importlib.util import find_spec

    return find_spec(module) is not None


def machine() -> str:
    """Where this is measured, as Markdown."""
    processor, memory = platform.processor() or platform.machine(), ""
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    if meminfo.is_file():
        memory = f", {int(meminfo.read_text().split()[1]) / 2**20:.0f} GiB"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"no {name}")
    return (
        f"{datetime.date.today()}: {os.cpu_count()} processors ({processor}){memory}{load}; "
        f"Python {platform.python_version()}, {', '.join(packages)}"
    )


def measure(step: Step, out: TextIO) -> int:
    """Run one measurement; what it prints goes to the terminal and the file."""
    command = [sys.executable, str(FOLDER / step.script[0]), *step.script[1:]]
    environment = dict(os.environ)
    if step.threads:
        environment["OMP_NUM_THREADS"] = str(step.threads)
    shown = " ".join(["python", f"benchmarks/{step.script[0]}", *step.script[1:]])
    say(out, f"\n## {step.title}\n\n    {shown}\n")
    started = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(out, f"    {line}".rstrip())
    say(out, f"\n{time.monotonic() - started:.0f} s")
    return process.returncode


def say(out: TextIO, text: str) -> None:
    """To the terminal and the file."""
    print(text, flush=True)
    out.write(f"{text}\n")
    out.flush()


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [step.name for step in steps(argparse.Namespace(
        quick=True, lm_eval="", model=None, limit=None, rounds=1))]  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--lm-eval", default="lm_eval", metavar="PATH", help="the peer's program")
    parser.add_argument("--model", metavar="FOLDER", help=f"asked of both; default {MODEL}")
    parser.add_argument("--limit", type=int, help="questions of EQ-Bench; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="of EQ-Bench beside lm-eval")
    parser.add_argument("--quick", action="store_true", help="a rehearsal with a few items")
    parser.add_argument("-o", "--out", default="bench.md", metavar="FILE")
    options = parser.parse_args()
    wanted = [s for s in steps(options) if options.only is None or s.name in options.only]
    failed, left_out = [], []
    with open(options.out, "w", encoding="utf-8") as out:
        say(out, f"# Measured\n\n{machine()}")
        for step in wanted:
            if step.lacks is not None:
                left_out.append(step.name)
                say(out, f"\n## {step.title}\n\nNot measured: {step.lacks}.")
            elif measure(step, out):
                failed.append(step.name)
                say(out, "It failed.")
    print(f"\nwritten: {options.out}")
    if left_out:
        print(f"not measured: {', '.join(left_out)}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
