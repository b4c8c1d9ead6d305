"""``empeval export``: a run as spreadsheets, for people and programs that read tables."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from empeval.errors import UsageError
from empeval.escaping import SHEET_NAME_LIMIT, sheet_name
from empeval.extras import MissingPackageError, require
from empeval.files import replacing
from empeval.hooks import Hooks
from empeval.marks import mark_lines, marks_of
from empeval.notices import warn
from empeval.records import ResponseLine, Sheet
from empeval.runs import Mapped, Run, RunFiles, check_ending, document_path, notices, require_whole

Format = Literal["xlsx", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("xlsx", "csv", "parquet")

Cell = str | float | int | bool | None

CELL_LIMIT = 32_767
"""Characters that a cell of a spreadsheet holds."""
CUT = " ... (cut)"
ROW_LIMIT = 1_048_575
"""Rows below the header that a page of a spreadsheet holds."""
BATCH = 5_000
"""Rows of a Parquet file that are written at once."""


def export(
    run: Run | str | Path,
    out: str | Path,
    form: Format | None = None,
    *,
    partial: bool = False,
    hooks: Hooks | None = None,
) -> list[Path]:
    """Write a finished run as a spreadsheet.

    Args:
        run: a run folder.
        out: for ``xlsx`` a file, with a sheet for each table; for ``csv`` and ``parquet`` a
            folder, with a file for each.
        form: which; by default what ``out`` ends in, else ``csv``.
        partial: take an unfinished run, or one whose files lack lines, as it is.
        hooks: hook modules to ask for more sheets instead of the installed ones.

    Returns:
        The files written.

    Raises:
        RunFolderError: it is no finished run.
        UsageError: ``out`` does not go with the format, or its package is not installed.
        StorageError: it cannot be written.
    """
    run = run if isinstance(run, Run) else Run(run)
    if not partial:
        require_whole(run, "export what is there with --partial")
    path = Path(out)
    absolute = Path(os.path.abspath(path))  # a plugin's hook may go to another folder
    chosen = export_place(path, form)
    every = sheets(run, hooks if hooks is not None else Hooks().load_installed())
    if chosen == "xlsx":
        long = [sheet.name for sheet in every if len(sheet.rows) > ROW_LIMIT]
        if long:
            raise UsageError(
                f"'{long[0]}' has more than the {ROW_LIMIT:,} rows that a spreadsheet holds; "
                "export it with --format csv or parquet."
            )
        with replacing(absolute) as part:
            _write_xlsx(part, every)
        return [path]
    write = _write_csv if chosen == "csv" else _write_parquet
    names = file_names(every, chosen)
    for sheet, name in zip(every, names, strict=True):
        with replacing(absolute / name) as part:
            write(part, sheet)
    return [path / name for name in names]


def export_place(out: str | Path, form: Format | None = None, option: str = "--out") -> Format:
    """Refuse a place where no spreadsheet can be written; what takes hours asks before it starts.

    Args:
        out: for ``xlsx`` a file, else a folder.
        form: which; by default what ``out`` ends in, else ``csv``.
        option: what named the place.

    Returns:
        The format.

    Raises:
        UsageError: ``out`` does not go with the format, its package is not installed, or a run
            keeps its own files there.
    """
    document_path(out, option)
    path = Path(out)
    if form is None:
        check_ending(path, option, (), ".xlsx makes a spreadsheet, and a folder takes csv files.")
    chosen = form or _format_of(path)
    if chosen == "xlsx" and path.suffix.lower() != ".xlsx":
        raise UsageError(f"{option} {path}: the name of an xlsx file must end in .xlsx.")
    if chosen == "xlsx" and path.is_dir():
        raise UsageError(f"{option} {path} is a folder; name a file.")
    if chosen != "xlsx" and path.is_file():
        raise UsageError(f"{option} {path} is a file; {chosen} needs a folder.")
    if chosen != "csv":
        try:
            require(f"Writing {chosen}", "openpyxl" if chosen == "xlsx" else "pyarrow")
        except MissingPackageError as error:
            raise error.reworded(f"{error} (or csv files, which need nothing: --to csv)") from error
    return chosen


def sheets(run: Run, hooks: Hooks) -> list[Sheet]:
    """The tables of a run: its metrics, what was asked of what, a table a task, and plugins'.

    Raises:
        UsageError: a plugin's sheet has a name that is taken, or rows of another width.
    """
    files = RunFiles(run, partial=True)  # counted by whoever asks for the tables
    own = [_summary(run), _about(run), *(_task(files, name) for name in run.manifest.tasks)]
    added = _added(hooks.fire("empeval_export_sheets", run=run))
    every = [*own, *added]
    doubled = [n for n, count in Counter(s.name.casefold() for s in every).items() if count > 1]
    if doubled:
        raise UsageError(f"Two sheets are called '{doubled[0]}'; a plugin must rename its own.")
    for sheet in added:
        if any(len(row) != len(sheet.columns) for row in sheet.rows):
            raise UsageError(f"The sheet '{sheet.name}' has rows of another width than its header.")
    return every


def _added(found: Sequence[Any]) -> list[Sheet]:
    """The sheets in what plugins returned; anything else is said and left out."""
    every = [s for sheets in found for s in (sheets if isinstance(sheets, list) else [sheets])]
    odd = [type(s).__name__ for s in every if not isinstance(s, Sheet)]
    if odd:
        warn(f"a plugin gave a {odd[0]} for a sheet; it is left out")
    return [s for s in every if isinstance(s, Sheet)]


def _summary(run: Run) -> Sheet:
    columns = (
        "task", "scorer", "metric", "value", "ci_low", "ci_high", "unit", "n", "n_failed",
        "n_clusters", "higher_is_better", "note",
    )  # fmt: skip
    rows = [tuple(getattr(metric, name) for name in columns) for metric in run.metrics()]
    return Sheet("summary", columns, rows)


def _about(run: Run) -> Sheet:
    manifest = run.manifest
    facts: list[tuple[str, Cell]] = [
        ("run folder", str(run.path)),
        ("created", manifest.created),
        ("finished", manifest.finished),
        ("model", manifest.model.uri),
        ("model fingerprint", manifest.model.fingerprint),
        ("model licence", manifest.model.license),
        *(("notice", text) for text in notices(run)),
        ("limit", manifest.limit),
        ("seed", manifest.seed),
    ]
    for name, task in manifest.tasks.items():
        facts += [
            (f"{name} version", task.version),
            (f"{name} data", task.data_fingerprint),
            (f"{name} data licence", task.license),
            (f"{name} items", task.n_items),
        ]
        facts += [
            (f"{name} scorer {label}", f"version {entry.version}, {entry.fingerprint or 'no file'}")
            for label, entry in manifest.scorers.get(name, {}).items()
        ]
    facts += [("warning", warning) for warning in manifest.warnings]
    facts += [("agreement with people", line) for line in mark_lines(marks_of(run))]
    return Sheet("about", ("name", "value"), [(name, value) for name, value in facts])


def _task(files: RunFiles, task: str) -> Sheet:
    """A row an item: what was asked and answered, and what every scorer said of it.

    In dialogues whose replies are the model's own, ``before`` is what was said before the prompt.
    """
    lines = files.lines(task)
    dialogues = any(line.item.turn for line in lines)
    columns = ["id", "cluster", "prompt", "response", "status", "reference", "words"]
    columns += ["before"] if dialogues else []
    scored = [_Scored(files, task, label) for label in files.run.manifest.scorers.get(task, {})]
    columns += [name for scorer in scored for name in scorer.columns]

    def row(line: ResponseLine) -> tuple[Cell, ...]:
        return (
            line.id,
            line.item.cluster,
            line.item.messages[-1].content,
            line.response,
            line.status,
            line.item.reference,
            len(line.response.split()),
            *((_before(line),) if dialogues else ()),
            *(cell for scorer in scored for cell in scorer.cells(line.id)),
        )

    return Sheet(task, tuple(columns), Mapped(lines, row))


class _Scored:
    """One scorer's columns of a task's table; its scores are read as they are asked for."""

    def __init__(self, files: RunFiles, task: str, label: str) -> None:
        self._scores = files.scores(task, label)
        values: dict[str, None] = {}
        labels: dict[str, None] = {}
        for score in self._scores.values():
            values |= dict.fromkeys(score.values)
            labels |= dict.fromkeys(score.labels)
        self._values, self._labels = list(values), list(labels)
        self.columns = [f"{label}.{n}" for n in ("status", *values, *labels, "note")]

    def cells(self, identifier: str) -> list[Cell]:
        """What the scorer said of an item."""
        score = self._scores.get(identifier)
        if score is None:
            return [None] * len(self.columns)
        values = [score.values.get(name) for name in self._values]
        labels = [score.labels.get(name) for name in self._labels]
        return [score.status, *values, *labels, score.note]


def _before(line: ResponseLine) -> str:
    """The conversation without its last turn, a line a turn."""
    return "\n".join(f"{m.role}: {m.content}" for m in line.item.messages[:-1])


def sheet_names(every: Sequence[Sheet]) -> list[str]:
    """Names that a spreadsheet takes, all different."""
    return _different([sheet_name(sheet.name) for sheet in every], " ")


def file_names(every: Sequence[Sheet], form: str) -> list[str]:
    """Names of files for sheets, all different."""
    names = [re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".") for name in sheet_names(every)]
    return [f"{name}.{form}" for name in _different([name or "sheet" for name in names], "-")]


def _different(names: Sequence[str], space: str) -> list[str]:
    """The names, numbered where one has been there (upper and lower case are the same)."""
    taken: set[str] = set()
    made = []
    for clean in names:
        name, number = clean, 2
        while name.casefold() in taken:
            end = f"{space}{number}"
            name, number = clean[: SHEET_NAME_LIMIT - len(end)] + end, number + 1
        taken.add(name.casefold())
        made.append(name)
    return made


def _format_of(path: Path) -> Format:
    end = path.suffix.lower().removeprefix(".")
    return end if end in FORMATS else "csv"


def _write_csv(path: Path, sheet: Sheet) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(sheet.columns)
        writer.writerows(sheet.rows)


def _write_parquet(path: Path, sheet: Sheet) -> None:
    """Write rows in batches. Of what type a column is, all of its cells say, so they are read
    twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: list[set[type]] = [set() for _ in sheet.columns]
    for row in sheet.rows:
        for known, cell in zip(kinds, row, strict=True):
            known.add(type(cell))
    types = [_column_type(known - {type(None)}) for known in kinds]
    arrow = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    fields = [(name, arrow[kind] if kind else pa.null())
              for name, kind in zip(sheet.columns, types, strict=True)]  # fmt: skip
    with pq.ParquetWriter(path, pa.schema(fields)) as writer:
        for start in range(0, len(sheet.rows), BATCH):
            columns = zip(*sheet.rows[start : start + BATCH], strict=True)
            arrays = [
                pa.array([None if cell is None or kind is None else kind(cell) for cell in column],
                         of)
                for column, kind, (_, of) in zip(columns, types, fields, strict=True)
            ]  # fmt: skip
            writer.write_table(pa.table(arrays, schema=writer.schema))


