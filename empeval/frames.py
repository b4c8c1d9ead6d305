"""Results as pandas' tables in long form, for those who have pandas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from empeval.extras import require

RUN_COLUMNS = (
    "run", "model", "task", "scorer", "value_name", "value", "item", "cluster", "score_status",
    "response_status",
)  # fmt: skip


def run_frame(run: Any) -> Any:
    """A row for each value that a scorer gave an item of a run.

    A score without values has a row of its own, whose ``value_name`` and ``value`` are missing.

    Args:
        run: a ``Run``.

    Raises:
        MissingPackageError: pandas is not installed.
        RunFolderError: a file of the run is damaged.
    """
    return _frame(list(_run_rows(run)), RUN_COLUMNS)


def comparison_frame(comparison: Any) -> Any:
    """A row for each metric of a comparison, with the fields of ``Difference`` (``change.value``).

    Args:
        comparison: a ``Comparison``.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    sides = {"base_run": comparison.base, "candidate_run": comparison.candidate}
    rows = [{**sides, **_flat(msgspec.to_builtins(one))} for one in comparison.differences]
    columns = dict.fromkeys(name for row in rows for name in row)
    return _frame(rows, list(columns) or list(sides))


def _flat(fields: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Fields inside of fields as columns: ``change.interval.low``."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        nested = isinstance(value, Mapping)
        made |= _flat(value, f"{before}{name}.") if nested else {f"{before}{name}": value}
    return made


def _run_rows(run: Any) -> Iterator[tuple[Any, ...]]:
    manifest = run.manifest
    for task in manifest.tasks:
        lines = {line.id: line for line in run.responses(task)}
        for scorer in manifest.scorers.get(task, {}):
            for score in run.scores(task, scorer):
                line = lines.get(score.id)
                if line is None:
                    continue
                for name, value in (score.values or {None: None}).items():
                    yield (
                        str(run.path), manifest.model.name, task, scorer, name, value, score.id,
                        line.item.cluster, score.status, line.status,
                    )  # fmt: skip


def _frame(rows: Sequence[Any], columns: Sequence[str]) -> Any:
    require("A table of pandas", "pandas")
    import pandas

    return pandas.DataFrame(rows, columns=list(columns))
