"""``empeval runs``: what lies in a folder of runs."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from empeval.cli.options import Verbs, add_format, add_verb

EPILOG = """examples:
  empeval runs list
  empeval runs list --runs FOLDER --format json
  empeval runs show NAME
  empeval runs prune --keep 10
  empeval runs prune --unfinished --yes

'prune' shows what it would remove and removes it only with --yes. Runs that passed a gate stay.
"""


def add(verbs: Verbs) -> None:
    """Declare the verb and its actions."""
    parser = add_verb(verbs, "runs", "list, show and prune runs in a folder", EPILOG)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the runs in a folder, the newest first")
    _folder(listing)
    add_format(listing)
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="a run's figures")
    show.add_argument("name", metavar="NAME")
    _folder(show)
    add_format(show)
    show.set_defaults(run=run_show)
    prune = actions.add_parser("prune", help="remove old or unfinished runs")
    _folder(prune)
    prune.add_argument("--keep", type=int, metavar="N", help="keep the newest N")
    prune.add_argument("--unfinished", action="store_true", help="remove unfinished ones only")
    prune.add_argument("--yes", action="store_true", help="remove them, do not only say which")
    prune.set_defaults(run=run_prune)


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", default="empeval-runs", metavar="FOLDER",
                        help="the folder of runs (default: empeval-runs)")  # fmt: skip


def run_list(options: argparse.Namespace) -> int:
    """List them."""
    from empeval.cli.text import print_rows
    from empeval.errors import RunFolderError
    from empeval.gating.passed import read_note, run_folders
    from empeval.runs import Run

    rows = []
    for path in run_folders(Path(options.runs)):
        note = read_note(path)
        row = {"run": path.name, "created": "", "status": "broken", "model": "", "tasks": "",
               "gate": note.outcome if note else ""}  # fmt: skip
        try:
            manifest = Run(path).manifest
        except RunFolderError:
            rows.append(row)
            continue
        tasks = ", ".join(f"{name} ({task.n_items})" for name, task in manifest.tasks.items())
        rows.append(
            row
            | {
                "created": manifest.created,
                "status": manifest.status,
                "model": manifest.model.title,
                "tasks": tasks,
            }
        )
    rows.sort(key=lambda row: row["created"], reverse=True)
    if not rows and options.format != "json":
        print(f"no runs in {options.runs}")
        return 0
    print_rows(rows, options.format)
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Show one."""
    from empeval.cli.tables import print_run
    from empeval.errors import UsageError, nearest
    from empeval.gating.passed import run_folders
    from empeval.runs import Run, is_run

    path = Path(options.runs) / options.name
    if not is_run(path):
        known = [folder.name for folder in run_folders(Path(options.runs))]
        raise UsageError(
            f"There is no run '{options.name}' in {options.runs}.{nearest(options.name, known)}"
        )
    print_run(Run(path), options.format)
    return 0


def run_prune(options: argparse.Namespace) -> int:
    """Remove runs, or say which would be removed."""
    from empeval.errors import RunFolderError, StorageError, UsageError
    from empeval.gating.passed import read_note, run_folders
    from empeval.runs import Run

    if options.keep is None and not options.unfinished:
        raise UsageError("Say what to remove: --keep N or --unfinished.")
    if options.keep is not None and options.keep < 0:
        raise UsageError(f"--keep is {options.keep}; it must be 0 or more.")
    found = []
    for path in run_folders(Path(options.runs)):
        note = read_note(path)
        if note is not None and note.outcome == "pass":
            continue
        try:
            manifest = Run(path).manifest
        except RunFolderError:
            continue  # what cannot be understood is not removed
        found.append((manifest.created, manifest.status, path))
    found.sort(reverse=True)
    if options.unfinished:
        chosen = [path for _, status, path in found if status != "complete"]
    else:
        chosen = [path for _, _, path in found[options.keep :]]
    for path in chosen:
        print(path)
        if options.yes:
            try:
                shutil.rmtree(path)
            except OSError as error:
                raise StorageError(f"{path} cannot be removed: {error.strerror}.") from error
    if not chosen:
        print("nothing to remove")
    elif not options.yes:
        print(f"\n{len(chosen)} runs would be removed; do it with --yes")
    return 0
