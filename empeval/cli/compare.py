"""``empeval compare``: what differs between runs, and how sure that is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from empeval.cli.options import add_format, add_resamples, names

EPILOG = """examples:
  empeval compare empeval-runs/OLD empeval-runs/NEW --margin 3
  empeval compare empeval-runs/OLD empeval-runs/NEW --margin METRIC=3,SCORER.METRIC=0.1
  empeval compare empeval-runs/OLD empeval-runs/NEW --repeat-of empeval-runs/OLD-seed-2
  empeval compare empeval-runs/A empeval-runs/B empeval-runs/C --metrics METRIC

The margin is the smallest difference that matters to you: fix it before you look. Runs are joined
by item; no model is loaded. Three or more runs give a matrix, ranks and groups.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("base", metavar="BASE", help="the run folder to compare with")
    parser.add_argument(
        "candidates", metavar="CANDIDATE", nargs="+", help="the run folders to judge"
    )
    parser.add_argument(
        "--margin",
        metavar="M | NAME=M,...",
        help="the smallest difference that matters, for all headline metrics or by name",
    )
    parser.add_argument(
        "--metrics",
        type=names,
        metavar="A,B",
        help="metrics that get a verdict (default: each task's first)",
    )
    parser.add_argument(
        "--repeat-of",
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs that repeat BASE with other seeds: how much it moves by itself",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="compare what differs in version, data or scorer, and say so",
    )
    parser.add_argument("--partial", action="store_true", help="take unfinished runs as they are")
    parser.add_argument(
        "--max-unscored",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="the share of a run's items that a metric may lack the score of (default 0.05); "
        "with more, the verdict is by the worst case",
    )
    add_resamples(parser)
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the bootstrap (default 0)"
    )
    parser.add_argument("--all", action="store_true", help="every metric and slice in the table")
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare runs item by item and print differences, intervals and verdicts."""
    from empeval.cli.comparisons import print_comparison, print_many
    from empeval.cli.text import print_json
    from empeval.comparing.many import compare_many
    from empeval.comparing.two import compare
    from empeval.errors import UsageError
    from empeval.runs import Run

    base, *others = (Run(path) for path in (options.base, *options.candidates))
    repeats = [Run(path) for path in options.repeat_of]
    shared = {
        "margins": read_margin(options.margin),
        "metrics": options.metrics,
        "force": options.force,
        "partial": options.partial,
        "max_unscored": options.max_unscored,
        "resamples": options.resamples,
        "seed": options.seed,
    }
    if len(others) == 1:
        result = compare(base, *others, repeats=repeats, **shared)
        if options.format == "json":
            print_json(result)
        else:
            print_comparison(result, options.format, everything=options.all)
        return 0
    if repeats:
        raise UsageError("--repeat-of goes with one BASE and one CANDIDATE.")
    many = compare_many([base, *others], **shared)
    if options.format == "json":
        print_json(many)
    else:
        print_many(many, options.format)
    return 0


def read_margin(text: str | None) -> float | Mapping[str, float] | None:
    """``3`` or ``name=3,name=0.1``.

    Raises:
        UsageError: a margin that is no number.
    """
    from empeval.errors import UsageError
    from empeval.pairs import parse_pairs

    if text is None:
        return None
    try:
        if "=" not in text:
            return float(text)
        return {name: float(value) for name, value in parse_pairs(text, "--margin").items()}
    except ValueError as error:
        raise UsageError(
            f"--margin: {text!r} is no number, nor NAME=NUMBER,NAME=NUMBER."
        ) from error
