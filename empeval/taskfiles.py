"""A task as one YAML file: where its rows are, what its columns mean, how a row is asked.

::

    version: "1"
    summary: Replies to what happened.
    license: CC0-1.0
    data: {file: stories.csv}
    columns: {id: number, cluster: dialogue, reference: reply}
    prompt: "{{ story }}"
    scorers: [my_scorer.py:thanks]

``empeval schema task`` prints its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from empeval.cards import TaskCard
from empeval.data import load_rows
from empeval.errors import DataError, nearest
from empeval.interfaces import Task
from empeval.items import item_of
from empeval.metrics import mean_metric
from empeval.prompts import Templates
from empeval.records import Item, Metric, Sampling, Scored
from empeval.references import Source, anchored
from empeval.tables import read_rows
from empeval.yamlfiles import Document, KeyPath, convert, decoded, read_yaml

Text = Annotated[str, msgspec.Meta(min_length=1)]


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the rows are: one ``file`` beside this one, or a data set of the ``hub``.

    Attributes:
        file: JSONL, JSON, CSV (each also with .gz) or Parquet.
        hub: id of a data set, ``org/name``; a mirror (``--data-dir``) is looked at first.
        files: of the hub's data set, names or patterns, the preferred one first.
        revision: branch, tag or commit on the hub.
    """

    file: Text | None = None
    hub: Text | None = None
    files: tuple[Text, ...] = ()
    revision: Text | None = None


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column of a row is what.

    Attributes:
        id: unique; without it rows count from 1.
        cluster: what rows were cut from (a dialogue); intervals resample clusters. Without it
            each row is a cluster of its own.
        reference: what a person replied.
        target: what scorers compare with, by its name there (``emotion``).
        metadata: whatever helps a reader, by its name there.
    """

    id: Text | None = None
    cluster: Text | None = None
    reference: Text | None = None
    target: dict[str, Text] = {}
    metadata: dict[str, Text] = {}


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message; ``content`` is a Jinja template over the row's columns."""

    role: Literal["system", "user", "assistant"]
    content: Text


class Decoding(Sampling, frozen=True, forbid_unknown_fields=True):
    """How a model is asked to decode unless the user says otherwise."""


class TaskMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric of the task: the mean of one value of one scorer.

    Attributes:
        name: of the metric.
        scorer: which, as tables call it.
        value: which of its values.
        scale: multiplies it.
        failed_as: what an item without the value counts as; without it, it is left out.
        note: one line for a person.
    """

    name: Text
    scorer: Text
    value: Text
    scale: float = 1.0
    failed_as: float | None = None
    note: str | None = None


class TaskFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task in a YAML file.

    Attributes:
        name: what tables call it; by default the file's name without its suffix.
        version: raise it when a prompt, an item or a rule changes.
        summary: one sentence.
        license: of the data.
        language: of the items.
        citation: whom to thank.
        data: where the rows are.
        columns: which column is what.
        prompt: a Jinja template over the row's columns: the user's message.
        system: a Jinja template: the system's message before it.
        messages: in the place of both, every message.
        provides: what its items offer to scorers; by default ``reply``, and ``reference`` and
            ``emotion`` where ``columns`` has them.
        scorers: used when the user names none; a file is looked for beside this one.
        metrics: those beyond each scorer's own.
        sampling: how to decode unless the user says otherwise.
        fingerprints: of the data this version was tested with; other rows give a warning.
    """

    version: Text
    summary: Text
    license: Text
    data: Data
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*$")] | None = None
    language: Text = "en"
    citation: str | None = None
    columns: Columns = Columns()
    prompt: Text | None = None
    system: Text | None = None
    messages: tuple[Turn, ...] = ()
    provides: tuple[Text, ...] | None = None
    scorers: tuple[Text, ...] = ()
    metrics: tuple[TaskMetric, ...] = ()
    sampling: Decoding = Decoding()
    fingerprints: tuple[str, ...] = ()


