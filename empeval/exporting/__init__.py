"""``empeval export``: a run as other programs read it.

A module a format, each with an ``ExportFormat`` called ``FORMAT``; plugins add formats by the hook
``empeval_export_formats``. Spreadsheets are in ``empeval.spreadsheets``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

from empeval import spreadsheets
from empeval.contained import contained
from empeval.errors import UnknownNameError, UsageError
from empeval.formats import ExportFormat
from empeval.hooks import Hooks
from empeval.notices import warn
from empeval.runs import Run, document_path, require_whole

BUILT_IN = {
    "hf-eval-results": "empeval.exporting.eval_results",
    "hf-model-index": "empeval.exporting.model_index",
    "every-eval-ever": "empeval.exporting.every_eval_ever",
    "lm-eval": "empeval.exporting.lm_eval",
    "inspect": "empeval.exporting.inspect_log",
    "inspect-eval": "empeval.exporting.inspect_eval",
}
"""Format -> the module that writes it."""


def export(
    run: Run | str | Path,
    out: str | Path,
    form: str | None = None,
    *,
    options: Mapping[str, str] | None = None,
    partial: bool = False,
    hooks: Hooks | None = None,
) -> list[Path]:
    """Write a finished run as a spreadsheet, or as another program's results.

    Args:
        run: a run folder.
        out: a folder; for ``xlsx`` a file.
        form: a spreadsheet's (``xlsx``, ``csv``, ``parquet``), one of ``BUILT_IN`` or a plugin's;
            by default what ``out`` ends in, else ``csv``.
        options: of the format; docs/exports.md lists them.
        partial: take an unfinished run, or one whose files lack lines, as it is.
        hooks: hook modules to ask for formats and sheets instead of the installed ones.

    Returns:
        The files written.

    Raises:
        RunFolderError: it is no finished run.
        UsageError: no such format or option, a package it needs is not installed, the run does not
            fit into it, or a run keeps its own files there.
        StorageError: it cannot be written.
    """
    hooks = hooks if hooks is not None else Hooks().load_installed()
    if form is None or form in spreadsheets.FORMATS:
        if options:
            raise UsageError("--to-args: a spreadsheet has no options.")
        return spreadsheets.export(run, out, form, partial=partial, hooks=hooks)
    path = document_path(out, "--out")
    known = formats(hooks)
    if form not in known:
        names = [*spreadsheets.FORMATS, *known]
        said = f"There is no export format '{form}'."
        raise UnknownNameError(said, kind="export format", name=form, known=names)
    found = known[form]
    for name in options or {}:
        if name not in found.options:
            raise UnknownNameError(
                f"--to-args: {form} has no option '{name}'.",
                kind="option",
                name=name,
                known=found.options,
                hint="" if found.options else "It has none.",
            )
    run = run if isinstance(run, Run) else Run(run)
    if not partial:
        require_whole(run, "export what is there with --partial")
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path} is a file; {form} needs a folder.")
    absolute = Path(os.path.abspath(path))  # a plugin may go to another folder
    with contained(f"the export format '{form}'"):
        written = found.write(run, absolute, dict(options or {}))
    return [path / file.relative_to(absolute) for file in written]


def formats(hooks: Hooks) -> dict[str, ExportFormat]:
    """Every format but a spreadsheet's, by name; a plugin's does not take the place of ours."""
    known: dict[str, ExportFormat] = {
        name: importlib.import_module(module).FORMAT for name, module in BUILT_IN.items()
    }
    given = hooks.fire("empeval_export_formats")
    for found in (f for one in given for f in (one if isinstance(one, list) else [one])):
        if not isinstance(found, ExportFormat):
            warn(f"a plugin gave a {type(found).__name__} for an export format; it is left out")
        elif found.name in known or found.name in spreadsheets.FORMATS:
            warn(
                f"a plugin's export format is called '{found.name}', as another is; it is left out"
            )
        else:
            known[found.name] = found
    return known
