"""Guards a run folder: one run spec, one writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

import msgspec
from filelock import FileLock, Timeout

from empeval.asked import AskedTask
from empeval.errors import OtherRunSpecError, RunFolderError
from empeval.files import check_regular
from empeval.records import Item, ResponseLine
from empeval.runs import (
    UNANSWERED,
    Manifest,
    Run,
    check_free,
    differences,
    is_run,
    only_marks_differ,
    require_unchanged,
    slug,
    spec_hash,
)
from empeval.scripts import dialogue_of
from empeval.spending import plus

RUNS_FOLDER = "empeval-runs"


def default_path(manifest: Manifest) -> Path:
    """Where a run goes when nobody says: named after the model and all that is asked."""
    return Path(RUNS_FOLDER) / f"{slug(manifest.model.name, 40)}-{spec_hash(manifest)}"


def check_folder(path: Path, manifest: Manifest, *, resume: bool = True) -> None:
    """Refuse a folder that holds something else, before anything is written or loaded.

    Raises:
        RunFolderError: it holds the run of another spec, an unfinished one although ``resume`` is
            off, or no run at all.
    """
    if not is_run(path):
        check_free(path)
        return
    existing = Run(path)
    differing = differences(existing.manifest, manifest)
    if differing and only_marks_differ(existing.manifest, manifest):
        raise RunFolderError(
            f"{path} holds an unfinished run that an older version of empeval began. That one "
            "looked for other marks of thoughts in the answers, so the rest would not be of the "
            "same kind: finish the run with the version that began it, or ask anew with another "
            "--out."
        )
    if differing:
        raise OtherRunSpecError(
            f"{path} holds a run of another run spec; name another --out. What differs "
            "(there -> now): " + "; ".join(differing) + ".",
            run=path,
            differences=differing,
            hint="name another --out",
        )
    if not resume and not existing.complete:
        raise RunFolderError(
            f"{path} holds an unfinished run and --no-resume was given; name another --out, "
            "delete the folder, or leave --no-resume out to go on."
        )


def open_folder(path: Path, manifest: Manifest) -> Run:
    """The run folder of a run spec, made if it is new.

    A finished run that lacks one of the manifest's scorers, or lines of its files (somebody took
    a damaged one out), becomes an unfinished one.

    Raises:
        RunFolderError: its files are damaged, or were changed when the run was finished.
    """
    if not is_run(path):
        return Run.create(path, manifest)
    folder = Run(path)
    require_unchanged(folder)  # or what was changed would be sealed anew
    known = folder.manifest.scorers
    same = all(
        known.get(task, {}).get(label) == entry
        for task, entries in manifest.scorers.items()
        for label, entry in entries.items()
    )
    if folder.complete and not (same and _is_whole(folder, manifest)):
        folder.write_manifest(msgspec.structs.replace(folder.manifest, status="running"))
    return folder


def forget_errors(
    folder: Run, scorers: Mapping[str, Collection[str]], *, answers: bool = True
) -> None:
    """Take out what failed by an error, so that it is asked and scored again.

    Answers of status ``error`` go, with every score of them, scores of answers that are not there,
    and scores of status ``error`` that one of these scorers gave to an answer that is there. What
    the model did (a refusal, an answer that cannot be read) stays. A folder that loses a line is
    unfinished.

    Args:
        folder: locked by the caller.
        scorers: task -> labels of those that will score.
        answers: whether answers will be asked for, too.
    """
    lost = False
    for task in folder.manifest.tasks:
        lines = folder.responses(task)
        answered = lines.ids_of(lambda status: status not in UNANSWERED)
        failed = lines.ids_of(lambda status: answers and status == "error")
        if failed:
            _count_discarded(folder, [line for line in lines if line.id in failed])
        folder.forget(lines, failed)
        steps = folder.steps(task)
        lost_steps = steps.ids_of(lambda status: answers and status == "error")
        if lost_steps:
            _count_discarded(folder, [line for line in steps if line.id in lost_steps])
        folder.forget(steps, lost_steps)
        lost |= bool(failed)
        for label in folder.manifest.scorers.get(task, {}):
            gone = set(failed)
            scores = folder.scores(task, label)
            gone |= set(scores.ids) - set(lines.ids)  # of answers that were taken out by hand
            if label in scorers.get(task, ()):
                gone |= answered & scores.ids_of(lambda status: status == "error")
            folder.forget(scores, gone)
            lost |= bool(gone)
    if lost and folder.manifest.status != "running":
        folder.write_manifest(msgspec.structs.replace(folder.manifest, status="running"))


def forget_orphans(folder: Run, tasks: Sequence[AskedTask]) -> None:
    """Take out turns of dialogues that come behind a lost one, so that they are asked again.

    They answer a history with the reply that is lost; the one that comes in its place may be
    another. A dialogue of which all that is scored is there stays as it is. A folder that loses a
    line is unfinished.

    Args:
        folder: locked by the caller.
        tasks: what is asked.
    """
    for asked in tasks:
        if not asked.scripted:
            continue
        answers, steps = folder.responses(asked.name), folder.steps(asked.name)
        there = {*answers.ids, *steps.ids}
        dialogues: dict[str, list[Item]] = {}
        for item in asked.items:
            if item.turn:
                dialogues.setdefault(dialogue_of(item), []).append(item)
        orphans: set[str] = set()
        for turns in dialogues.values():
            lost = [turn for turn in turns if turn.id not in there]
            if any(turn.id not in asked.steps for turn in lost):
                first = min(turn.turn for turn in lost)
                orphans |= {t.id for t in turns if t.turn > first and t.id in there}
        if not orphans:
            continue
        _count_discarded(folder, [line for line in chain(answers, steps) if line.id in orphans])
        for lines in (answers, steps):
            folder.forget(lines, orphans & set(lines.ids))
        for label in folder.manifest.scorers.get(asked.name, {}):
            folder.forget(folder.scores(asked.name, label), orphans)
        if folder.manifest.status != "running":
            folder.write_manifest(msgspec.structs.replace(folder.manifest, status="running"))


def _count_discarded(folder: Run, lines: Sequence[ResponseLine]) -> None:
    """Keep what failed answers took: they are paid for, although they go."""
    taken = folder.manifest.discarded
    for line in lines:
        taken = plus(taken, line)
    if taken != folder.manifest.discarded:
        folder.write_manifest(msgspec.structs.replace(folder.manifest, discarded=taken))


def _is_whole(folder: Run, manifest: Manifest) -> bool:
    """Whether every answer and every score of the manifest's scorers is there."""
    return all(
        len(folder.responses(task)) == entry.n_items
        and all(
            len(folder.scores(task, label)) == entry.n_items
            for label in manifest.scorers.get(task, {})
        )
        for task, entry in folder.manifest.tasks.items()
    )


class BusyError(RunFolderError):
    """Another process is writing to a run folder."""

    code = "run-busy"
    finer: ClassVar[Mapping[str, str]] = {}


@contextlib.contextmanager
def locked(path: Path, *, make: bool = True) -> Iterator[None]:
    """Keep a second empeval out of a run folder while this one writes.

    Args:
        path: the folder.
        make: make it where it is not there.

    Raises:
        BusyError: another process has it.
        RunFolderError: it cannot be made or locked.
    """
    try:
        if make:
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be made: {error.strerror}.") from error
    lock = FileLock(path / ".lock")
    try:
        check_regular(path / ".lock")  # opening it would empty what a link leads to
        lock.acquire(timeout=0)
    except Timeout:
        said = f"Another empeval is writing to {path}; wait for it."
        raise BusyError(said, path=path, hint="wait for it") from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        for left in path.glob(".*.part"):  # of a process that was killed while it wrote
            with contextlib.suppress(OSError):  # a folder of that name is none of ours
                left.unlink()
        yield
    finally:
        lock.release()
