"""``run.json``: what was asked, of what, with what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from empeval.errors import RunFolderError
from empeval.files import read_json, write_json
from empeval.records import Sampling, Usage
from empeval.redacting import redact_command, redact_values
from empeval.runs.names import same_file

SCHEMA: Literal[1] = 1

COPY = ".run.json.copy"


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The model of a run: its URI, arguments and card.

    ``arguments`` are part of the run spec; ``operation`` are those that only say how it is asked
    (see ``Generator.operational``). ``system`` is the user's own system message.
    """

    uri: str
    name: str
    fingerprint: str
    arguments: dict[str, str] = {}
    license: str | None = None
    details: dict[str, Any] = {}
    operation: dict[str, str] = {}
    system: str | None = None

    @property
    def title(self) -> str:
        """The URI for a reader, with the beginning of its adapter's fingerprint, if it has one."""
        adapter = str(self.details.get("adapter_fingerprint") or "").removeprefix("sha256:")
        return f"{self.uri} + adapter {adapter[:8]}" if adapter else self.uri


class TaskEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a run.

    ``data_fingerprint`` is over every item that the task has, ``prompts_hash`` over the messages
    of those that were asked. ``provides`` is what its items offer to scorers, so that they are
    scored again where the task is not installed.
    ``reasoning`` names all that was taken for a mark of a thought.
    """

    version: str
    data_fingerprint: str
    prompts_hash: str
    n_items: int
    n_clusters: int
    sampling: Sampling
    reasoning: tuple[str, ...] = ()
    arguments: dict[str, str] = {}
    dataset: str | None = None
    license: str = ""
    distribution: str = ""
    provides: tuple[str, ...] = ()


class ScorerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A scorer that has scored a task of this run."""

    name: str
    version: str
    target: str | None = None
    fingerprint: str | None = None
    distribution: str = ""


class AuditMark(msgspec.Struct, frozen=True, kw_only=True):
    """What was known of a scorer's agreement with people when it scored a task.

    Attributes:
        audited: whether its certificate, of this version and checkpoint, was there; ``null`` for
            a scorer that does not judge replies (a formula, a description).
        line: the certificate in a sentence, or why there is none; ``""`` where none is due.
        values: those of the scorer's values that were compared with people's ratings.
        warnings: how the scored replies differ from the audited ones.
    """

    audited: bool | None
    line: str = ""
    values: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``run.json``.

    ``discarded`` is what answers took that failed and were taken out to be asked again,
    ``scored`` by task the sha256 of the answers' file when its scores were complete, ``sealed`` by
    path in the folder that of each file of scores and of the metrics then.
    """

    schema: Literal[1]
    status: Literal["running", "complete"]
    created: str
    finished: str | None = None
    command: list[str] = []
    model: ModelEntry
    tasks: dict[str, TaskEntry]
    scorers: dict[str, dict[str, ScorerEntry]] = {}
    audits: dict[str, dict[str, AuditMark]] = {}
    limit: int | str | None = None
    seed: int = 0
    warnings: list[str] = []
    environment: dict[str, Any] = {}
    timing: dict[str, float] = {}
    discarded: Usage = Usage()
    scored: dict[str, str] = {}
    sealed: dict[str, str] = {}


def read_manifest(path: Path) -> Manifest:
    """The manifest of a run folder, without what is secret in it.

    Raises:
        RunFolderError: there is none, or it cannot be understood.
    """
    file = path / "run.json"
    if not os.path.lexists(file):
        there = os.path.exists(path)
        what = "is no run folder (it has no run.json)" if there else "does not exist"
        raise RunFolderError(f"{path} {what}.")
    advice = f"'empeval runs repair {path}' rebuilds it from what else is there."
    manifest = redacted(read_json(file, Manifest, "as a manifest", advice))
    doubled = same_file(manifest.tasks)
    if doubled:
        raise RunFolderError(f"{file} names the tasks {doubled}, whose files would be the same.")
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace a run folder's manifest and its copy.

    Raises:
        StorageError: they cannot be written.
    """
    write_json(path / COPY, manifest)
    write_json(path / "run.json", manifest)


def redacted(manifest: Manifest) -> Manifest:
    """A manifest in which ``***`` stands for every key, token and password."""
    hidden = redact_values(msgspec.to_builtins(manifest))
    made: Manifest = msgspec.convert(hidden, Manifest)
    return msgspec.structs.replace(made, command=redact_command(manifest.command))
