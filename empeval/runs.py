"""The run folder: manifest, journals, fingerprints, resume.

::

    run.json                         the manifest: what was asked, of what, with what
    responses/<task>.jsonl           a line an item (ResponseLine)
    scores/<task>/<scorer>.jsonl     a line an item (Score)
    metrics.json                     the figures (MetricsFile)
    .run.json.copy                   the manifest again, for 'empeval runs repair'

Other programs read these files; ``empeval schema`` prints their JSON Schema.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from empeval.errors import RunFolderError, StorageError
from empeval.files import inside, read_regular, write_json
from empeval.journal import Journal, read_journal, write_lines
from empeval.records import Item, Metric, MetricsFile, ResponseLine, Sampling, Score
from empeval.redacting import is_secret, redact, redact_command, redact_values, without_user

Noted = TypeVar("Noted", ResponseLine, Score, Metric)

SCHEMA: Literal[1] = 1

COPY = ".run.json.copy"

UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a JSON file that anybody may have written can raise."""


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The model of a run: its URI, arguments and card."""

    uri: str
    name: str
    fingerprint: str
    arguments: dict[str, str] = {}
    license: str | None = None
    details: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """The URI for a reader, with the beginning of its adapter's fingerprint, if it has one."""
        adapter = str(self.details.get("adapter_fingerprint") or "").removeprefix("sha256:")
        return f"{self.uri} + adapter {adapter[:8]}" if adapter else self.uri


class TaskEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a run.

    ``data_fingerprint`` is over every item that the task has, ``prompts_hash`` over the messages
    of those that were asked. ``provides`` is what
    its items offer to scorers, so that they are scored again where the task is not installed.
    """

    version: str
    data_fingerprint: str
    prompts_hash: str
    n_items: int
    n_clusters: int
    sampling: Sampling
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
    """``run.json``."""

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


def canonical(value: Any) -> bytes:
    """JSON bytes of a record with sorted keys: the same value gives the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def item_hash(item: Item) -> str:
    """16 hex digits that identify what is asked and what it is compared with."""
    parts = canonical([item.messages, item.reference, item.target])
    return hashlib.sha256(parts).hexdigest()[:16]


def data_fingerprint(items: Iterable[Item]) -> str:
    """``sha256:<hex>`` over id, messages, reference, target and cluster of every item."""
    digest = hashlib.sha256()
    for item in items:
        parts = [item.id, item.messages, item.reference, item.target, item.cluster]
        digest.update(canonical(parts) + b"\n")
    return f"sha256:{digest.hexdigest()}"


def prompts_hash(items: Iterable[Item]) -> str:
    """``sha256:<hex>`` over id and messages of the items in a run."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(canonical([item.id, item.messages]) + b"\n")
    return f"sha256:{digest.hexdigest()}"


def slug(text: str, length: int = 60) -> str:
    """A file name out of any text: letters, digits, dots, dashes and underscores."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return clean[-length:].strip("-.") or "unnamed"


