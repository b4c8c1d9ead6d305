"""Does a test notice when a verdict is wrong? Plants bugs one by one and sees.

    python benchmarks/planted_bugs.py              # every bug
    python benchmarks/planted_bugs.py holm clusters
    python benchmarks/planted_bugs.py --list

Each bug is written into a copy of the code in a temporary folder, never into the code itself, and
the tests that could notice it run on that copy until the first one fails. That one must pass when
the bug is taken out again, or it has not caught it. A bug finds its place by the code's text, in
whatever module that stands; text that is gone, or there twice, ends the program: then the bug is
to be written anew.

Exit codes: 0 every bug was caught, 1 one survived, 2 a test fails without its bug, or a bug has no
place.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
CODE = ("empeval", "plugins", "tasks", "reference_models")
OTHERS = ("tests", "docs", "examples", "benchmarks", "pyproject.toml", "README.md", "Makefile")

COMPARED = (
    "tests/matrix/test_matrix_compare.py",
    "tests/test_comparing.py",
    "tests/test_unscored.py",
    "tests/test_parts.py",
)
GATED = (
    "tests/matrix/test_matrix_gate.py",
    "tests/test_gating.py",
    "tests/test_unscored.py",
    "tests/test_parts.py",
)
RANKED = ("tests/matrix/test_matrix_many.py", "tests/test_comparing_many.py")
REPORTED = ("tests/matrix/test_matrix_report.py", "tests/test_report.py")
TRAINED = ("tests/training/test_stages.py", "tests/training/test_train.py")


@dataclass(frozen=True)
class Bug:
    """A bug to plant.

    Attributes:
        name: to ask for it by.
        what: it does, in a clause.
        text: of the code, a part of a line or some lines; there is exactly one such place.
        planted: what takes its place.
        tests: files whose tests could notice.
        first: those of them that most likely do, tried before all others, which take minutes.
    """

    name: str
    what: str
    text: str
    planted: str
    tests: tuple[str, ...]
    first: str


BUGS = (
    Bug(
        "guardrail",
        "a guardrail never regresses",
        'return "regression" if shown else "inconclusive", (',
        'return "inconclusive", (',
        GATED,
        "matrix/test_matrix_gate.py::test_a_guardrail_stops_what_is_paid_for",
    ),
    Bug(
        "holm",
        "headline metrics are not adjusted for each other",
        "adjusted = iter(holm([p for p in tested if p is not None]))",
        "adjusted = iter([p for p in tested if p is not None])",
        COMPARED,
        "matrix/test_matrix_compare.py::test_a_fall_that_is_shown_alone_is_not_shown_among_many",
    ),
    Bug(
        "noise",
        "the reach of repeats lacks its root of two",
        "* sd * 2**0.5",
        "* sd",
        COMPARED,
        "matrix/test_matrix_compare.py::test_the_reach_of_repeats_is_that_of_the_difference_of_two",
    ),
    Bug(
        "slices",
        "the gate of slices ignores that lower is better",
        "(d.task, d.scorer, d.metric): -1 if d.higher_is_better is False else 1",
        "(d.task, d.scorer, d.metric): 1",
        GATED,
        "matrix/test_matrix_gate.py::test_a_part_that_gets_worse_is_seen_whatever_direction_and_unit",
    ),
    Bug(
        "source",
        "the candidate's values are read by the base's source",
        "for one, metric in zip(files, own, strict=True)\n        )",
        "for one, metric in zip(files, (own[0], own[0]), strict=True)\n        )",
        COMPARED,
        "matrix/test_matrix_compare.py::test_each_metric_has_the_numbers_of_the_formulas",
    ),
    Bug(
        "ranking",
        "the ranking of many runs ignores that lower is better",
        "    sign = -1 if metric.higher_is_better is False else 1\n    order =",
        "    sign = 1\n    order =",
        RANKED,
        "matrix/test_matrix_many.py::test_the_best_run_is_first_and_the_means_are_of_shared_items",
    ),
    Bug(
        "percent",
        "shares are not turned into percents",
        'return (100 if metric.unit == "percent" else 1) * source_of(metric).scale * values',
        "return source_of(metric).scale * values",
        REPORTED,
        "matrix/test_matrix_report.py",
    ),
    Bug(
        "headlines",
        "every metric is a headline",
        "            number in headlines,\n        )",
        "            True,\n        )",
        COMPARED,
        "matrix/test_matrix_compare.py::test_unless_some_are_named_the_first_metric_with_a_direction_is_the_headline",
    ),
    Bug(
        "epochs",
        "every epoch of a training meets the rows in the same order",
        'dice = random.Random(f"{self._seed} {self._epoch}")',
        'dice = random.Random(f"{self._seed}")',
        TRAINED,
        "training/test_stages.py",
    ),
    Bug(
        "order",
        "predictions stay in the order of their lengths",
        'back = np.argsort(order, kind="stable")',
        "back = np.arange(len(order))",
        TRAINED,
        "training/test_stages.py",
    ),
    Bug(
        "failed",
        "an item without a score counts 0",
        "    if source.failed_as is not None and not own:\n"
        "        values[np.isnan(values)] = source.failed_as",
        "    if not own:\n        values[np.isnan(values)] = source.failed_as or 0.0",
        COMPARED,
        "matrix/test_matrix_compare.py::test_each_metric_has_the_numbers_of_the_formulas",
    ),
    Bug(
        "unscored",
        "a metric may lack any number of scores",
        "return unscored > share * items + 1e-9",
        "return False",
        GATED,
        "matrix/test_matrix_gate.py::test_five_percent_of_either_side_is_the_limit",
    ),
    Bug(
        "margin",
        "a headline holds as long as no fall is shown, whatever the margin",
        '    if d.not_worse_by_margin:\n        return "pass", said',
        '    if d.verdict != "worse":\n        return "pass", said',
        GATED,
        "matrix/test_matrix_gate.py::test_a_headline_holds_or_not_whatever_direction_and_unit",
    ),
    Bug(
        "clusters",
        "items of one dialogue count as independent",
        "clusters=numbered(item.cluster for item in items),",
        "clusters=np.arange(len(items)),",
        COMPARED,
        "matrix/test_matrix_compare.py::test_each_metric_has_the_numbers_of_the_formulas",
    ),
    Bug(
        "exit-code",
        "the gate ends with 0 where it cannot be told",
        '"inconclusive": 4}',
        '"inconclusive": 0}',
        GATED,
        "matrix/test_matrix_gate.py::test_what_cannot_be_told_blocks_unless_the_policy_lets_it_pass",
    ),
)


FAILS_ANYHOW = "THE TEST FAILS WITHOUT THE BUG TOO"


class NotOnceError(Exception):
    """A bug's text is not there, or more than once."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="BUG", help="which bugs (default: all)")
    parser.add_argument("--list", action="store_true", help="print the bugs, plant none")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {bug.name for bug in BUGS}
    if unknown:
        parser.error(f"no bug {', '.join(sorted(unknown))}; --list prints them")
    bugs = [bug for bug in BUGS if not options.names or bug.name in options.names]
    if options.list:
        print(tabulate([(bug.name, bug.what) for bug in bugs], ("bug", "what it does")))
        return 0
    with tempfile.TemporaryDirectory(prefix="planted-bugs-") as folder:
        copy = Path(folder)
        make_copy(copy)
        try:
            files = {bug.name: file_of(bug, copy) for bug in bugs}
        except NotOnceError as error:
            print(error, file=sys.stderr)
            return 2
        rows = [_tried(bug, copy, files[bug.name]) for bug in bugs]
    print(tabulate(rows, ("bug", "what it does", "outcome", "by", "seconds"), floatfmt=".0f"))
    caught = sum(row[2] == "caught" for row in rows)
    print(f"\n{caught} of {len(rows)} planted bugs were caught")
    if any(row[2] == FAILS_ANYHOW for row in rows):
        return 2
    return int(caught < len(rows))


