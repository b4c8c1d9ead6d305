"""What a plugin gives to ``empeval export``: a format that a run can be written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from empeval.runs import Run


@dataclass(frozen=True)
class ExportFormat:
    """A format, as the hook ``empeval_export_formats`` returns it.

    Attributes:
        name: what ``empeval export --to`` calls it.
        summary: one line for a person.
        write: the run, the folder to write into (which may not be there yet) and the options that
            the user gave -> the files that were written. It writes each file in one step, and
            raises ``UsageError`` where an option or the run does not fit.
        options: what ``--to-args`` may name -> one line for a person.
    """

    name: str
    summary: str
    write: Callable[[Run, Path, Mapping[str, str]], list[Path]]
    options: Mapping[str, str] = field(default_factory=dict)
