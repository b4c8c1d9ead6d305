"""Which runs passed a gate: a note in the run folder, and the latest of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from empeval.errors import RunFolderError, StorageError, UsageError
from empeval.gating.documents import audits
from empeval.gating.verdict import Outcome, Verdict
from empeval.journal import write_whole
from empeval.runs import Run, is_run

NOTE = "gate.json"
LATEST = "latest-passed"


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """``gate.json`` in a run folder: the last gate that the run went through as candidate.

    Attributes:
        outcome: of it. when: in UTC, ISO 8601. base: the folder it was held against.
        policy: the policy's file.
        audits: what was known of the scorers' agreement with people.
    """

    schema: Literal[1] = 1
    outcome: Outcome
    when: str
    base: str
    policy: str
    audits: list[str] = []


def note(run: Run, verdict: Verdict, policy: str) -> None:
    """Write the outcome into the candidate's folder.

    Raises:
        StorageError: it cannot be written.
    """
    record = Passed(
        outcome=verdict.outcome,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        base=verdict.comparison.base,
        policy=policy,
        audits=audits(verdict),
    )
    try:
        write_whole(run.path / NOTE, record)
    except OSError as error:
        raise StorageError(f"{run.path / NOTE} cannot be written: {error.strerror}.") from error


def read_note(path: Path) -> Passed | None:
    """The note in a run folder, if there is one that can be read."""
    try:
        return msgspec.json.decode((path / NOTE).read_bytes(), type=Passed)
    except (OSError, msgspec.DecodeError):
        return None


def run_folders(root: Path) -> list[Path]:
    """The run folders in a folder, by name.

    Raises:
        UsageError: there is no such folder.
    """
    if not root.is_dir():
        raise UsageError(f"There is no folder {root} of runs; give --runs FOLDER.")
    return sorted(path for path in root.iterdir() if path.is_dir() and is_run(path))


def find_base(wanted: str, root: Path, candidate: Run) -> Run:
    """The run to hold a candidate against.

    Args:
        wanted: a run folder, or ``latest-passed``: the run with the same tasks that passed a gate
            last.
        root: where ``latest-passed`` looks.
        candidate: which is never its own base.

    Raises:
        UsageError: no run in the folder has passed a gate.
        RunFolderError: the folder is no run.
    """
    if wanted != LATEST:
        return Run(wanted)
    tasks = set(candidate.manifest.tasks)
    found = []
    for path in run_folders(root):
        own = read_note(path)
        if own is None or own.outcome != "pass" or path.resolve() == candidate.path.resolve():
            continue
        try:
            run = Run(path)
        except RunFolderError:
            continue
        if tasks & set(run.manifest.tasks):
            found.append((own.when, path, run))
    if not found:
        raise UsageError(
            f"No run in {root} that shares a task with {candidate.path} has passed a gate. Name "
            "the first baseline yourself: --baseline RUN."
        )
    return max(found, key=lambda one: (one[0], str(one[1])))[2]
