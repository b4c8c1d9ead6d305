"""``empeval report``: runs as one HTML file."""

from __future__ import annotations

import argparse

from empeval.cli.options import add_resamples

EPILOG = """examples:
  empeval report empeval-runs/NAME -o report.html
  empeval report empeval-runs/OLD empeval-runs/NEW -o report.html --margin 3
  empeval report empeval-runs/OLD empeval-runs/NEW -o report.html --figures figures

The file needs nothing else: it opens offline and prints. With several runs the first is the base.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders, the base first")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the HTML file to write")
    parser.add_argument("--figures", metavar="FOLDER", help="write the plots as SVG and PNG, too")
    parser.add_argument(
        "--margin",
        metavar="M | NAME=M,...",
        help="the smallest difference that matters, as in compare",
    )
    parser.add_argument("--force", action="store_true", help="compare what differs in version")
    parser.add_argument("--partial", action="store_true", help="take unfinished runs as they are")
    add_resamples(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page, and the plots where a folder for them is named."""
    from empeval.cli.compare import read_margin
    from empeval.cli.text import say
    from empeval.report import build_report
    from empeval.runs import Run, document_file, document_path

    written = build_report(
        [Run(path) for path in options.runs],
        document_file(options.out, "--out"),
        figures=document_path(options.figures, "--figures") if options.figures else None,
        margins=read_margin(options.margin),
        force=options.force,
        partial=options.partial,
        resamples=options.resamples,
    )
    for path in written:
        say(path)
    return 0
