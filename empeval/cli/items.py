"""``empeval items``: write a task's questions, so that they can be answered anywhere."""

from __future__ import annotations

import argparse

from empeval.cli.options import message, positive, stop_string

EPILOG = """examples:
  empeval items {task} -o questions.jsonl
  empeval items {replies} --limit 200 --format openai-batch --model NAME -o batch.jsonl

A line of the first is {"id": ..., "task": ..., "messages": [...]}; put a "response" beside them
(the answer, or null where there is none). The second is input for OpenAI's batch endpoint and for
every program that reads the same, such as vLLM's run-batch. What comes back of either is read by
  empeval run --model replay:answers.jsonl --tasks TASK     (with the same --limit and --seed)

In a dialogue whose replies are the model's own, what is asked next depends on what was
answered. Its line has "script", the user's turns: answer them one by one, with your own
replies between them, and give each reply a line, {"id": "ID#1", "response": ...}, "ID#2" ...
A batch, which asks everything at once, cannot do that.
"""

FORMATS = ("jsonl", "openai-batch")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("task", metavar="TASK", help="a name, FILE.py:NAME or FILE.yaml")
    parser.add_argument(
        "-o", "--out", metavar="FILE", help="write there instead of to standard output"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="jsonl",
        help="what a line is (default jsonl: an item of ours)",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="for openai-batch: the model that is to answer"
    )
    parser.add_argument("--task-args", metavar="K=V,...", help="options of the task")
    parser.add_argument(
        "--system",
        metavar="TEXT|@FILE",
        help="a system message before every question, as in 'empeval run'",
    )
    parser.add_argument(
        "--limit", metavar="N", help="ask N items or N%% of them, as in 'empeval run'"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="random seed of the choice of items and, for openai-batch, of decoding",
    )
    parser.add_argument(
        "--max-tokens",
        type=positive,
        metavar="N",
        help="for openai-batch: the most tokens an answer may have",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="for openai-batch: of decoding, 0 is the likeliest token",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help="for openai-batch: sample from tokens of this total probability",
    )
    parser.add_argument(
        "--stop",
        action="append",
        type=stop_string,
        metavar="TEXT",
        help="for openai-batch: text that ends an answer",
    )
    parser.add_argument("--data-dir", metavar="FOLDER", help="a mirror of the hub's data sets")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the questions of a task, a line each."""
    import os
    from pathlib import Path

    import msgspec

    from empeval.answers.questions import batch_rows, question_rows
    from empeval.asked import AskedTask, with_system
    from empeval.data import use_data_directory
    from empeval.errors import UsageError, counted
    from empeval.escaping import json_text
    from empeval.files import write_bytes
    from empeval.notices import show, warn
    from empeval.pairs import parse_pairs, split_task_arguments
    from empeval.runner import sampling_changes
    from empeval.runs import document_file
    from empeval.runspec import RunSpec, limit_of

    batch = options.format == "openai-batch"
    if batch and not options.model:
        raise UsageError(
            "--format openai-batch needs --model NAME: each request names who answers."
        )
    changes = sampling_changes(
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        stop=tuple(options.stop) if options.stop else None,
    )
    if not batch and (changes or options.model):
        raise UsageError(
            "--model, --max-tokens, --temperature, --top-p and --stop go with --format "
            "openai-batch; the lines of jsonl do not say how to decode."
        )
    pairs = parse_pairs(options.task_args, "--task-args")
    with use_data_directory(options.data_dir):
        asked = AskedTask(
            options.task,
            split_task_arguments(pairs, [options.task])[options.task],
            RunSpec(
                limit=limit_of(options.limit),
                seed=options.seed,
                sampling=changes,
                system=message(options.system),
            ),
        )
    if batch and asked.scripted:
        raise UsageError(
            f"{options.task} has dialogues in which the model's own replies stand between the "
            "turns; a batch asks everything at once. Write them with --format jsonl, or ask a "
            f"server turn by turn: empeval run --model openai:NAME --tasks {options.task}"
        )
    items = [with_system(item, asked.system) for item in asked.chosen]
    for warning in asked.warnings:
        warn(warning)
    rows = batch_rows(items, options.model, asked.entry.sampling) if batch else question_rows(items)
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    if options.out is None:
        print(json_text(lines.decode()), end="")
    else:
        path = Path(os.path.abspath(document_file(options.out, "--out")))
        write_bytes(path, lines)
        what = counted(len(items), "dialogue" if asked.scripted else "question")
        show(f"{options.out}: {what} of {options.task}")
    return 0
