"""``empeval gate``: may this release go out? The exit code says."""

from __future__ import annotations

import argparse

from empeval.cli.options import add_format

EPILOG = """examples:
  empeval gate empeval-runs/NEW --baseline empeval-runs/OLD --policy gate.toml
  empeval gate empeval-runs/NEW --baseline latest-passed --policy gate.toml --junit gate.xml
  empeval gate empeval-runs/NEW --baseline empeval-runs/OLD --policy gate.toml --markdown gate.md

exit codes: 0 pass; 1 runtime failure; 2 invalid input; 3 regression; 4 inconclusive, where the
policy blocks it.
A policy:
  inconclusive = "block"
  max_unscored = 0.05

  [[headline]]
  metric = "METRIC"
  margin = 3.0

  [[slices]]
  by = "emotion"
  margin = 0.5

  [[failures]]
  kind = "truncated"
  most = 5.0

The candidate's folder gets a note of the outcome (gate.json), by which 'latest-passed' finds it.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("candidate", metavar="CANDIDATE", help="the run folder of the release")
    parser.add_argument(
        "--baseline",
        required=True,
        metavar="RUN",
        help="the run folder to hold it against, or 'latest-passed'",
    )
    parser.add_argument(
        "--policy", required=True, metavar="FILE", help="the TOML file that says what must hold"
    )
    parser.add_argument("--runs", default="empeval-runs", metavar="FOLDER",
                        help="where latest-passed looks (default: empeval-runs)")  # fmt: skip
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML, a test case a check")
    parser.add_argument("--markdown", metavar="FILE", help="write a comment for a pull request")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON")
    parser.add_argument("--force", action="store_true", help="gate runs that differ in version")
    parser.add_argument("--partial", action="store_true", help="take unfinished runs as they are")
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Apply the policy, write the documents; the exit code is the verdict's."""
    from pathlib import Path

    from empeval.cli.text import blank, print_json, print_marks, print_notices, print_rows, say
    from empeval.errors import StorageError
    from empeval.gating.documents import compared_items, write
    from empeval.gating.passed import find_base, note
    from empeval.gating.policy import read_policy
    from empeval.gating.verdict import gate
    from empeval.notices import warn
    from empeval.runs import Run, check_apart, document_file

    documents = {
        name: document_file(path, f"--{name}")
        for name in ("junit", "markdown", "json")
        if (path := getattr(options, name))
    }
    check_apart({"--policy": Path(options.policy), **{f"--{n}": p for n, p in documents.items()}})
    policy = read_policy(Path(options.policy))
    candidate = Run(options.candidate)
    base = find_base(options.baseline, Path(options.runs), candidate)
    verdict = gate(candidate, base, policy, force=options.force, partial=options.partial)
    write(verdict, documents)
    try:
        note(candidate, verdict, options.policy)
    except StorageError as error:
        warn(f"{error} 'latest-passed' will not find this run.")
    if options.format == "json":
        print_json(verdict)
        return verdict.exit_code
    say(f"candidate {candidate.path}, base {base.path}", options.format)
    blank(options.format)
    print_notices(verdict.comparison.notices, options.format)
    for line in compared_items(verdict.comparison):
        say(line, options.format)
    for remark in verdict.comparison.remarks:
        say(f"note: {remark}", options.format)
    blank(options.format)
    for problem in verdict.comparison.forced:
        say(f"FORCED: {problem}", options.format)
    rows = [
        {"": check.outcome, "check": f"{check.kind}: {check.name}", "why": check.said}
        for check in verdict.checks
    ]
    print_rows(rows, options.format)
    blank(options.format)
    called = {verdict.comparison.base: "base", verdict.comparison.candidate: "candidate"}
    print_marks(verdict.comparison.audits, options.format, called)
    say(verdict.outcome, options.format)
    return verdict.exit_code
