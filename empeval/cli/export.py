"""``empeval export``: a run as a spreadsheet."""

from __future__ import annotations

import argparse

from empeval.cli.options import Verbs, add_verb

EPILOG = """examples:
  empeval export empeval-runs/NAME --format xlsx
  empeval export empeval-runs/NAME --out results.xlsx
  empeval export empeval-runs/NAME --format csv --out results
  empeval export empeval-runs/NAME --format parquet --out results

An xlsx file holds a sheet of the figures, one of what was asked of what, and one a task; csv and
parquet write the same as files of a folder. In an xlsx file every text is a text; a csv file
holds texts as they are, and a spreadsheet program may take one that begins with "=" for a
formula.
"""


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = add_verb(verbs, "export", "write a run as a spreadsheet", EPILOG)
    parser.add_argument("source", metavar="RUN", help="a finished run folder")
    parser.add_argument(
        "--out", metavar="FILE_OR_FOLDER", help="by default named after the run, in this folder"
    )
    parser.add_argument(
        "--format",
        choices=("xlsx", "csv", "parquet"),
        help="by default what --out ends in, else csv; without --out, xlsx",
    )
    parser.add_argument("--partial", action="store_true", help="take an unfinished run as it is")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write a run's tables and print the files' names."""
    from pathlib import Path

    from empeval.cli.text import say
    from empeval.spreadsheets import export

    out, form = options.out, options.format
    if out is None:
        name = Path(options.source).resolve().name
        form = form or "xlsx"
        out = f"{name}.xlsx" if form == "xlsx" else name
    for path in export(options.source, out, form, partial=options.partial, hooks=options.hooks):
        say(path)
    return 0
