"""``empeval export``: a run as spreadsheets, for people and programs that read tables."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from empeval.errors import UsageError
from empeval.escaping import SHEET_NAME_LIMIT, sheet_name
from empeval.extras import require
from empeval.files import replacing
from empeval.hooks import Hooks
from empeval.marks import mark_lines, marks_of
from empeval.notices import warn
from empeval.records import ResponseLine, Sheet
from empeval.runs import Run, RunFiles, notices, require_whole

Format = Literal["xlsx", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("xlsx", "csv", "parquet")

Cell = str | float | int | bool | None

CELL_LIMIT = 32_767
"""Characters that a cell of a spreadsheet holds."""
CUT = " ... (cut)"


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
    place = Path(os.path.abspath(path))  # a plugin's hook may go to another folder
    chosen = form or _format_of(path)
    if chosen == "xlsx" and path.suffix.lower() != ".xlsx":
        raise UsageError(f"--out {path}: the name of an xlsx file must end in .xlsx.")
    if chosen == "xlsx" and path.is_dir():
        raise UsageError(f"--out {path} is a folder; name a file.")
    if chosen != "xlsx" and path.is_file():
        raise UsageError(f"--out {path} is a file; {chosen} needs a folder.")
    if chosen != "csv":
        require(f"Writing {chosen}", "openpyxl" if chosen == "xlsx" else "pyarrow")
    every = sheets(run, hooks if hooks is not None else Hooks().load_installed())
    if chosen == "xlsx":
        with replacing(place) as part:
            _write_xlsx(part, every)
        return [path]
    write = _write_csv if chosen == "csv" else _write_parquet
    names = file_names(every, chosen)
    for sheet, name in zip(every, names, strict=True):
        with replacing(place / name) as part:
            write(part, sheet)
    return [path / name for name in names]


def sheets(run: Run, hooks: Hooks) -> list[Sheet]:
    """The tables of a run: its figures, what was asked of what, a table a task, and plugins'.

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
    for sheet in every:
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
    columns = ["id", "cluster", "prompt", "response", "status", "reference", "words"]
    if any(line.item.turn for line in lines):
        columns.append("before")
    rows: list[list[Cell]] = [
        [
            line.id,
            line.item.cluster,
            line.item.messages[-1].content,
            line.response,
            line.status,
            line.item.reference,
            len(line.response.split()),
            *([_before(line)] if columns[-1] == "before" else []),
        ]
        for line in lines
    ]
    for label in files.run.manifest.scorers.get(task, {}):
        scores = files.scores(task, label)
        found = scores.values()
        values = list(dict.fromkeys(name for score in found for name in score.values))
        labels = list(dict.fromkeys(name for score in found for name in score.labels))
        columns += [f"{label}.{name}" for name in ("status", *values, *labels, "note")]
        for name, row in zip(lines.ids, rows, strict=True):
            score = scores.get(name)
            row.append(score.status if score else None)
            row += [score.values.get(value) if score else None for value in values]
            row += [score.labels.get(text) if score else None for text in labels]
            row.append(score.note if score else None)
    return Sheet(task, tuple(columns), [tuple(row) for row in rows])


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [[row[place] for row in sheet.rows] for place in range(len(sheet.columns))]
    table = pa.table([pa.array(_one_type(column)) for column in columns], names=list(sheet.columns))
    pq.write_table(table, path)


def _one_type(column: list[Cell]) -> list[Cell]:
    """The cells as they are, or all as text where their types differ."""
    kinds = {type(cell) for cell in column if cell is not None}
    if kinds <= {int, float} or len(kinds) < 2:
        return [float(c) if kinds == {int, float} and c is not None else c for c in column]
    return [None if cell is None else str(cell) for cell in column]


def _write_xlsx(path: Path, every: Sequence[Sheet]) -> None:
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
    # First into memory: where the file cannot be opened, openpyxl would leave pages half written,
    # and each would complain when it is thrown away.
    buffer = BytesIO()
    book.save(buffer)
    path.write_bytes(buffer.getvalue())
