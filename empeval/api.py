"""``empeval.run`` and ``empeval.score``: what the command line does, from Python."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from empeval import registry, runner
from empeval.contained import contained
from empeval.data import use_data_directory
from empeval.dialogues import DIALOGUES, DialogueFile, Dialogues, file_fingerprint
from empeval.environment import environment
from empeval.errors import EmpevalError, RunFolderError, UsageError
from empeval.finishing import add, now, score_and_finish
from empeval.hooks import Hooks
from empeval.interfaces import Generator, ModelCard, Task
from empeval.notices import warn
from empeval.question import (
    AskedScorer,
    AskedTask,
    resolve_generator,
    scorers_for,
    split_task_arguments,
)
from empeval.redacting import remember
from empeval.runs import (
    SCHEMA,
    Manifest,
    Mapped,
    ModelEntry,
    Run,
    TaskEntry,
    data_fingerprint,
    prompts_hash,
    question_hash,
    redacted,
    same_file,
    slug,
)
from empeval.spending import Spending
from empeval.workspace import check_folder, forget_errors, locked, open_folder

RUNS_FOLDER = "empeval-runs"


class Prepared:
    """A question that has been checked and not yet asked.

    Attributes:
        manifest: what ``run.json`` will hold. path: the run folder. tasks, scorers, generator:
            everything needed to go on. hooks: the installed hook modules.
    """

    def __init__(
        self,
        manifest: Manifest,
        path: Path,
        tasks: list[AskedTask],
        scorers: dict[str, list[AskedScorer]],
        generator: Generator,
        hooks: Hooks,
    ) -> None:
        self.manifest = manifest
        self.path = path
        self.tasks = tasks
        self.scorers = scorers
        self.generator = generator
        self.hooks = hooks


def prepare(
    model: str,
    tasks: Sequence[str],
    scorers: Sequence[str] | None = None,
    *,
    model_args: Mapping[str, Any] | None = None,
    task_args: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    system: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    hooks: Hooks | None = None,
) -> Prepared:
    """Check a question completely, without loading a model's weights or writing anything.

    Raises:
        EmpevalError: whatever is wrong with it, in a sentence.
    """
    _refuse_text(tasks, "tasks")
    _refuse_text(scorers, "scorers")
    if not tasks:
        raise UsageError("No task is named; see 'empeval list tasks'.")
    if len(set(tasks)) != len(tasks):
        raise UsageError("A task is named twice in --tasks.")
    if limit is not None and not isinstance(limit, int):
        raise UsageError(f"limit is {limit!r}; it must be a whole number.")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit is {limit}; it must be 1 or more.")
    out = Path(os.path.abspath(out)) if out is not None else None
    here = Path.cwd()  # a task or a plugin may go to another folder
    remember({**(model_args or {}), "": model})
    remember(task_args or {})
    hooks = hooks if hooks is not None else Hooks().load_installed()
    _refuse_one_file(tasks)
    for name in tasks:
        registry.find("tasks", name)
    generator = resolve_generator(model, model_args or {}, hooks)
    if system and not generator.reads_prompts:
        raise UsageError(
            f"--system has no effect on '{model}', which reads no prompt; leave it out."
        )
    by_task = split_task_arguments(task_args or {}, tasks)
    changes = {"seed": seed, **(sampling or {})}
    asked = [
        AskedTask(
            name, by_task[name], limit=limit, seed=seed, sampling=changes, system=system or None
        )
        for name in tasks
    ]
    chosen = scorers_for({a.name: a.task for a in asked}, scorers)
    warnings = [w for a in asked for w in a.warnings]
    with contained(registry.label_of(generator)):
        warnings += [str(text) for text in generator.prepare({a.name: a.shown for a in asked})]
    card = registry.checked_card(generator, ModelCard)
    given = {k: str(v) for k, v in (model_args or {}).items()}
    manifest = Manifest(
        schema=SCHEMA,
        status="running",
        created=now(),
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        model=ModelEntry(
            uri=model,
            name=card.name,
            fingerprint=card.fingerprint,
            arguments={k: v for k, v in given.items() if k not in generator.operational},
            license=card.license,
            details=card.details,
            operation={k: v for k, v in given.items() if k in generator.operational},
            system=system or None,
        ),
        tasks={a.name: a.entry for a in asked},
        scorers={n: {s.label: s.entry for s in chosen[n]} for n in chosen},
        limit=limit,
        seed=seed,
        warnings=warnings,
        environment=environment(),
    )
    manifest = redacted(manifest)
    path = out if out is not None else here / _default_path(manifest)
    return Prepared(manifest, path, asked, chosen, generator, hooks)


def run(
    model: str,
    tasks: Sequence[str],
    scorers: Sequence[str] | None = None,
    *,
    model_args: Mapping[str, Any] | None = None,
    task_args: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    system: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = True,
    max_cost: float | None = None,
    max_tokens_total: int | None = None,
    data_dir: str | Path | None = None,
    progress: bool = False,
    hooks: Hooks | None = None,
) -> Run:
    """Ask a model the questions of tasks, score its answers, compute the figures.

    Args:
        model: ``scheme:target``, such as ``"hf:org/name"`` or ``"packaged:smollm2-135m-instruct"``.
        tasks: names of tasks.
        scorers: names (or ``name:target``) instead of the tasks' own; ``"default"`` among them
            stands for the tasks' own.
        model_args: options of the generator.
        task_args: ``{"task.option": value}``.
        sampling: changes to the tasks' sampling (``max_tokens``, ``temperature``, ``top_p``,
            ``stop``).
        system: a system message before every conversation; part of the question.
        limit: ask only so many (what is counted is the task's: ``ed-empathy`` counts
            conversations).
        seed: of the choice of items and of random decoding.
        out: the run folder; by default one under ``empeval-runs/`` named after the question.
        resume: go on with an unfinished run in that folder; ``False`` refuses instead.
        max_cost: stop, to be gone on with, when the answers have cost so many US dollars.
        max_tokens_total: the same for tokens of prompts and answers together.
        data_dir: a folder that mirrors the hub's data sets.
        progress: show progress bars when standard error is a terminal.
        hooks: hook modules to use instead of the installed ones.

    Returns:
        The finished run folder. The same call again does nothing and returns it.

    Raises:
        EmpevalError: with a sentence that says what was wrong, where, and what to do.
    """
    with use_data_directory(data_dir) if data_dir is not None else contextlib.nullcontext():
        prepared = prepare(
            model,
            tasks,
            scorers,
            model_args=model_args,
            task_args=task_args,
            sampling=sampling,
            system=system,
            limit=limit,
            seed=seed,
            out=out,
            hooks=hooks,
        )
        return execute(
            prepared,
            resume=resume,
            progress=progress,
            max_cost=max_cost,
            max_tokens_total=max_tokens_total,
        )


def execute(
    prepared: Prepared,
    *,
    resume: bool = True,
    progress: bool = False,
    max_cost: float | None = None,
    max_tokens_total: int | None = None,
) -> Run:
    """Ask, score and compute what is not there yet; see ``run``."""
    hooks, generator = prepared.hooks, prepared.generator
    _check_limits(prepared, max_cost, max_tokens_total)
    check_folder(prepared.path, prepared.manifest, resume=resume)
    with locked(prepared.path):
        folder = open_folder(prepared.path, prepared.manifest)
        labels = {name: [s.label for s in chosen] for name, chosen in prepared.scorers.items()}
        forget_errors(folder, labels)
        if folder.complete:
            return folder
        hooks.fire(
            "empeval_run_started",
            folder=str(folder.path),
            manifest=msgspec.to_builtins(folder.manifest),
        )
        timing = dict(folder.manifest.timing)
        spending = Spending(max_cost, max_tokens_total, folder.manifest.discarded)
        try:
            for asked in prepared.tasks:
                for line in folder.responses(asked.name):
                    spending.add(line)
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
        return score_and_finish(folder, tasks, prepared.scorers, hooks, timing, progress)


def _check_limits(prepared: Prepared, cost: float | None, tokens: int | None) -> None:
    for option, value in (("--max-cost", cost), ("--max-tokens-total", tokens)):
        if value is not None and not value > 0:
            raise UsageError(f"{option} is {value}; it must be above 0.")
    if cost is not None and not prepared.generator.charges:
        raise UsageError(
            f"--max-cost: the answers of '{prepared.manifest.model.uri}' have no price; use "
            "--max-tokens-total."
        )


def _close(generator: Generator) -> None:
    """Free a model; one that fails at that has answered all the same."""
    try:
        with contained(registry.label_of(generator)):
            generator.close()
    except EmpevalError as error:
        warn(error)


def score(
    source: str | Path,
    scorers: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    progress: bool = False,
    hooks: Hooks | None = None,
) -> Run:
    """Score saved answers without loading the model that gave them.

    Args:
        source: a run folder (scores are added to it), or a JSONL file of dialogues
            (``{"id", "context" or "messages", "response", "reference"?}`` a line).
        scorers: as for ``run``.
        out: for a file of dialogues, the run folder to write.
        progress: show progress bars when standard error is a terminal.
        hooks: hook modules to use instead of the installed ones.

    Returns:
        The run folder.

    Raises:
        EmpevalError: with a sentence that says what was wrong, where, and what to do.
    """
    _refuse_text(scorers, "scorers")
    hooks = hooks if hooks is not None else Hooks().load_installed()
    path = Path(source)
    if path.is_dir():
        path = Path(os.path.abspath(path))
        if out is not None:
            raise UsageError("--out goes with a file of dialogues; scores of a run go into it.")
        return _score_run(Run(path), scorers, hooks, progress)
    return _score_file(path, scorers, out, hooks, progress)


def _score_run(folder: Run, scorers: Sequence[str] | None, hooks: Hooks, progress: bool) -> Run:
    for name, entry in folder.manifest.tasks.items():
        count = len(folder.responses(name))
        if count != entry.n_items:
            raise RunFolderError(
                f"{folder.path} is unfinished: {count} of {entry.n_items} answers of {name} are "
                "there. Run its command again first: " + shlex.join(folder.manifest.command)
            )
    tasks: dict[str, Task | None] = {
        name: _task_of(folder, name, entry) for name, entry in folder.manifest.tasks.items()
    }
    missing = [name for name, task in tasks.items() if task is None]
    if missing:
        warn(f"the plugin of {', '.join(missing)} is not installed; it is not scored anew")
    chosen = scorers_for({n: t for n, t in tasks.items() if t is not None}, scorers)
    with locked(folder.path):
        folder = Run(folder.path)
        forget = {name: [asked.label for asked in those] for name, those in chosen.items()}
        forget_errors(folder, forget, answers=False)
        timing = dict(folder.manifest.timing)
        return score_and_finish(folder, tasks, chosen, hooks, timing, progress)


def _score_file(
    path: Path,
    scorers: Sequence[str] | None,
    out: str | Path | None,
    hooks: Hooks,
    progress: bool,
) -> Run:
    target = Path(os.path.abspath(out)) if out is not None else None
    here, file = Path.cwd(), Path(os.path.abspath(path))
    pairs = DialogueFile(path)
    task = Dialogues(pairs.items)
    chosen = scorers_for({DIALOGUES: task}, scorers)
    fingerprint = data_fingerprint(pairs.items)
    manifest = Manifest(
        schema=SCHEMA,
        status="running",
        created=now(),
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        model=ModelEntry(uri=f"file:{path}", name=path.stem, fingerprint=file_fingerprint(file)),
        tasks={
            DIALOGUES: TaskEntry(
                version=task.card.version,
                data_fingerprint=fingerprint,
                prompts_hash=prompts_hash(pairs.items),
                n_items=task.size,
                n_clusters=len(task.clusters),
                sampling=task.card.sampling,
                dataset=str(path),
                license=task.card.license,
            )
        },
        scorers={DIALOGUES: {s.label: s.entry for s in chosen[DIALOGUES]}},
        environment=environment(),
    )
    manifest = redacted(manifest)
    target = target if target is not None else here / _default_path(manifest)
    check_folder(target, manifest)
    with locked(target):
        folder = open_folder(target, manifest)
        done = set(folder.responses(DIALOGUES).ids)
        with folder.journal_responses(DIALOGUES) as journal:
            for item, response in pairs:
                if item.id not in done:
                    journal.append(runner.finish(response, item))
        tasks: dict[str, Task | None] = {DIALOGUES: task}
        return score_and_finish(
            folder, tasks, chosen, hooks, dict(folder.manifest.timing), progress
        )


def _task_of(folder: Run, name: str, entry: TaskEntry) -> Task | None:
    if name == DIALOGUES:
        return Dialogues(Mapped(folder.responses(name), lambda line: line.item))
    try:
        cls = registry.load(registry.find("tasks", name))
        task: Task = registry.build(cls, entry.arguments, label=f"task '{name}'")
    except UsageError:
        return None
    return task


def _refuse_text(names: Sequence[str] | None, what: str) -> None:
    if isinstance(names, str):
        raise UsageError(f"'{what}' is the text '{names}'; give a list of names: ['{names}'].")


def _refuse_one_file(tasks: Sequence[str]) -> None:
    doubled = same_file(tasks)
    if doubled:
        raise UsageError(f"The tasks {doubled} would write to the same file; ask them in two runs.")


def _default_path(manifest: Manifest) -> Path:
    return Path(RUNS_FOLDER) / f"{slug(manifest.model.name, 40)}-{question_hash(manifest)}"