def make_copy(copy: Path) -> None:
    """Copy code and tests."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "empeval-runs")
    for name in (*CODE, *OTHERS):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=unwanted)
        else:
            shutil.copy(source, copy / name)


def file_of(bug: Bug, copy: Path) -> Path:
    """The module that a bug goes into.

    Raises:
        NotOnceError: its text is not there exactly once.
    """
    found = [
        (path, count)
        for name in CODE
        for path in sorted((copy / name).rglob("*.py"))
        if (count := path.read_text(encoding="utf-8").count(bug.text))
    ]
    if [count for _, count in found] != [1]:
        where = ", ".join(f"{count} in {path.relative_to(copy)}" for path, count in found)
        raise NotOnceError(
            f"The bug '{bug.name}' ({bug.what}) has no place: the code has its text "
            f"{'in ' + where if where else 'nowhere'}; it should be there once:\n{bug.text}\n"
            "Find where the code does this now, and write the bug anew."
        )
    return found[0][0]


def _tried(bug: Bug, copy: Path, file: Path) -> tuple[str, str, str, str, float]:
    """Plant a bug, run its tests, take it out."""
    begun = time.perf_counter()
    with planted(bug, file):
        test = failing(copy, [f"tests/{bug.first}"]) or failing(copy, bug.tests)
    outcome = "SURVIVED"
    if test:
        outcome = FAILS_ANYHOW if failing(copy, [test]) else "caught"
    seconds = time.perf_counter() - begun
    print(f"{bug.name}: {outcome}", file=sys.stderr)
    return bug.name, bug.what, outcome, test.removeprefix("tests/"), seconds


@contextlib.contextmanager
def planted(bug: Bug, file: Path) -> Iterator[None]:
    """A bug in its place, for a while."""
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(bug.text, bug.planted), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def failing(copy: Path, tests: Sequence[str]) -> str:
    """The first test that fails on the copy, or ``""``."""
    words = (sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider")
    done = subprocess.run(
        [*words, *tests],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(_importable(copy)), **_QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if named is None:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return named[1]


_QUIET = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


def _importable(copy: Path) -> Iterator[str]:
    """The folders that packages are imported from: those of the copy before any installed."""
    yield str(copy)
    for name in CODE[1:]:
        yield str(copy / name)


if __name__ == "__main__":
    sys.exit(main())
