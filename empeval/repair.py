"""A run folder whose manifest cannot be read, made readable from what else is there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from empeval.errors import RunFolderError, counted
from empeval.files import check_regular, read_json, read_regular, write_bytes
from empeval.records import ResponseLine, Sampling
from empeval.runs import (
    COPY,
    SCHEMA,
    Lines,
    Manifest,
    Mapped,
    ModelEntry,
    Run,
    Stored,
    TaskEntry,
    prompts_hash,
    slug,
)
from empeval.workspace import locked

UNKNOWN = "unknown"
DAMAGED = ".run.json.damaged"


def repair(path: Path) -> str:
    """Give a run folder its manifest back.

    The copy that every run keeps of it is taken. Without one, a manifest is made of the answers:
    it says ``unknown`` for the model and all else that the answers do not tell, so the run can be
    shown and scored, and nothing is ever added to its answers.

    Args:
        path: the folder.

    Returns:
        What was done, and what to do next.

    Raises:
        RunFolderError: there is no such folder, another process has it, or it holds no answers.
        StorageError: it cannot be written.
    """
    if not path.is_dir():
        raise RunFolderError(f"{path} is no folder.")
    with locked(path, make=False):
        try:
            Run(path)
            return f"{path} has a manifest that can be read; nothing was changed."
        except RunFolderError:
            pass
        manifest = _copy(path)
        said = "from its copy; run the same command again to go on."
        if manifest is None:
            manifest = _from_answers(path)
            said = (
                f"from {counted(sum(t.n_items for t in manifest.tasks.values()), 'answer')}. Which "
                f"model gave them is not in them: it is called '{UNKNOWN}'. 'empeval score {path}' "
                "computes the metrics."
            )
        _keep_damaged(path)
        Run.rewrite(path, manifest)
    return f"{path / 'run.json'} was rebuilt {said}"


def _copy(path: Path) -> Manifest | None:
    try:
        return read_json(path / COPY, Manifest)
    except RunFolderError:
        return None


def _from_answers(path: Path) -> Manifest:
    tasks: dict[str, TaskEntry] = {}
    folder = path / "responses"
    files = sorted(folder.glob("*.jsonl")) if folder.is_dir() and not folder.is_symlink() else []
    for file in files:
        lines = Lines(Stored(file, ResponseLine), ResponseLine)
        names = sorted({line.item.task for line in lines})
        if not lines:
            continue
        if len(names) > 1 or slug(names[0]) != file.stem:
            raise RunFolderError(
                f"{file} holds answers to {', '.join(map(repr, names))}; its name must be its "
                "task's. Rename it, or take the lines of other tasks out."
            )
        items = Mapped(lines, lambda line: line.item)
        tasks[names[0]] = TaskEntry(
            version=UNKNOWN,
            data_fingerprint=UNKNOWN,
            prompts_hash=prompts_hash(items),
            n_items=len(items),
            n_clusters=len({item.cluster for item in items}),
            sampling=Sampling(),
            license=UNKNOWN,
        )
    if not tasks:
        raise RunFolderError(
            f"{path} holds no answers and no copy of its run.json, so there is nothing to rebuild "
            "it from. Delete the folder and run its command again."
        )
    return Manifest(
        schema=SCHEMA,
        status="running",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=ModelEntry(uri=f"{UNKNOWN}:", name=UNKNOWN, fingerprint=UNKNOWN),
        tasks=tasks,
        warnings=["run.json was rebuilt from the answers; what they do not tell is 'unknown'"],
    )


def _keep_damaged(path: Path) -> None:
    """Keep what stood in the manifest's place, if it was a file that held anything."""
    try:
        check_regular(path / "run.json")
        data = read_regular(path / "run.json")
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(
            f"{path / 'run.json'} cannot be rebuilt: {error.strerror}. Take it away and try again."
        ) from error
    if data:
        write_bytes(path / DAMAGED, data)
