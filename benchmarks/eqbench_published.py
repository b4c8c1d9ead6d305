"""Compare our eqbench_v2 with the scores of published EQ-Bench v2 result files.

    EMPEVAL_DATA=... python benchmarks/eqbench_published.py FILE_OR_FOLDER...
    python benchmarks/eqbench_published.py FILE_OR_FOLDER... --questions FILE --convert FOLDER

Result files are JSON, in the layout of the repository EQ-bench/EQ-Bench
(results/*_eqbench_v2_results.json) or with ``published_benchmark_score`` and the raw answers as
``questions.NUMBER.raw``. Exit code 1 when a score differs by more than 0.05.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from empeval import DataError, EmpevalError, Item, Metric, Response, Sample, Scored
from empeval_tasks.eqbench.scorer import EQBenchScorer
from empeval_tasks.eqbench.task import EQBench

TOLERANCE = 0.05


class Published(NamedTuple):
    """A published run: its score and the raw answers of each iteration, by question."""

    model: str
    score: float
    parsed: float | None
    iterations: list[dict[str, str]]


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    try:
        items = list(EQBench(questions=options.questions).items())
        rows = []
        for path in _files(options.paths):
            run = read_published(path)
            if options.convert:
                write_replay(run, options.convert / path.stem)
            metrics = [official_score(items, answers) for answers in run.iterations]
            ours = statistics.fmean(metric.value or 0.0 for metric in metrics)
            parsed = statistics.fmean(metric.n for metric in metrics)
            difference = abs(ours - run.score)
            rows.append((run.model, run.score, ours, difference, run.parsed, parsed))
    except EmpevalError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    headers = ("model", "published", "ours", "|diff|", "parsed", "parsed by us")
    print(tabulate(rows, headers, floatfmt=("", ".2f", ".3f", ".3f", "g", "g"), missingval="-"))
    worst = max(row[3] for row in rows)
    print(f"\n{len(rows)} files, largest difference {worst:.3f} (allowed: {TOLERANCE})")
    return int(worst > TOLERANCE)


def official_score(items: Iterable[Item], answers: Mapping[str, str]) -> Metric:
    """``eqbench_v2`` of raw answers by question; questions without an answer count as missing."""
    scorer = EQBenchScorer()
    samples = [Sample(item, _response(item.id, answers.get(item.id))) for item in items]
    scored = list(map(Scored, samples, scorer.score(samples)))
    return next(metric for metric in scorer.metrics(scored) if metric.metric == "eqbench_v2")


def read_published(path: Path) -> Published:
    """Read a result file in either layout.

    Raises:
        DataError: it is neither.
    """
    try:
        content = json.loads(path.read_bytes())
        if "questions" in content:
            answers = {str(q): row["raw"] for q, row in content["questions"].items()}
            score = float(content["published_benchmark_score"])
            return Published(content["model"], score, content.get("n_parseable"), [answers])
        runs = [iteration["raw_inference"] for iteration in content["raw_results"].values()]
        return Published(content["model_path"], float(content["benchmark_score"]), None, runs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no published EQ-Bench result file ({type(error).__name__}: {error})."
        ) from error


def write_replay(run: Published, stem: Path) -> None:
    """Write the answers as replay JSONL, one file an iteration."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    for number, answers in enumerate(run.iterations, 1):
        suffix = f"-{number}" if len(run.iterations) > 1 else ""
        with open(f"{stem}{suffix}.jsonl", "w", encoding="utf-8") as file:
            for question, text in answers.items():
                line = {"id": question, "response": text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _response(identifier: str, text: str | None) -> Response:
    if text is None:
        return Response(identifier, "", status="missing")
    return Response(identifier, text, status="ok" if text.strip() else "empty")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.glob("*.json"))
        if not found:
            raise DataError(f"{path} holds no .json file.")
        yield from found


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    parser.add_argument("--questions", help="a file of questions instead of the data set")
    parser.add_argument("--convert", type=Path, metavar="FOLDER", help="write replay JSONL there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
