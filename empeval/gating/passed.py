"""Which runs passed a gate: a note in the run folder, and the latest of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from empeval.errors import RunFolderError, UsageError
from empeval.files import read_json, write_json
from empeval.gating.documents import audits
from empeval.gating.verdict import Outcome, Verdict
from empeval.runs import Run, is_copy, run_folders

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
    write_json(run.path / NOTE, record)


def read_note(path: Path) -> Passed | None:
    """The note in a run folder, if there is one.

    Raises:
        RunFolderError: it cannot be read.
    """
    file = path / NOTE
    if not os.path.lexists(file):
        return None
    advice = "Delete it, and gate the run again."
    return read_json(file, Passed, "as a gate's note", advice)


def find_base(wanted: str, root: Path, candidate: Run) -> Run:
    """The run to hold a candidate against.

    Args:
        wanted: a run folder, or ``latest-passed``: of the runs that share most tasks with the
            candidate, the one that passed a gate last.
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
        try:
            own = read_note(path)
            if own is None or own.outcome != "pass" or is_copy(run := Run(path), candidate):
                continue
        except RunFolderError:
            continue  # a damaged one hides no other; 'empeval runs list' says what is wrong with it
        if shared := len(tasks & set(run.manifest.tasks)):
            found.append((shared, own.when, str(path), run))
    if not found:
        raise UsageError(
            f"No run in {root} that shares a task with {candidate.path} has passed a gate. Name "
            "the first baseline yourself: --baseline RUN."
        )
    return max(found, key=lambda one: one[:3])[3]
