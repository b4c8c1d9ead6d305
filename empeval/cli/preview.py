"""What a run would ask, as a person or a program reads it."""

from __future__ import annotations

from typing import Any

import msgspec

from empeval.api import Prepared
from empeval.asked import AskedTask
from empeval.cli.text import print_json, say
from empeval.contained import contained
from empeval.errors import counted
from empeval.escaping import lines
from empeval.registry import label_of

SHOWN = 2
"""Prompts shown of each task."""


def print_preview(prepared: Prepared, form: str) -> None:
    """Print what would be asked, and the first prompts of each task as the model will see them."""
    model = prepared.manifest.model
    tasks = [_described(prepared, asked) for asked in prepared.tasks]
    if form == "json":
        facts = {"model": msgspec.to_builtins(model), "run": str(prepared.path), "tasks": tasks}
        print_json(facts | {"warnings": prepared.manifest.warnings})
        return
    say(f"model     {model.uri}  ({model.fingerprint[:26]})")
    for key, value in model.details.items():
        say(f"          {key}: {value}")
    say(f"folder    {prepared.path} (nothing is written)")
    for task in tasks:
        _print_task(task)


def _described(prepared: Prepared, asked: AskedTask) -> dict[str, Any]:
    entry = asked.entry
    with contained(label_of(prepared.generator)):
        seen = [(i.id, prepared.generator.preview(i, entry.sampling)) for i in asked.shown]
    counts = [shown.tokens for _, shown in seen if shown.tokens is not None]
    return {
        "task": asked.name,
        "version": entry.version,
        "n_items": entry.n_items,
        "n_clusters": entry.n_clusters,
        "prompt_tokens": sum(counts) if counts else None,
        "longest_prompt": max(counts, default=None),
        "max_tokens": entry.sampling.max_tokens,
        "scorers": [scorer.label for scorer in prepared.scorers[asked.name]],
        "dataset": entry.dataset,
        "license": entry.license,
        "prompts": [
            {"id": identifier, "tokens": shown.tokens, "text": shown.text}
            for identifier, shown in seen[:SHOWN]
        ],
    }


def _print_task(task: dict[str, Any]) -> None:
    tokens = ""
    if task["prompt_tokens"] is not None:
        tokens = (
            f", {counted(task['prompt_tokens'], 'prompt token')} (longest {task['longest_prompt']})"
        )
    print()
    say(
        f"task      {task['task']} version {task['version']}: "
        f"{counted(task['n_items'], 'item')} in {counted(task['n_clusters'], 'cluster')}{tokens}"
    )
    say(f"          at most {counted(task['max_tokens'], 'new token')} an answer")
    say(f"          scorers: {', '.join(task['scorers']) or 'none'}")
    say(f"          data: {task['dataset'] or 'its own'}; licence: {task['license']}")
    for prompt in task["prompts"]:
        count = "" if prompt["tokens"] is None else f" ({counted(prompt['tokens'], 'token')})"
        say(f"--- item {prompt['id']}{count}")
        print(lines(prompt["text"]), "---", sep="\n")
