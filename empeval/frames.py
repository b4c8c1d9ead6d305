"""Results as pandas' tables in long form, for those who have pandas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from empeval.errors import UsageError

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
        UsageError: pandas is not installed.
        RunFolderError: a file of the run is damaged.
    """
    return _frame(list(_run_rows(run)), RUN_COLUMNS)


def comparison_frame(comparison: Any) -> Any:
    """A row for each figure of a comparison, with the fields of ``Difference``.

    Args:
        comparison: a ``Comparison``.

    Raises:
        UsageError: pandas is not installed.
    """
    sides = {"base_run": comparison.base, "candidate_run": comparison.candidate}
    rows = [{**sides, **msgspec.structs.asdict(one)} for one in comparison.differences]
    return _frame(rows, list(rows[0]) if rows else list(sides))


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
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "A table of pandas needs pandas: pip install 'empeval[pandas]'."
        ) from error
    return pandas.DataFrame(rows, columns=list(columns))