def same_file(names: Iterable[str]) -> str:
    """Two names that become the same file's, in quotation marks, or ``""``.

    Upper and lower case are the same to some systems.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(slug(name).casefold(), name)
        if other != name:
            return f"{other!r} and {name!r}"
    return ""


class Run:
    """A run folder: its manifest and its files.

    Args:
        path: the folder.

    Raises:
        RunFolderError: it is no run folder, or its manifest cannot be understood.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest = _read_manifest(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def responses_path(self, task: str) -> Path:
        """Where a task's responses are.

        Raises:
            RunFolderError: there is a symbolic link on the way to them.
        """
        return inside(self.path, "responses", f"{slug(task)}.jsonl")

    def scores_path(self, task: str, scorer: str) -> Path:
        """Where one scorer's scores of a task are.

        Raises:
            RunFolderError: there is a symbolic link on the way to them.
        """
        return inside(self.path, "scores", slug(task), f"{slug(scorer)}.jsonl")

    def responses(self, task: str) -> list[ResponseLine]:
        """A task's responses so far, each id once.

        Raises:
            RunFolderError: a line is damaged or an id comes twice.
        """
        path = self.responses_path(task)
        lines = read_journal(path, ResponseLine)
        _no_doubles(path, (line.id for line in lines))
        return lines

    def scores(self, task: str, scorer: str) -> list[Score]:
        """One scorer's scores of a task so far, each id once.

        Raises:
            RunFolderError: a line is damaged or an id comes twice.
        """
        path = self.scores_path(task, scorer)
        lines = read_journal(path, Score)
        _no_doubles(path, (line.id for line in lines))
        return lines

    def metrics(self) -> list[Metric]:
        """The figures in ``metrics.json``; empty while the run is unfinished."""
        path = self.path / "metrics.json"
        if not os.path.lexists(path):
            return []
        try:
            return msgspec.json.decode(read_regular(path), type=MetricsFile).metrics
        except UNREADABLE as error:
            raise RunFolderError(f"{path} cannot be read: {reason(error)}.") from error

    def to_pandas(self) -> Any:
        """A table in long form, a row for each value of each item; see ``frames.run_frame``."""
        from empeval.frames import run_frame

        return run_frame(self)

    @property
    def complete(self) -> bool:
        """Whether every answer, score and figure is there."""
        return self.manifest.status == "complete" and (self.path / "metrics.json").exists()

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace ``run.json`` and its copy; no secret is written into them."""
        self.manifest = redacted(manifest)
        _write_manifest(self.path, self.manifest)

    def write_metrics(self, metrics: list[Metric]) -> None:
        """Replace ``metrics.json``."""
        metrics = [_without_secrets(metric) for metric in metrics]
        write_json(self.path / "metrics.json", MetricsFile(schema=SCHEMA, metrics=metrics))

    def journal_responses(self, task: str) -> Journal[ResponseLine]:
        """Open a task's responses for appending."""
        return Journal(self.responses_path(task), _without_secrets)

    def journal_scores(self, task: str, scorer: str) -> Journal[Score]:
        """Open one scorer's scores of a task for appending."""
        return Journal(self.scores_path(task, scorer), _without_secrets)

    def forget(self, path: Path, ids: Collection[str]) -> None:
        """Take the lines of these items out of one of the folder's JSONL files.

        Raises:
            StorageError: it cannot be written.
        """
        if ids and path.exists():
            keep = [line for line in read_journal(path, dict) if line.get("id") not in ids]
            write_lines(path, keep)

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> Run:
        """Make a new run folder.

        Raises:
            RunFolderError: the path is a file, or a folder that holds something else.
            StorageError: it cannot be written.
        """
        check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be made: {error.strerror}.") from error
        return cls.rewrite(path, manifest)

    @classmethod
    def rewrite(cls, path: Path, manifest: Manifest) -> Run:
        """Give a folder a manifest, whatever it holds.

        Raises:
            StorageError: it cannot be written.
        """
        _write_manifest(path, redacted(manifest))
        return cls(path)


def _write_manifest(path: Path, manifest: Manifest) -> None:
    write_json(path / COPY, manifest)
    write_json(path / "run.json", manifest)


def redacted(manifest: Manifest) -> Manifest:
    """A manifest in which ``***`` stands for every key, token and password."""
    hidden = redact_values(msgspec.to_builtins(manifest))
    made: Manifest = msgspec.convert(hidden, Manifest)
    return msgspec.structs.replace(made, command=redact_command(manifest.command))


def _without_secrets(record: Noted) -> Noted:
    """A record of the folder with its note redacted: notes tell what was raised."""
    if not record.note:
        return record
    made: Noted = msgspec.structs.replace(record, note=redact(record.note))
    return made


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a run's manifest, be it one that can be read or not."""
    return os.path.lexists(Path(path) / "run.json")


def check_free(path: Path) -> None:
    """Make sure that a new run may be written to ``path``, without writing.

    Raises:
        RunFolderError: the path is a file, not empty, or not writable.
    """
    try:
        if path.exists() and not path.is_dir():
            raise RunFolderError(f"--out {path} is a file; name a folder.")
        if path.is_dir() and any(not e.name.startswith(".") for e in path.iterdir()):
            raise RunFolderError(
                f"--out {path} holds something that is no run of empeval; name an empty folder."
            )
        parent = path
        while not parent.exists():
            parent = parent.parent
    except OSError as error:  # too long a name, a folder that may not be read
        raise RunFolderError(f"--out {path} cannot be written: {error.strerror}.") from error
    if not parent.is_dir():
        raise RunFolderError(f"--out {path} cannot be written: {parent} is a file.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RunFolderError(f"--out {path} cannot be written: no permission in {parent}.")


def differences(old: Manifest, new: Manifest) -> list[str]:
    """What two manifests ask differently: one ``name: old -> new`` each; scorers do not count."""
    before, after = _question(old), _question(new)
    keys = sorted(set(before) | set(after))
    return [
        f"{key}: {_short(before.get(key))} -> {_short(after.get(key))}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def question_hash(manifest: Manifest) -> str:
    """8 hex digits that identify the question a manifest asks."""
    return hashlib.sha256(canonical(_question(manifest))).hexdigest()[:8]


def _question(manifest: Manifest) -> dict[str, Any]:
    model = manifest.model
    flat: dict[str, Any] = {
        "model fingerprint": model.fingerprint,
        "limit": manifest.limit,
        "seed": manifest.seed,
        "tasks": sorted(manifest.tasks),
    }
    flat.update({f"model argument {k}": v for k, v in _open(model.arguments).items()})
    flat.update({f"model {k}": msgspec.to_builtins(v) for k, v in model.details.items()})
    for name, task in manifest.tasks.items():
        flat[f"{name} version"] = task.version
        flat[f"{name} data"] = task.data_fingerprint
        flat[f"{name} prompts"] = task.prompts_hash
        for key, value in msgspec.to_builtins(task.sampling).items():
            flat[f"{name} {key}"] = value
        flat.update({f"{name} argument {k}": v for k, v in _open(task.arguments).items()})
    question: dict[str, Any] = msgspec.json.decode(canonical(flat))  # as a file gives it back
    return question


def _open(arguments: dict[str, str]) -> dict[str, str]:
    """The arguments that make the question: who may ask, and by which key, is no part of it."""
    return {k: without_user(v) for k, v in arguments.items() if not is_secret(k)}


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def reason(error: BaseException) -> str:
    """Why a file could not be read, in a clause."""
    return str(getattr(error, "strerror", None) or error)


def _read_manifest(path: Path) -> Manifest:
    file = path / "run.json"
    if not os.path.lexists(file):
        there = os.path.exists(path)
        what = "is no run folder (it has no run.json)" if there else "does not exist"
        raise RunFolderError(f"{path} {what}.")
    try:
        manifest = redacted(msgspec.json.decode(read_regular(file), type=Manifest))
    except UNREADABLE as error:
        raise RunFolderError(
            f"{file} cannot be read as a manifest: {reason(error)}. "
            f"'empeval runs repair {path}' rebuilds it from what else is there."
        ) from error
    doubled = same_file(manifest.tasks)
    if doubled:
        raise RunFolderError(f"{file} names the tasks {doubled}, whose files would be the same.")
    return manifest


def _no_doubles(path: Path, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for identifier in ids:
        if identifier in seen:
            raise RunFolderError(f"{path}: the id {identifier!r} comes twice; delete one line.")
        seen.add(identifier)
