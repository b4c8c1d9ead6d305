"""Inspect: the same logs in its own packed form, which Inspect itself writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from empeval.exporting import inspect_log
from empeval.extras import require
from empeval.files import replacing
from empeval.formats import ExportFormat
from empeval.runs import Run


def write(run: Run, out: Path, options: Mapping[str, str]) -> list[Path]:
    """Write ``DATE_TASK_ID.eval`` for each task.

    Raises:
        MissingPackageError: Inspect is not installed.
    """
    require("Writing .eval", "inspect_ai")
    from inspect_ai.log import read_eval_log, write_eval_log

    written = []
    with TemporaryDirectory() as folder:
        for log in inspect_log.write(run, Path(folder), {}):
            path = out / f"{log.stem}.eval"
            with replacing(path) as part:
                write_eval_log(read_eval_log(str(log)), str(part), format="eval")
            written.append(path)
    return written


FORMAT = ExportFormat("inspect-eval", "the same packed as .eval; needs the extra inspect", write)
