"""``empeval power``: how many items it takes, before anything is spent."""

from __future__ import annotations

import argparse

from empeval.cli.options import add_format, names, positive

EPILOG = """examples:
  empeval power --task {task} --margin 2
  empeval power --task {task} --margin 2 --runs empeval-runs/A empeval-runs/B empeval-runs/C
  empeval power --task {replies} --clusters 400 --metrics SCORER.METRIC

The variance is that of paired differences between past runs: all in empeval-runs that have the
task, or those that --runs names. Power is 80 %, tests are two-sided at 5 %.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--task", required=True, metavar="NAME", help="the task whose past runs are read"
    )
    parser.add_argument(
        "--margin", type=float, metavar="M", help="the smallest difference that you want to find"
    )
    parser.add_argument(
        "--clusters",
        type=positive,
        metavar="N",
        help="how many independent clusters (dialogues) the next run will have: what difference "
        "could it show? (default: as many as past runs had)",
    )
    parser.add_argument(
        "--metrics",
        type=names,
        metavar="A,B",
        help="metrics to plan for (default: the task's first)",
    )
    parser.add_argument("--runs", nargs="+", metavar="RUN", help="past runs, or a folder of them")
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print how many clusters and items a margin takes."""
    from pathlib import Path

    from empeval.amounts import amount
    from empeval.cli.text import ALONE, blank, print_json, print_rows, say
    from empeval.comparing.planning import plan
    from empeval.errors import counted
    from empeval.runs import Run, is_run, run_folders

    named = [Path(text) for text in options.runs or ["empeval-runs"]]
    folders = [p for path in named for p in ([path] if is_run(path) else run_folders(path))]
    runs = [one for one in map(Run, folders) if one.complete]
    plans = plan(
        runs,
        options.task,
        margin=options.margin,
        clusters=options.clusters,
        metrics=options.metrics,
    )
    if options.format == "json":
        print_json(plans)
        return 0
    rows = []
    for one in plans:
        count = options.clusters or one.clusters
        say(
            f"{one.task} {one.scorer}.{one.metric}: "
            f"{counted(one.pairs, 'pair')} of past runs, {counted(one.items, 'item')} of "
            f"{counted(one.clusters, 'cluster')}",
            options.format,
        )
        blank(options.format)
        own = [
            {"": "spread of a cluster's difference",
             "median": amount(one.spread), "range": f"{amount(one.low)} to {amount(one.high)}"},
            {"": f"{counted(count, 'cluster')} find a difference of",
             "median": "-" if one.detectable is None else amount(one.detectable), "range": ""},
        ]  # fmt: skip
        if one.margin is not None and one.needed is None:
            own.append(
                {"": f"a difference of {amount(one.margin)} takes",
                 "median": "more than anybody has", "range": ""}
            )  # fmt: skip
        elif one.needed is not None and one.needed_items is not None:
            most = "more than anybody has"
            if one.needed_high is not None:
                most = f"{counted(one.needed_high, 'cluster')} at the largest spread"
            own.append(
                {"": f"a difference of {amount(one.margin)} takes",
                 "median": f"{counted(one.needed, 'cluster')} "
                 f"({counted(one.needed_items, 'item')})",
                 "range": most}
            )  # fmt: skip
        if options.format in ALONE:
            rows += [{"metric": f"{one.task} {one.scorer}.{one.metric}"} | row for row in own]
        else:
            print_rows(own, options.format)
            blank(options.format)
    if options.format in ALONE:
        print_rows(rows, options.format)
    return 0
