"""``empeval.run`` and ``empeval.score``: what the command line does, from Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from empeval import registry, runner
from empeval.asked import (
    AskedScorer,
    AskedTask,
    model_entry,
    resolve_generator,
    scorers_for,
    task_name,
)
from empeval.contained import contained
from empeval.data import use_data_directory
from empeval.environment import environment
from empeval.errors import EmpevalError, UsageError
from empeval.events import RunStarted
from empeval.filling import filling
from empeval.finishing import add, now, score_and_finish
from empeval.hooks import Hooks
from empeval.interfaces import Generator, Scorer, Task
from empeval.notices import warn
from empeval.pairs import split_task_arguments
from empeval.redacting import remember
from empeval.runs import (
    SCHEMA,
    Manifest,
    Run,
    is_run,
    redacted,
    same_file,
)
from empeval.runspec import RunSpec, flat_arguments, limit_of, make_spec
from empeval.spending import Spending
from empeval.workers import LazyWorkers, workers_of
from empeval.workspace import (
    check_folder,
    default_path,
    forget_errors,
    forget_orphans,
    locked,
    open_folder,
)


class Prepared:
    """A run spec that has been checked and not yet carried out.

    Attributes:
        spec: what was asked. manifest: what ``run.json`` will hold. path: the run folder.
        tasks, scorers, generator: everything needed to go on. hooks: the installed hook modules.
        workers: who scores beside this process.
    """

    def __init__(
        self,
        spec: RunSpec,
        manifest: Manifest,
        path: Path,
        tasks: list[AskedTask],
        scorers: dict[str, list[AskedScorer]],
        generator: Generator,
        hooks: Hooks,
        workers: LazyWorkers | None = None,
    ) -> None:
        self.spec = spec
        self.manifest = manifest
        self.path = path
        self.tasks = tasks
        self.scorers = scorers
        self.generator = generator
        self.hooks = hooks
        self.workers = workers


def prepare(spec: RunSpec, *, hooks: Hooks | None = None) -> Prepared:
    """Check a spec completely, without loading a model's weights or writing anything.

    Raises:
        EmpevalError: whatever is wrong with it, in a sentence.
    """
    with use_data_directory(spec.data_dir):
        return _prepare(spec, hooks)


def _prepare(spec: RunSpec, hooks: Hooks | None) -> Prepared:
    if not spec.model:
        raise UsageError("No model is named; give --model SCHEME:TARGET, such as hf:org/name.")
    if not spec.tasks:
        raise UsageError("No task is named; see 'empeval list tasks'.")
    limit = limit_of(spec.limit)
    out = Path(os.path.abspath(spec.out)) if spec.out is not None else None
    here = Path.cwd()  # a task or a plugin may go to another folder
    uri = spec.model if isinstance(spec.model, str) else ""
    remember({**spec.model_args, "": uri})
    remember(spec.task_args)
    hooks = hooks if hooks is not None else Hooks().load_installed()
    workers = workers_of(spec.score_workers, hooks.fire("empeval_worker_kinds"))
    tasks = registry.expand("tasks", spec.tasks)
    names = [task_name(one, registry.resolve("tasks", one)[0]) for one in tasks]
    if len(set(names)) != len(names):
        raise UsageError("A task is named twice in --tasks.")
    _refuse_one_file(names)
    generator = resolve_generator(spec.model, spec.model_args, hooks)
    if spec.system and not generator.reads_prompts:
        raise UsageError(f"--system has no effect on '{uri}', which reads no prompt; leave it out.")
    by_task = split_task_arguments(flat_arguments(spec.task_args), names)
    asked = [
        AskedTask(one, by_task[name], spec) for one, name in zip(tasks, names, strict=True)
    ]  # fmt: skip
    chosen = scorers_for({a.name: a.task for a in asked}, spec.scorers)
    _check_limits(spec, generator, uri, [one.scorer for many in chosen.values() for one in many])
    warnings = [w for a in asked for w in a.warnings]
    with contained(registry.label_of(generator)):
        warnings += [str(text) for text in generator.prepare({a.name: a.shown for a in asked})]
    for one in asked:
        filling(generator, one.shown)  # refuses what it cannot fill
    manifest = Manifest(
        schema=SCHEMA,
        status="running",
        created=now(),
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        model=model_entry(spec, generator),
        tasks={a.name: a.entry for a in asked},
        scorers={n: {s.label: s.entry for s in chosen[n]} for n in chosen},
        limit=limit,
        seed=spec.seed,
        warnings=warnings,
        environment=environment(),
    )
    manifest = redacted(manifest)
    path = out if out is not None else here / default_path(manifest)
    return Prepared(spec, manifest, path, asked, chosen, generator, hooks, workers)


def run(
    model: str | Generator | RunSpec,
    tasks: Sequence[str | Task | type[Task]] | None = None,
    scorers: Sequence[str | Scorer | type[Scorer]] | None = None,
    *,
    model_args: Mapping[str, Any] | None = None,
    task_args: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    system: str | None = None,
    limit: int | str | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    max_cost: float | None = None,
    max_tokens_total: int | None = None,
    data_dir: str | Path | None = None,
    score_workers: str | None = None,
    resume: bool = True,
    progress: bool = False,
    hooks: Hooks | None = None,
) -> Run:
    """Ask a model the questions of tasks, score its answers, compute the metrics.

    What is asked is described at ``RunSpec``, field by field.

    Args:
        model: ``scheme:target``, such as ``"hf:org/name"``, a generator, or a whole ``RunSpec``.
        tasks: names, file references, or tasks.
        scorers: names (or ``name:target``), file references or scorers instead of the tasks' own;
            ``"default"`` among them stands for the tasks' own.
        model_args: options of the generator.
        task_args: ``{"task.option": value}``.
        sampling: changes to the tasks' sampling.
        system: a system message before every conversation.
        limit: ask only so many, or a share such as ``"10%"``.
        seed: of the choice of items and of random decoding (0).
        out: the run folder; by default one under ``empeval-runs/`` named after what is asked.
        max_cost: stop, to be gone on with, when answers and judgements have cost so many US
            dollars.
        max_tokens_total: the same for tokens of prompts and answers together.
        data_dir: a folder that mirrors the hub's data sets.
        score_workers: who scores beside this process, ``KIND:N``: ``"local:2"``.
        resume: go on with an unfinished run in that folder; ``False`` refuses instead.
        progress: show progress bars when standard error is a terminal.
        hooks: hook modules to use instead of the installed ones.

    Returns:
        The finished run folder. The same call again does nothing and returns it.

    Raises:
        EmpevalError: with a sentence that says what was wrong, where, and what to do.
    """
    given = {
        "model_args": model_args,
        "task_args": task_args,
        "sampling": sampling,
        "system": system,
        "limit": limit,
        "seed": seed,
        "out": out,
        "max_cost": max_cost,
        "max_tokens_total": max_tokens_total,
        "data_dir": data_dir,
        "score_workers": score_workers,
    }
    spec = make_spec(model, tasks, scorers, **given)
    with use_data_directory(spec.data_dir):
        return execute(prepare(spec, hooks=hooks), resume=resume, progress=progress)


def execute(prepared: Prepared, *, resume: bool = True, progress: bool = False) -> Run:
    """Ask, score and compute what is not there yet; see ``run``."""
    hooks, generator = prepared.hooks, prepared.generator
    check_folder(prepared.path, prepared.manifest, resume=resume)
    with locked(prepared.path):
        # Another process may have been faster.
        check_folder(prepared.path, prepared.manifest, resume=resume)
        finished = is_run(prepared.path) and Run(prepared.path).complete
        folder = open_folder(prepared.path, prepared.manifest)
        labels = {name: [s.label for s in chosen] for name, chosen in prepared.scorers.items()}
        forget_errors(folder, labels)
        forget_orphans(folder, prepared.tasks)
        if folder.complete:
            return folder
        hooks.fire(
            "empeval_run_started",
            event=RunStarted(
                folder=str(folder.path), manifest=msgspec.to_builtins(folder.manifest)
            ),
        )
        timing = dict(folder.manifest.timing)
        spec = prepared.spec
        spending = Spending(spec.max_cost, spec.max_tokens_total, folder.manifest.discarded)
        try:
            for asked in prepared.tasks:
                taken = chain(folder.responses(asked.name), folder.steps(asked.name))
                for line in taken if generator.counts_tokens else ():
                    spending.add(line)
            for label in {one.label for many in prepared.scorers.values() for one in many}:
                for judgement in folder.judgements(label).values():
                    spending.add(judgement)
            generator.spending = spending
            for asked in prepared.tasks:
                seconds = runner.generate_stage(folder, asked, generator, hooks, progress=progress)
                add(timing, f"{asked.name} answers", seconds)
            with contained(registry.label_of(generator)):
                decided = dict(generator.runtime())
        finally:
            _close(generator)
        if decided:
            facts = {**folder.manifest.environment, "generator": decided}
            folder.write_manifest(msgspec.structs.replace(folder.manifest, environment=facts))
        tasks: dict[str, Task | None] = {a.name: a.task for a in prepared.tasks}
        return score_and_finish(
            folder,
            tasks,
            prepared.scorers,
            hooks,
            timing,
            progress,
            spending,
            prepared.workers,
            finished=finished,
        )


def _check_limits(spec: RunSpec, generator: Generator, uri: str, scorers: Sequence[Scorer]) -> None:
    for option, value in (
        ("--max-cost", spec.max_cost),
        ("--max-tokens-total", spec.max_tokens_total),
    ):
        if value is not None and not value > 0:
            raise UsageError(f"{option} is {value}; it must be above 0.")
    if spec.max_cost is not None and not (
        generator.charges or any(scorer.charges for scorer in scorers)
    ):
        raise UsageError(
            f"--max-cost: the answers of '{uri}' have no price; leave it out (where their tokens "
            "are counted, --max-tokens-total limits them)."
        )
    if spec.max_tokens_total is not None and not (
        generator.counts_tokens or any(scorer.asks for scorer in scorers)
    ):
        raise UsageError(
            f"--max-tokens-total: '{uri}' takes no tokens, and no scorer asks a model; leave it "
            "out."
        )


def _close(generator: Generator) -> None:
    """Free a model; one that fails at that has answered all the same."""
    try:
        with contained(registry.label_of(generator)):
            generator.close()
    except EmpevalError as error:
        warn(error)


def _refuse_one_file(tasks: Sequence[str]) -> None:
    doubled = same_file(tasks)
    if doubled:
        raise UsageError(f"The tasks {doubled} would write to the same file; ask them in two runs.")
