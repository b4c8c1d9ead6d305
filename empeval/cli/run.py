"""``empeval run``: ask a model, score its answers, compute the figures."""

from __future__ import annotations

import argparse

from empeval.cli.options import (
    Verbs,
    add_format,
    add_model_args,
    add_verb,
    message,
    names,
    positive,
    stop_string,
)

EPILOG = """examples:
  empeval run --model packaged:smollm2-135m-instruct --tasks eqbench-mini,ed-mini
  empeval run --model hf:org/name --tasks eqbench --model-args dtype=bfloat16,revision=main
  empeval run --model hf:./my-model --tasks ed-empathy --task-args ed-empathy.turns=last --limit 200
  empeval run --model openai:gpt-4o-mini --tasks eqbench --max-cost 1
  empeval run --model openai:NAME --model-args base_url=http://localhost:8000/v1 --tasks eqbench
  empeval run --model replay:answers.jsonl --tasks eqbench
  empeval run --model human: --tasks ed-empathy --limit 200
  empeval run --model hf:org/name --tasks eqbench --dry-run

The same command again goes on with an unfinished run and does nothing on a finished one.
"""


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = add_verb(verbs, "run", "ask a model, score its answers, print the figures", EPILOG)
    parser.add_argument(
        "--model",
        required=True,
        metavar="SCHEME:TARGET",
        help="hf:ORG/NAME, hf:FOLDER, hf:FILE.gguf, openai:NAME, packaged:NAME, replay:FILE, "
        "human:",
    )
    parser.add_argument("--tasks", required=True, type=names, metavar="A,B", help="tasks to ask")
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
        type=positive,
        metavar="N",
        help="ask only N (ed-empathy counts conversations, drawn evenly over the emotions)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of sampling (default 0)")
    parser.add_argument("--max-tokens", type=positive, metavar="N", help="most tokens an answer")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is greedy, the default")
    parser.add_argument("--top-p", type=float, metavar="P", help="nucleus mass, with temperature")
    parser.add_argument(
        "--stop",
        action="append",
        type=stop_string,
        metavar="TEXT",
        help="text that ends an answer; may be repeated; \\n is a line end",
    )
    parser.add_argument(
        "--max-cost",
        type=float,
        metavar="USD",
        help="stop when the answers have cost so much; the same command with more goes on",
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
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    import contextlib

    from empeval import api
    from empeval.cli.preview import print_preview
    from empeval.cli.tables import figures_all_the_same, print_run, say_whole_failures
    from empeval.data import use_data_directory
    from empeval.notices import warn
    from empeval.pairs import parse_pairs
    from empeval.runner import sampling_changes

    with use_data_directory(options.data_dir) if options.data_dir else contextlib.nullcontext():
        prepared = api.prepare(
            options.model,
            options.tasks,
            options.scorers,
            model_args=parse_pairs(options.model_args, "--model-args"),
            task_args=parse_pairs(options.task_args, "--task-args"),
            sampling=sampling_changes(
                max_tokens=options.max_tokens,
                temperature=options.temperature,
                top_p=options.top_p,
                stop=tuple(options.stop) if options.stop else None,
            ),
            system=message(options.system),
            limit=options.limit,
            seed=options.seed,
            out=options.out,
            hooks=options.hooks,
        )
        for warning in prepared.manifest.warnings:
            warn(warning)
        if options.dry_run:
            print_preview(prepared, options.format)
            return 0
        with figures_all_the_same(prepared.path, options.format):
            finished = api.execute(
                prepared,
                resume=options.resume,
                progress=True,
                max_cost=options.max_cost,
                max_tokens_total=options.max_tokens_total,
            )
    print_run(finished, options.format)
    return say_whole_failures(finished)
