"""``empeval.score``: scores of answers that are there already; no model is loaded."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from empeval import registry
from empeval.answering import finish
from empeval.answers import Fields
from empeval.asked import (
    scorers_for,
)
from empeval.dialogues import DIALOGUES, Dialogues, Read, read_dialogues
from empeval.environment import environment
from empeval.errors import IncompleteRunError, UsageError
from empeval.files import fingerprint_of
from empeval.finishing import now, score_and_finish
from empeval.hooks import Hooks
from empeval.interfaces import Scorer, Task
from empeval.notices import warn
from empeval.reasoning import recorded, table
from empeval.runs import (
    SCHEMA,
    Manifest,
    Mapped,
    ModelEntry,
    Run,
    TaskEntry,
    data_fingerprint,
    prompts_hash,
    redacted,
    require_unchanged,
)
from empeval.runspec import names_of
from empeval.saved import SavedTask
from empeval.workers import LazyWorkers, workers_of
from empeval.workspace import check_folder, default_path, forget_errors, locked, open_folder


def score(
    source: str | Path,
    scorers: Sequence[str | Scorer | type[Scorer]] | None = None,
    *,
    out: str | Path | None = None,
    map: str | None = None,
    pick: str | None = None,
    reasoning_tags: Sequence[str] = (),
    score_workers: str | None = None,
    progress: bool = False,
    hooks: Hooks | None = None,
) -> Run:
    """Score saved answers without loading the model that gave them.

    Args:
        source: a run folder (scores are added to it), or a file of dialogues: JSONL
            (``{"id", "context" or "messages", "response", "reference"?}`` a line), or one that
            another program wrote; docs/saved-answers.md lists them.
        scorers: as for ``run``.
        out: for a file of dialogues, the run folder to write.
        map: for a file, which field is which: ``"id=key,response=output.text"``.
        pick: for a file, of the models or runs in it the one whose answers are meant.
        reasoning_tags: for a file, what marks a thought beside the known tags.
        score_workers: who scores beside this process, ``KIND:N``: ``"local:2"``.
        progress: show progress bars when standard error is a terminal.
        hooks: hook modules to use instead of the installed ones.

    Returns:
        The run folder.

    Raises:
        EmpevalError: with a sentence that says what was wrong, where, and what to do.
    """
    scorers = names_of(scorers, "scorers")
    reasoning_tags = names_of(reasoning_tags, "reasoning_tags") or ()
    hooks = hooks if hooks is not None else Hooks().load_installed()
    workers = workers_of(score_workers, hooks.fire("empeval_worker_kinds"))
    path = Path(source)
    if path.is_dir():
        path = Path(os.path.abspath(path))
        if out is not None:
            raise UsageError("--out goes with a file of dialogues; scores of a run go into it.")
        if map is not None or pick is not None:
            raise UsageError("--map and --pick go with a file; a run folder is read as it is.")
        if reasoning_tags:
            raise UsageError(
                "--reasoning-tags goes with a file of dialogues; a run's answers are split already."
            )
        return _score_run(Run(path), scorers, hooks, progress, workers)
    read = read_dialogues(path, Fields.parsed(map), pick)
    arguments = {name: value for name, value in (("map", map), ("pick", pick)) if value is not None}
    tags = tuple(reasoning_tags)
    return _score_file(path, read, arguments, scorers, out, tags, hooks, progress, workers)


def _score_run(
    folder: Run,
    scorers: Sequence[Any] | None,
    hooks: Hooks,
    progress: bool,
    workers: LazyWorkers | None,
) -> Run:
    for name, entry in folder.manifest.tasks.items():
        count = len(folder.responses(name))
        if count != entry.n_items:
            raise IncompleteRunError(
                f"{folder.path} is unfinished: {count} of {entry.n_items} answers of {name} are "
                "there.",
                run=folder.path,
                answered=count,
                wanted=entry.n_items,
                lacking=[f"{name}: {count} of {entry.n_items} answers"],
                hint=f"Run its command again first: {shlex.join(folder.manifest.command)}",
            )
    tasks: dict[str, Task | None] = {
        name: _task_of(folder, name, entry) for name, entry in folder.manifest.tasks.items()
    }
    missing = [name for name, task in tasks.items() if task is None]
    if missing:
        warn(f"the plugin of {', '.join(missing)} is not installed; it is not scored anew")
    chosen = scorers_for({n: t for n, t in tasks.items() if t is not None}, scorers)
    without = [n for n, t in tasks.items() if isinstance(t, SavedTask) and not chosen[n]]
    if without and len(without) == len(tasks):
        raise UsageError(
            f"{', '.join(without)} is not installed here, so nobody knows its own scorers: name "
            "some with --scorers."
        )
    with locked(folder.path):
        folder = Run(folder.path)
        require_unchanged(folder)  # or what was changed would be sealed anew
        forget = {name: [asked.label for asked in those] for name, those in chosen.items()}
        forget_errors(folder, forget, answers=False)
        timing = dict(folder.manifest.timing)
        return score_and_finish(folder, tasks, chosen, hooks, timing, progress, workers=workers)


def _score_file(
    path: Path,
    read: Read,
    arguments: dict[str, str],
    scorers: Sequence[Any] | None,
    out: str | Path | None,
    tags: tuple[str, ...],
    hooks: Hooks,
    progress: bool,
    workers: LazyWorkers | None,
) -> Run:
    target = Path(os.path.abspath(out)) if out is not None else None
    here, file = Path.cwd(), Path(os.path.abspath(path))
    for notice in read.notices:
        warn(notice)
    items = read.items
    task = Dialogues(items)
    chosen = scorers_for({DIALOGUES: task}, scorers)
    fingerprint = data_fingerprint(items)
    manifest = Manifest(
        schema=SCHEMA,
        status="running",
        created=now(),
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        model=ModelEntry(
            uri=f"file:{path}",
            name=path.stem,
            fingerprint=fingerprint_of(file, follow=True),
            arguments=arguments,
        ),
        tasks={
            DIALOGUES: TaskEntry(
                version=task.card.version,
                data_fingerprint=fingerprint,
                prompts_hash=prompts_hash(items),
                n_items=task.size,
                n_clusters=len(task.clusters),
                sampling=msgspec.structs.replace(task.card.sampling, reasoning_tags=tags),
                reasoning=recorded(tags),
                dataset=str(path),
                license=task.card.license,
            )
        },
        scorers={DIALOGUES: {s.label: s.entry for s in chosen[DIALOGUES]}},
        warnings=read.notices,
        environment=environment(),
    )
    manifest = redacted(manifest)
    target = target if target is not None else here / default_path(manifest)
    check_folder(target, manifest)
    with locked(target):
        check_folder(target, manifest)  # another process may have been faster
        folder = open_folder(target, manifest)
        done = set(folder.responses(DIALOGUES).ids)
        with folder.journal_responses(DIALOGUES) as journal:
            for item, response in read:
                if item.id not in done:
                    journal.append(finish(response, item, tags=table(tags)))
        tasks: dict[str, Task | None] = {DIALOGUES: task}
        timing = dict(folder.manifest.timing)
        return score_and_finish(folder, tasks, chosen, hooks, timing, progress, workers=workers)


def _task_of(folder: Run, name: str, entry: TaskEntry) -> Task | None:
    if name == DIALOGUES:
        return Dialogues(Mapped(folder.responses(name), lambda line: line.item))
    try:
        component = registry.find("tasks", name)
        if not _is_of(component, entry):
            raise UsageError("another task has that name")
        task: Task = registry.build(
            registry.load(component), entry.arguments, label=f"task '{name}'"
        )
    except UsageError:
        return SavedTask(folder, name, entry) if entry.provides else None
    return task


def _is_of(component: registry.Component, entry: TaskEntry) -> bool:
    """Whether a run's task is that of a distribution; older folders do not say whose theirs was."""
    whose = entry.distribution.rpartition(" ")[0]
    return not component.local and whose in ("", component.distribution)
