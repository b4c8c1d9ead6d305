"""``empeval export``: a run as a spreadsheet, or as another program's results."""

from __future__ import annotations

import argparse

EPILOG = """examples:
  empeval export empeval-runs/NAME --out results.xlsx
  empeval export empeval-runs/NAME --to csv --out results
  empeval export empeval-runs/NAME --to inspect --out logs
  empeval export empeval-runs/NAME --to lm-eval --out output
  empeval export empeval-runs/NAME --to hf-eval-results --out my-model
  empeval export empeval-runs/NAME --to hf-model-index --out my-model
  empeval export empeval-runs/NAME --to every-eval-ever --to-args organization=O,relationship=other

An xlsx file holds a sheet of the metrics, one of what was asked of what, and one a task; csv and
parquet write the same as files of a folder. In an xlsx file every text is a text; a csv file
holds texts as they are, and a spreadsheet program may take one that begins with "=" for a
formula. inspect-eval is inspect packed as .eval. docs/exports.md says what each format holds, and
which options --to-args takes.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="RUN", help="a finished run folder")
    parser.add_argument(
        "--out", metavar="FILE_OR_FOLDER", help="by default named after the run, in this folder"
    )
    parser.add_argument(
        "--to",
        "--format",
        dest="to",
        metavar="FORMAT",
        help="xlsx, csv, parquet, inspect, inspect-eval, lm-eval, hf-eval-results, "
        "hf-model-index, every-eval-ever, or a plugin's; by default what --out ends in, else csv; "
        "without --out, xlsx",
    )
    parser.add_argument(
        "--to-args",
        action="append",
        metavar="K=V,K=V",
        help="options of the format; may be repeated",
    )
    parser.add_argument("--partial", action="store_true", help="take an unfinished run as it is")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write a run's tables, or another program's results, and print the files' names."""
    from pathlib import Path

    from empeval.cli.text import say
    from empeval.exporting import export
    from empeval.pairs import parse_pairs

    out, form = options.out, options.to
    if out is None:
        name = Path(options.source).resolve().name
        form = form or "xlsx"
        ending = {"xlsx": ".xlsx", "csv": "", "parquet": ""}.get(form, f"-{form}")
        out = f"{name}{ending}"
    written = export(
        options.source,
        out,
        form,
        options=parse_pairs(options.to_args, "--to-args"),
        partial=options.partial,
        hooks=options.hooks,
    )
    for path in written:
        say(path)
    return 0
