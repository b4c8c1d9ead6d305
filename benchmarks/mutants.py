"""How many small changes of the code does some test notice? Mutation testing with mutmut.

    make mutants                                    # a sample of 150
    python benchmarks/mutants.py --sample 150 --seed 10
    python benchmarks/mutants.py --only empeval.gating
    python benchmarks/mutants.py                    # all of them: hours
    python benchmarks/mutants.py --show             # try none; survivors as diffs, the score
    python benchmarks/mutants.py --again            # once more what survived, after new tests

mutmut changes one thing at a time in a copy (``mutants/``, which git ignores) and runs the tests
that reach the changed function, in a fork of a process that has imported everything already. What
is tried is written down as it comes: the same command goes on from there, and a sample is the same
for the same seed and code. ``[tool.mutmut]`` in pyproject.toml says what is changed and which test
files run. Functions with a decorator and what lies outside of functions are left alone. After
changes of code or tests mutmut finds out itself which mutants to try anew; remove ``mutants/`` to
begin from nothing.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
NOTICED = ("killed", "timeout", "segfault", "caught by type check")
UNTRIED = "not checked"
LINE = re.compile(r"^\s+(\S+__mutmut_\d+): (.+)$", re.MULTILINE)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, metavar="N", help="only N, drawn by the seed")
    parser.add_argument("--seed", type=int, default=10, help="of the sample (default 10)")
    parser.add_argument(
        "--only", default="", metavar="MODULE", help="only those of modules so named"
    )
    parser.add_argument("--children", type=int, default=1, metavar="K", help="at once (1)")
    parser.add_argument("--again", action="store_true", help="try once more those that survived")
    parser.add_argument("--show", action="store_true", help="try none, print diffs")
    options = parser.parse_args(arguments)
    if not options.show:
        mutmut("run", "--max-children", str(options.children), _first())  # makes all mutants
    every = {name: s for name, s in outcomes().items() if name.startswith(options.only)}
    chosen = sorted(every)
    if options.sample is not None:
        chosen = sorted(
            random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
        )
    wanted = {UNTRIED, "survived", "no tests"} if options.again else {UNTRIED}
    left = [name for name in chosen if every[name] in wanted]
    if left and not options.show:
        mutmut("run", "--max-children", str(options.children), *left)
        every = outcomes()
    report({name: every[name] for name in chosen}, diffs=options.show)
    return 0


def mutmut(*words: str) -> None:
    """Run it where pyproject.toml is, and end with it where it fails."""
    done = subprocess.run([sys.executable, "-m", "mutmut", *words], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def outcomes() -> dict[str, str]:
    """What came of every mutant: name -> ``killed``, ``survived``, ``not checked`` ..."""
    words = (sys.executable, "-m", "mutmut", "results", "--all", "true")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found = dict(LINE.findall(done.stdout))
    if not found:
        sys.exit(f"mutmut has no mutants: {done.stderr.strip() or 'run it without --show first'}")
    return found


def report(found: dict[str, str], *, diffs: bool) -> None:
    """Print each mutant that no test noticed, and the score of each module."""
    rows = []
    modules = sorted({name.rpartition(".")[0] for name in found})
    for module in [*modules, "all"]:
        own = [s for name, s in found.items() if module in ("all", name.rpartition(".")[0])]
        counts = Counter("noticed" if s in NOTICED else s for s in own)
        tried = len(own) - counts[UNTRIED]
        score = f"{100 * counts['noticed'] / tried:.0f} %" if tried else "-"
        rows.append((module, len(own), tried, counts["noticed"], tried - counts["noticed"], score))
    survived = [name for name, s in found.items() if s not in (*NOTICED, UNTRIED)]
    for name in survived:
        if diffs:
            words = (sys.executable, "-m", "mutmut", "show", name)
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
            lines = [x for x in done.stdout.splitlines() if not x.startswith(("---", "+++"))]
            print("\n".join(lines) + "\n")
        else:
            print(f"not noticed: {name} ({found[name]})")
    print(tabulate(rows, ("module", "mutants", "tried", "noticed", "not", "score")))


def _first() -> str:
    """The mutants of one small function: mutmut makes all before it tries any."""
    module = ROOT / "empeval" / "metrics.py"
    names = [x.name for x in ast.parse(module.read_text()).body if isinstance(x, ast.FunctionDef)]
    return f"empeval.metrics.x_{names[-1]}__mutmut_*"


if __name__ == "__main__":
    sys.exit(main())