def _column_type(kinds: set[type]) -> type[str] | type[float] | type[int] | type[bool] | None:
    """One type for cells of these: numbers of two kinds are floats, and others that differ texts.

    ``None`` where there is no cell.
    """
    if len(kinds) < 2:
        return next(iter(kinds), None)
    return float if kinds == {int, float} else str


def _write_xlsx(path: Path, every: Sequence[Sheet]) -> None:
    # The file is opened first: where it cannot be, openpyxl would leave pages half written, and
    # each would complain when it is thrown away.
    with open(path, "wb") as file:
        _book(every).save(file)


def _book(every: Sequence[Sheet]) -> Any:
    """A workbook whose pages are written to files of the system's temporary folder already."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    bold = Font(bold=True)
    book = Workbook(write_only=True)

    def cell(page: Any, value: Cell) -> Any:
        if not isinstance(value, str):
            return value
        text = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
        if len(text) > CELL_LIMIT:
            text = text[: CELL_LIMIT - len(CUT)] + CUT
        made = WriteOnlyCell(page, value=text)
        made.data_type = "s"  # text, also where it begins with "=": nothing here is a formula
        return made

    for sheet, name in zip(every, sheet_names(every), strict=True):
        page = book.create_sheet(name)
        page.freeze_panes = "A2"
        header = [cell(page, column) for column in sheet.columns]
        for made in header:
            made.font = bold
        page.append(header)
        for row in sheet.rows:
            page.append([cell(page, value) for value in row])
    return book
