"""``empeval run``: ask a model, score its answers, compute the metrics."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from empeval.cli.options import (
    add_format,
    add_model_args,
    add_reading,
    add_reasoning_tags,
    add_score_workers,
    message,
    names,
    positive,
    stop_string,
)

if TYPE_CHECKING:
    from empeval.runspec import RunSpec

EPILOG = """examples:
  empeval run --model packaged:smollm2-135m-instruct --tasks {offline}
  empeval run --model hf:org/name --tasks {task} --model-args dtype=bfloat16,revision=main
  empeval run --model hf:./my-model --tasks {replies} --task-args {replies}.OPTION=VALUE
  empeval run --model openai:gpt-4o-mini --tasks {task} --max-cost 1
  empeval run --model openai:NAME --model-args base_url=http://localhost:8000/v1 --tasks {task}
  empeval run --model replay:answers.jsonl --tasks {task}
  empeval run --model replay:answers.csv --tasks {task} --map id=key,response=output
  empeval run --model human: --tasks {replies} --limit 200
  empeval run --model hf:org/name --tasks {task} --dry-run
  empeval run --model hf:org/name --tasks ./my_task.yaml --scorers my_scorer.py:thanks
  empeval run --config run.yaml --limit 10%

The same command again goes on with an unfinished run and does nothing on a finished one.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--config", metavar="FILE", help="a whole run as YAML or TOML; what is given here wins"
    )
    parser.add_argument(
        "--model",
        metavar="SCHEME:TARGET",
        help="hf:ORG/NAME, hf:FOLDER, hf:FILE.gguf, openai:NAME, packaged:NAME, replay:FILE, "
        "human:",
    )
    parser.add_argument(
        "--tasks",
        type=names,
        metavar="A,B",
        help="tasks to ask: names, 'NAME*', FILE.yaml, FILE.py:NAME",
    )
    parser.add_argument(
        "--scorers",
        type=names,
        metavar="A,B",
        help="scorers instead of the tasks' own ('default' stands for those); NAME:TARGET "
        "passes a checkpoint",
    )
    add_model_args(parser)
    parser.add_argument(
        "--task-args", action="append", metavar="TASK.K=V,...", help="options of the tasks"
    )
    parser.add_argument(
        "--system",
        metavar="TEXT|@FILE",
        help="a system message before every conversation",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        help="ask only N, or a share such as 10%%; what is counted, and how it is drawn, is for "
        "the task to say (its README; --dry-run counts)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="random seed of decoding and of the choice of --limit items (default 0)",
    )
    parser.add_argument(
        "--max-tokens", type=positive, metavar="N", help="the most tokens an answer may have"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="of decoding: 0, the default, always takes the likeliest token; more is more random",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help="with a temperature: sample from the likeliest tokens of this total probability",
    )
    parser.add_argument(
        "--stop",
        action="append",
        type=stop_string,
        metavar="TEXT",
        help="text that ends an answer; may be repeated; \\n is a line end",
    )
    add_reasoning_tags(parser)
    parser.add_argument(
        "--max-cost",
        type=float,
        metavar="USD",
        help="stop when answers and judges have cost so much; the same command with more goes on",
    )
    parser.add_argument(
        "--max-tokens-total",
        type=positive,
        metavar="N",
        help="the same for tokens of prompts and answers together",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="the run folder (default: empeval-runs/...)"
    )
    parser.add_argument("--data-dir", metavar="FOLDER", help="a mirror of the hub's data sets")
    add_score_workers(parser)
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with an unfinished run in the folder (default: yes)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be asked and the first prompts; load no weights, write nothing",
    )
    add_reading(parser)
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer, score and print the metrics; or, with --dry-run, what would be asked."""
    from empeval import api
    from empeval.cli.preview import print_preview
    from empeval.cli.tables import metrics_all_the_same, print_run, say_whole_failures
    from empeval.data import use_data_directory
    from empeval.notices import warn

    spec = spec_of(options)
    with use_data_directory(spec.data_dir):
        prepared = api.prepare(spec, hooks=options.hooks)
        for warning in prepared.manifest.warnings:
            warn(warning)
        if options.dry_run:
            print_preview(prepared, options.format)
            return 0
        with metrics_all_the_same(prepared.path, options.format):
            finished = api.execute(prepared, resume=options.resume, progress=True)
    print_run(finished, options.format)
    return say_whole_failures(finished, options.format)


def spec_of(options: argparse.Namespace) -> RunSpec:
    """What the command line asks, over what its ``--config`` holds."""
    from empeval.pairs import parse_pairs
    from empeval.runner import sampling_changes
    from empeval.runspec import RunSpec, make_spec, read_spec

    held = read_spec(options.config) if options.config else RunSpec()
    held = held.changed(system=message(held.system))
    return make_spec(
        held,
        options.tasks,
        options.scorers,
        model=options.model,
        model_args={
            **parse_pairs(options.model_args, "--model-args"),
            **_reading(options, options.model or held.model),
        },
        task_args=parse_pairs(options.task_args, "--task-args"),
        sampling=sampling_changes(
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            top_p=options.top_p,
            stop=tuple(options.stop) if options.stop else None,
            reasoning_tags=tuple(options.reasoning_tags) if options.reasoning_tags else None,
        ),
        system=message(options.system),
        limit=options.limit,
        seed=options.seed,
        out=options.out,
        max_cost=options.max_cost,
        max_tokens_total=options.max_tokens_total,
        data_dir=options.data_dir,
        score_workers=options.score_workers,
    )


def _reading(options: argparse.Namespace, model: object) -> dict[str, str]:
    """``--map`` and ``--pick`` as arguments of the model ``replay:``.

    Raises:
        UsageError: they go with no other model.
    """
    from empeval.errors import UsageError

    given = {name: getattr(options, name) for name in ("map", "pick")}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not str(model).startswith("replay:"):
        raise UsageError(f"--{next(iter(given))} goes with --model replay:FILE.")
    return given