class FileTask(Task):
    """The task that a YAML file describes; ``read_task_file`` makes a class for each file."""

    path: Path
    file: TaskFile
    document: Document
    templates: Templates

    def items(self) -> Iterator[Item]:
        """An item a row.

        Raises:
            DataError: rows, columns or a template are not what they should be, with the line.
            HubError: the rows cannot be fetched.
        """
        rows = self._rows()
        self._check_columns(rows)
        for number, row in enumerate(rows, 1):
            yield self._item(row, number)

    def metrics(self, scored: Mapping[str, Sequence[Scored]]) -> list[Metric]:
        """The metrics of ``metrics``; those of scorers that were not used are left out."""
        from empeval.cards import ValueCard

        return [
            mean_metric(
                ValueCard(name=one.value, unit="points", summary=""),
                scored[one.scorer],
                metric=one.name,
                scale=one.scale,
                failed_as=one.failed_as,
                note=one.note,
            )
            for one in self.file.metrics
            if one.scorer in scored
        ]

    def _rows(self) -> list[dict[str, Any]]:
        data = self.file.data
        try:
            if data.file is not None:
                return read_rows(self.path.parent / Path(data.file).expanduser())
            return load_rows(data.hub or "", data.files, revision=data.revision)
        except DataError as error:
            raise error.reworded(f"{self.document.where('data')}: {error}") from error

    def _check_columns(self, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = self.file.columns
        wanted: dict[tuple[str, ...], str | None] = {
            ("columns", n): getattr(columns, n) for n in ("id", "cluster", "reference")
        }
        for group in ("target", "metadata"):
            named = getattr(columns, group)
            wanted |= {("columns", group, name): column for name, column in named.items()}
        for keys, column in wanted.items():
            for number, row in enumerate(rows, 1):
                if column is not None and column not in row:
                    raise DataError(
                        f"{self.document.where(*keys)}: row {number} of the data has no column "
                        f"'{column}'.{nearest(column, row)}"
                    )

    def _item(self, row: Mapping[str, Any], number: int) -> Item:
        columns = self.file.columns
        identifier = str(number if columns.id is None else row[columns.id])
        fields: dict[str, Any] = {
            "id": identifier,
            "messages": [
                {"role": role, "content": self.templates.render(name, row, number)}
                for role, name in self.templates.roles
            ],
            "cluster": identifier if columns.cluster is None else str(row[columns.cluster]),
            "target": {name: row[column] for name, column in columns.target.items()},
            "metadata": {name: row[column] for name, column in columns.metadata.items()},
        }
        if columns.reference is not None:
            fields["reference"] = row[columns.reference]
        return item_of(fields, number)


def read_task_file(path: Path, source: Source) -> type[FileTask]:
    """The class of the task that a YAML file describes.

    Args:
        path: of the file; data and scorers that are files are looked for beside it.
        source: its bytes.

    Raises:
        DataError: the file makes no sense; the message names the line.
    """
    document = read_yaml(decoded(source.data, str(path)), str(path))
    file = convert(document, TaskFile)
    _check(file, document)
    card = TaskCard(
        version=file.version,
        summary=file.summary,
        provides=file.provides if file.provides is not None else _provides(file.columns),
        scorers=tuple(anchored(one, path.parent) for one in file.scorers),
        license=file.license,
        language=file.language,
        citation=file.citation,
        sampling=Sampling(**msgspec.structs.asdict(file.sampling)),
        dataset=file.data.hub or file.data.file,
        fingerprints={"default": file.fingerprints} if file.fingerprints else {},
    )
    body = {
        "card": card,
        "path": path,
        "file": file,
        "document": document,
        "templates": Templates(_turns(file), document),
        "__doc__": file.summary,
    }
    return type(file.name or path.stem, (FileTask,), body)


def _check(file: TaskFile, document: Document) -> None:
    """Refuse what the record's types allow and nobody can mean.

    Raises:
        DataError: naming the line.
    """
    data = file.data
    if (data.file is None) == (data.hub is None):
        raise DataError(f"{document.where('data')}: give 'file' or 'hub', one of them.")
    if data.hub is not None and not data.files:
        raise DataError(f"{document.where('data')}: 'hub' needs 'files', such as ['test.jsonl'].")
    if data.hub is None and (data.files or data.revision):
        raise DataError(f"{document.where('data')}: 'files' and 'revision' go with 'hub'.")
    if bool(file.messages) == (file.prompt is not None):
        raise DataError(f"{document.where()}: give 'prompt' or 'messages', one of them.")
    if file.messages and file.system is not None:
        raise DataError(f"{document.where('system')}: 'messages' holds the system's message, too.")
    if file.messages and file.messages[-1].role != "user":
        last = len(file.messages) - 1
        raise DataError(f"{document.where('messages', last)}: the last message must be a user's.")


def _turns(file: TaskFile) -> list[tuple[str, KeyPath, str]]:
    """Role, path of keys and template of every message."""
    turns: list[tuple[str, KeyPath, str]] = [
        (turn.role, ("messages", number, "content"), turn.content)
        for number, turn in enumerate(file.messages)
    ]
    if file.system is not None:
        turns.append(("system", ("system",), file.system))
    if file.prompt is not None:
        turns.append(("user", ("prompt",), file.prompt))
    return turns


def _provides(columns: Columns) -> tuple[str, ...]:
    offered = ["reply"]
    offered += ["reference"] if columns.reference is not None else []
    offered += ["emotion"] if "emotion" in columns.target else []
    return tuple(offered)
