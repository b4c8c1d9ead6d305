"""``empeval score``: score saved answers; no model is loaded."""

from __future__ import annotations

import argparse

from empeval.cli.options import (
    add_format,
    add_reading,
    add_reasoning_tags,
    add_score_workers,
    names,
)

EPILOG = """examples:
  empeval score empeval-runs/NAME --scorers {judge}
  empeval score answers.jsonl --out scored
  empeval score log.eval --scorers {scorer}
  empeval score rows.csv --map prompt=question,response=model_says

A file is our JSONL, or what another program wrote (lm-eval, Inspect, promptfoo, llm, ShareGPT,
OpenAI messages, CSV, Parquet ...); docs/saved-answers.md lists them. Ours is an object a line:
  {"id": "1", "context": ["speaker ...", "listener ...", "speaker ..."], "response": "...",
   "reference": "..."}
or with "messages": [{"role": "user", "content": "..."}] in the place of "context".
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="RUN_OR_FILE", help="a run folder, or a file of dialogues or answers"
    )
    parser.add_argument(
        "--scorers", type=names, metavar="A,B", help="scorers to use instead of the tasks' own"
    )
    parser.add_argument("--out", metavar="FOLDER", help="for a file: the run folder to write")
    add_reading(parser)
    add_reasoning_tags(parser)
    add_score_workers(parser)
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score, print the metrics."""
    import os

    from empeval import rescoring
    from empeval.cli.tables import metrics_all_the_same, print_run, say_whole_failures
    from empeval.errors import UsageError

    if not os.path.exists(options.source):
        raise UsageError(f"There is no run folder or file {options.source}.")
    with metrics_all_the_same(options.out or options.source, options.format):
        finished = rescoring.score(
            options.source,
            options.scorers,
            out=options.out,
            map=options.map,
            pick=options.pick,
            reasoning_tags=options.reasoning_tags or (),
            score_workers=options.score_workers,
            progress=True,
            hooks=options.hooks,
        )
    print_run(finished, options.format)
    return say_whole_failures(finished, options.format)
