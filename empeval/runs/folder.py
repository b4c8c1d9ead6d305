"""A run folder: its manifest, its files, what is read of them and written into them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from empeval.errors import RunFolderError, StorageError
from empeval.files import fingerprint_of, inside, read_json, replacing, write_json
from empeval.records import Metric, MetricsFile, ResponseLine, Score
from empeval.redacting import redact
from empeval.runs.journal import Journal
from empeval.runs.judgements import Judgements
from empeval.runs.lines import Known, Lines, Stored, state_of
from empeval.runs.locations import check_free
from empeval.runs.manifest import SCHEMA, Manifest, read_manifest, redacted, write_manifest
from empeval.runs.names import slug
from empeval.runs.samples import Samples, ScoredSamples, samples_in

Noted = TypeVar("Noted", ResponseLine, Score, Metric)
Line = TypeVar("Line", ResponseLine, Score)


class Run:
    """A run folder: its manifest and its files.

    Args:
        path: the folder.

    Raises:
        RunFolderError: it is no run folder, or its manifest cannot be understood.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        self._files: dict[Path, Stored] = {}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def responses_path(self, task: str) -> Path:
        """Where a task's responses are.

        Raises:
            RunFolderError: there is a symbolic link on the way to them.
        """
        return inside(self.path, "responses", f"{slug(task)}.jsonl")

    def steps_path(self, task: str) -> Path:
        """Where a task's replies are that are only steps towards an answer.

        Raises:
            RunFolderError: there is a symbolic link on the way to them.
        """
        return inside(self.path, "turns", f"{slug(task)}.jsonl")

    def scores_path(self, task: str, scorer: str) -> Path:
        """Where one scorer's scores of a task are.

        Raises:
            RunFolderError: there is a symbolic link on the way to them.
        """
        return inside(self.path, "scores", slug(task), f"{slug(scorer)}.jsonl")

    def responses(self, task: str) -> Lines[ResponseLine]:
        """A task's responses so far, each id once.

        Raises:
            RunFolderError: a line is damaged or an id comes twice.
        """
        return _once(self.lines(task))

    def steps(self, task: str) -> Lines[ResponseLine]:
        """A task's replies so far that are not scored: turns of dialogues, each id once.

        Raises:
            RunFolderError: a line is damaged or an id comes twice.
        """
        return _once(Lines(self._stored(self.steps_path(task), ResponseLine), ResponseLine))

    def scores(self, task: str, scorer: str) -> Lines[Score]:
        """One scorer's scores of a task so far, each id once.

        Raises:
            RunFolderError: a line is damaged or an id comes twice.
        """
        return _once(self.score_lines(task, scorer))

    def lines(self, task: str) -> Lines[ResponseLine]:
        """A task's responses as they stand, also where an id comes twice.

        Raises:
            RunFolderError: a line is damaged.
        """
        return Lines(self._stored(self.responses_path(task), ResponseLine), ResponseLine)

    def score_lines(self, task: str, scorer: str) -> Lines[Score]:
        """One scorer's scores of a task as they stand, also where an id comes twice.

        Raises:
            RunFolderError: a line is damaged.
        """
        return Lines(self._stored(self.scores_path(task, scorer), Score), Score)

    def ordered(self, task: str) -> Lines[ResponseLine]:
        """A task's responses in the order of their ids, numbers counted as numbers.

        Raises:
            RunFolderError: as of ``responses``.
        """
        stored = self.responses(task).stored
        return Lines(stored, ResponseLine, stored.index.natural)

    def samples(self, task: str) -> Samples:
        """A task's samples in the order of ``ordered``.

        Raises:
            RunFolderError: as of ``responses``.
        """
        return samples_in(self.ordered(task))

    def scored(self, task: str, scorer: str) -> ScoredSamples:
        """The samples that a scorer has scored, with the scores, in the order of ``ordered``.

        Raises:
            RunFolderError: as of ``responses`` and ``scores``.
        """
        answers, scores = self.responses(task).by_id, self.scores(task, scorer).by_id
        ids = [name for name in self.ordered(task).ids if name in scores]
        return ScoredSamples(samples_in(answers.of(ids)), scores.of(ids))

    def _stored(self, path: Path, record: type[Known]) -> Stored:
        """A file, checked when it is first asked for and when it has changed since."""
        known = self._files.get(path)
        if known is None or known.state is None or known.state != state_of(path):
            known = self._files[path] = Stored(path, record)
        return known

    def metrics(self) -> list[Metric]:
        """The metrics in ``metrics.json``; empty while the run is unfinished."""
        path = self.path / "metrics.json"
        return read_json(path, MetricsFile).metrics if os.path.lexists(path) else []

    def to_pandas(self) -> Any:
        """A table in long form, a row for each value of each item; see ``frames.run_frame``."""
        from empeval.frames import run_frame

        return run_frame(self)

    @property
    def complete(self) -> bool:
        """Whether every answer, score and metric is there."""
        return self.manifest.status == "complete" and (self.path / "metrics.json").exists()

    def answers_fingerprint(self, task: str) -> str | None:
        """``sha256:<hex>`` of a task's answers as they stand; ``None`` where there are none."""
        try:
            return fingerprint_of(self.responses_path(task))
        except OSError:
            return None

    def seals(self, scorers: Mapping[str, Collection[str]]) -> dict[str, str]:
        """``sha256:<hex>`` of the files of these scores and of the metrics, by path in the folder.

        Args:
            scorers: task -> labels.

        Raises:
            RunFolderError: one cannot be read, or is a link.
        """
        found = {}
        scores = [self.scores_path(task, label) for task in scorers for label in scorers[task]]
        for path in (*scores, self.path / "metrics.json"):
            if os.path.lexists(path):
                try:
                    found[path.relative_to(self.path).as_posix()] = fingerprint_of(path)
                except OSError as error:
                    raise RunFolderError(f"{path} cannot be read: {error.strerror}.") from error
        return found

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace ``run.json`` and its copy; no secret is written into them."""
        self.manifest = redacted(manifest)
        write_manifest(self.path, self.manifest)

    def write_metrics(self, metrics: list[Metric]) -> None:
        """Replace ``metrics.json``."""
        metrics = [_without_secrets(metric) for metric in metrics]
        write_json(self.path / "metrics.json", MetricsFile(schema=SCHEMA, metrics=metrics))

    def journal_responses(self, task: str) -> Journal[ResponseLine]:
        """Open a task's responses for appending."""
        return Journal(self.responses_path(task), _without_secrets)

    def journal_steps(self, task: str) -> Journal[ResponseLine]:
        """Open a task's steps for appending."""
        return Journal(self.steps_path(task), _without_secrets)

    def journal_scores(self, task: str, scorer: str) -> Journal[Score]:
        """Open one scorer's scores of a task for appending."""
        return Journal(self.scores_path(task, scorer), _without_secrets)

    def judgements(self, scorer: str) -> Judgements:
        """What models said to a scorer that asks them, over all tasks.

        Raises:
            RunFolderError: there is a symbolic link on the way to it.
        """
        return Judgements(inside(self.path, "judgements", f"{slug(scorer)}.jsonl"))

    def forget(self, lines: Lines[Any], ids: Collection[str]) -> None:
        """Take the lines of these items out of one of the folder's files.

        Raises:
            StorageError: it cannot be written.
        """
        stored = lines.stored
        if ids and stored.index.ids:
            with replacing(stored.path) as part, open(part, "wb") as file:
                for row, identifier in enumerate(stored.index.ids):
                    if identifier not in ids:
                        file.write(stored.raw(row))

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
        write_manifest(path, redacted(manifest))
        return cls(path)


def _without_secrets(record: Noted) -> Noted:
    """A record of the folder with its note redacted: notes tell what was raised."""
    if not record.note:
        return record
    made: Noted = msgspec.structs.replace(record, note=redact(record.note))
    return made


def _once(lines: Lines[Line]) -> Lines[Line]:
    doubled = lines.stored.index.doubled
    if doubled:
        first = next(name for name in lines.stored.index.ids if name in doubled)
        raise RunFolderError(f"{lines.stored.path}: the id {first!r} comes twice; delete one line.")
    return lines
