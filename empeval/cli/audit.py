"""``empeval audit``: how far scorers agree with people, what can fool them, what they cost."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from empeval.cli.options import add_format, not_negative, positive

if TYPE_CHECKING:
    from empeval.auditing.gathering import Gathered
    from empeval.certificates import Certificate

EPILOG = """examples:
  empeval audit {judge} --ratings esconv
  empeval audit {judge} {scorer} {judge}:FOLDER --ratings epitome.csv --ratings mine.csv
  empeval audit my-scorer --ratings mine.csv --map response=reply,rating=score
  empeval audit --list-ratings

A file of your own has a row for each rating, with the columns context (a text, or a list of
turns), response and rating, and perhaps rater, dialogue and system. EMPEVAL_RATINGS names a
folder of rated replies for when --ratings is not given; without any, the trials and the cost are
measured. Scores are kept: the same command goes on where it was interrupted.
"""

FOLDER = "empeval-audits"
PARTS = ("test", "all", "train", "validation")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "scorers", metavar="SCORER", nargs="*", help="scorers to audit, each NAME or NAME:TARGET"
    )
    parser.add_argument(
        "--ratings",
        action="append",
        default=[],
        metavar="FILE_OR_FOLDER",
        help="rated replies; may be given more than once; 'esconv' is the data set",
    )
    parser.add_argument(
        "--list-ratings", action="store_true", help="print the layouts of rated sets that are known"
    )
    parser.add_argument(
        "--map", metavar="NAME=COLUMN,...", help="what a file of yours calls our columns"
    )
    parser.add_argument(
        "--part",
        choices=PARTS,
        default="test",
        help="which part of published sets is used (default test)",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        default=FOLDER,
        help=f"where certificates and the page go (default: {FOLDER})",
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="use N replies of each rated set (default: all)"
    )
    parser.add_argument(
        "--trials",
        type=not_negative,
        default=200,
        metavar="N",
        help="change at most N replies to see what fools a scorer (default 200); 0: agreement "
        "alone, without trials and cost",
    )
    parser.add_argument("--no-cost", action="store_true", help="measure no speed and no memory")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="score all replies anew, also those whose scores were kept",
    )
    parser.add_argument(
        "--data-dir", metavar="FOLDER", help="a mirror of the hub's data sets (for esconv)"
    )
    add_format(parser, ("table", "md", "json"))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Audit each scorer, write certificates and the page, print what was found."""
    if options.list_ratings:
        _list_ratings(options.format)
        return 0

    from empeval.auditing.asking import check_scorer
    from empeval.auditing.audit import Settings, audit
    from empeval.auditing.page import write_page
    from empeval.auditing.rivals import rival_scorers
    from empeval.auditing.words import markdown
    from empeval.cli.text import print_json, say
    from empeval.errors import UsageError
    from empeval.files import write_text
    from empeval.runs import document_path, slug
    from empeval.workspace import locked

    if not options.scorers:
        raise UsageError("Name a scorer to audit; 'empeval list scorers' shows those installed.")
    asked = [check_scorer(spec) for spec in dict.fromkeys(options.scorers)]
    labels = [slug(one.label) for one in asked]
    doubled = [one for one in labels if labels.count(one) > 1]
    if doubled:
        raise UsageError(
            f"Two scorers would write to the same folder: {doubled[0]}. Audit one of them with "
            "another --out."
        )
    out = document_path(options.out, "--out")
    sets, remarks = _gather(options)
    if not sets and not options.trials:
        raise UsageError("--trials 0 measures agreement alone; give rated replies with --ratings.")
    rivals, left_out = rival_scorers() if sets else ([], [])
    remarks += left_out
    settings = Settings(machine=not options.no_cost, bases=options.trials)
    certificates = []
    with locked(out):
        for one, spec in zip(asked, dict.fromkeys(options.scorers), strict=True):
            made, _ = audit(
                one,
                spec,
                sets,
                out,
                settings=settings,
                rivals=rivals,
                fresh=options.fresh,
                progress=True,
            )
            certificates.append(made)
            write_text(out / slug(one.label) / "audit.md", markdown(made))
        page = write_page(certificates, out / "audit.html")
    if options.format == "json":
        print_json(certificates)
        return 0
    _warn(remarks)
    for made in certificates:
        print_certificate(made, options.format)
    say(f"page: {page}")
    return 0


def print_certificate(certificate: Certificate, form: str) -> None:
    """A certificate as tables that fit a terminal, or as Markdown."""
    from empeval.auditing.words import markdown
    from empeval.certificates import one_line
    from empeval.cli.findings import print_findings
    from empeval.cli.text import print_wrapped

    if form == "md":
        print(markdown(certificate))
        return
    print_wrapped([f"{certificate.scorer}: {one_line(certificate)}"])
    print()
    print_findings(certificate, form)
    print()


def _gather(options: argparse.Namespace) -> tuple[list[Gathered], list[str]]:
    import os

    from empeval.auditing.gathering import gather
    from empeval.data import use_data_directory
    from empeval.pairs import parse_pairs

    default = os.environ.get("EMPEVAL_RATINGS")
    sources = options.ratings or ([default] if default else [])
    columns = parse_pairs(options.map, "--map") if options.map else {}
    with use_data_directory(options.data_dir):
        return gather(sources, part=options.part, columns=columns, limit=options.limit)


def _list_ratings(form: str) -> None:
    from empeval.auditing.layouts import LAYOUTS
    from empeval.auditing.own import OPTIONAL, REQUIRED
    from empeval.cli.text import print_rows, print_wrapped

    rows = [
        {"rated set": one.name, "columns": " ".join(sorted(one.columns)), "what": one.source}
        for one in LAYOUTS
    ]
    rows.append(
        {
            "rated set": "(your own)",
            "columns": " ".join(REQUIRED) + f" (and {' '.join(OPTIONAL)})",
            "what": "a row a rating; --map for other names",
        }
    )
    if form != "table":
        print_rows(rows, form)
        return
    lines = []
    for row in rows:
        lines += [f"{row['rated set']}: {row['what']}", f"  columns: {row['columns']}"]
    print_wrapped(lines)


def _warn(remarks: Sequence[str]) -> None:
    from empeval.notices import warn

    for remark in remarks:
        warn(remark)
