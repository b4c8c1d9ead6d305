"""``empeval runs``: what lies in a folder of runs."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from empeval.cli.options import add_format

REMOVED = ".removed"
"""How the name of a run ends that is being removed."""

EPILOG = """examples:
  empeval runs list
  empeval runs list --runs FOLDER --format json
  empeval runs show NAME
  empeval runs prune --keep 10
  empeval runs prune --unfinished --yes
  empeval runs repair empeval-runs/NAME

'prune' shows what it would remove and removes it only with --yes. Runs that passed a gate stay,
and so does what is being written, what is damaged, and a link. 'repair' gives a run whose run.json
was lost or damaged its manifest back.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the runs in a folder, the newest first")
    _folder(listing)
    add_format(listing)
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="a run's metrics")
    show.add_argument(
        "name", metavar="NAME", help="as 'empeval runs list' prints it, or its folder"
    )
    _folder(show)
    add_format(show)
    show.set_defaults(run=run_show)
    prune = actions.add_parser("prune", help="remove old or unfinished runs")
    _folder(prune)
    prune.add_argument("--keep", type=int, metavar="N", help="keep the newest N")
    prune.add_argument("--unfinished", action="store_true", help="remove unfinished ones only")
    prune.add_argument("--yes", action="store_true", help="remove them, do not only say which")
    prune.set_defaults(run=run_prune)
    repair = actions.add_parser("repair", help="rebuild a run.json that cannot be read")
    repair.add_argument("path", metavar="RUN", type=Path, help="the folder whose run.json was lost")
    repair.set_defaults(run=run_repair)


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", default="empeval-runs", metavar="FOLDER",
                        help="the folder of runs (default: empeval-runs)")  # fmt: skip


def run_list(options: argparse.Namespace) -> int:
    """Print the runs in a folder, newest first."""
    from empeval.cli.text import print_rows, say
    from empeval.runs import run_folders

    rows = [_row(path) for path in run_folders(Path(options.runs))]
    rows.sort(key=lambda row: row["created"], reverse=True)
    if not rows and options.format != "json":
        say(f"no runs in {options.runs}")
        return 0
    if options.format != "json" and not any(row["problem"] for row in rows):
        rows = [{key: row[key] for key in row if key != "problem"} for row in rows]
    if options.format == "table":  # whose columns must fit; in UTC
        from empeval.cli.tables import said_of

        rows = [
            row
            | {
                "created": row["created"][:19].replace("T", " "),
                "status": said_of(row["status"]),
            }
            for row in rows
        ]
    print_rows(rows, options.format)
    return 0


def _row(path: Path) -> dict[str, str]:
    """A run as a row; what is damaged about it stands in ``problem`` and hides no other run."""
    from empeval.errors import RunFolderError
    from empeval.gating.passed import read_note
    from empeval.runs import Run

    row = dict.fromkeys(("run", "created", "status", "model", "tasks", "gate", "problem"), "")
    row["run"] = path.name
    problems = []
    try:
        run = Run(path)
        manifest = run.manifest
        tasks = [f"{name} ({task.n_items})" for name, task in manifest.tasks.items()]
        row |= {"created": manifest.created, "model": manifest.model.title,
                "status": manifest.status, "tasks": ", ".join(tasks)}  # fmt: skip
        run.metrics()
    except RunFolderError as error:
        row["status"] = "damaged"
        problems.append(str(error))
    try:
        note = read_note(path)
        row["gate"] = note.outcome if note else ""
    except RunFolderError as error:
        row["gate"] = "damaged"
        problems.append(str(error))
    return row | {"problem": " ".join(problems)}


def run_show(options: argparse.Namespace) -> int:
    """Print a run's metrics."""
    from empeval.cli.tables import print_run
    from empeval.errors import UnknownNameError
    from empeval.runs import Run, is_run, run_folders

    path = Path(options.runs) / options.name
    if not is_run(path) and is_run(Path(options.name)):
        path = Path(options.name)
    if not is_run(path):
        known = [folder.name for folder in run_folders(Path(options.runs))]
        said = f"There is no run '{options.name}' in {options.runs}."
        raise UnknownNameError(said, kind="run", name=options.name, known=known)
    print_run(Run(path), options.format)
    return 0


def run_prune(options: argparse.Namespace) -> int:
    """Remove runs, or say which would be removed."""
    from empeval.cli.text import say
    from empeval.errors import UsageError, counted
    from empeval.notices import warn
    from empeval.runs import run_folders
    from empeval.workspace import BusyError

    if options.keep is None and not options.unfinished:
        raise UsageError("Say what to remove: --keep N or --unfinished.")
    if options.keep is not None and options.keep < 0:
        raise UsageError(f"--keep is {options.keep}; it must be 0 or more.")
    root = Path(options.runs)
    found = [one for path in run_folders(root) if (one := _removable(path)) is not None]
    found.sort(reverse=True)
    if options.unfinished:
        chosen = [path for _, status, path in found if status != "complete"]
    else:
        chosen = [path for _, _, path in found[options.keep :]]
    for path in chosen:
        try:
            if options.yes and not _remove(path, unfinished=options.unfinished):
                continue
        except BusyError:
            warn(f"{path} is being written and stays.")
            continue
        say(path)
    if options.yes:
        _remove_leftovers(root)
    if not chosen:
        print("nothing to remove")
    elif not options.yes:
        print(f"\n{counted(len(chosen), 'run')} would be removed; do it with --yes")
    return 0


def _removable(path: Path) -> tuple[str, str, Path] | None:
    """When a run was created, its status, and itself; ``None`` where it must stay."""
    from empeval.errors import RunFolderError
    from empeval.gating.passed import read_note
    from empeval.runs import Run

    try:
        note = read_note(path)
        manifest = Run(path).manifest
    except RunFolderError:
        return None  # what cannot be understood is not removed
    if path.is_symlink() or (note is not None and note.outcome == "pass"):
        return None
    return manifest.created, manifest.status, path


def _remove(path: Path, *, unfinished: bool) -> bool:
    """Remove a run while nobody else writes to it; whether it was still one to remove.

    It is first renamed, so that a run is there or gone, and never half of it.
    """
    from empeval.errors import StorageError
    from empeval.workspace import locked

    with locked(path, make=False):
        now = _removable(path)
        if now is None or (unfinished and now[1] == "complete"):
            return False
        gone = path.with_name(f".{path.name}.{os.getpid()}{REMOVED}")
        try:
            os.rename(path, gone)
            shutil.rmtree(gone)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}.") from error
    return True


def _remove_leftovers(root: Path) -> None:
    """Remove what a prune that was killed had renamed."""
    for left in root.glob(f".*{REMOVED}"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def run_repair(options: argparse.Namespace) -> int:
    """Write a lost manifest anew, from its copy or the answers."""
    from empeval.cli.text import say
    from empeval.repair import repair

    say(repair(options.path))
    return 0
