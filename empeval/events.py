"""What hooks are told: records to which fields may be added, never taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from empeval.records import Metric, Response


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A run begins or goes on.

    Attributes:
        folder: its path.
        manifest: what ``run.json`` holds.
    """

    folder: str
    manifest: Mapping[str, Any]


class ItemAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer has been written and flushed.

    Attributes:
        folder: path of the run.
        task: its name.
        response: the answer.
    """

    folder: str
    task: str
    response: Response


class ScorerFinished(msgspec.Struct, frozen=True, kw_only=True):
    """All scores of one scorer on one task have been written.

    Attributes:
        folder: path of the run.
        task, scorer: their names.
        count: of the scores.
    """

    folder: str
    task: str
    scorer: str
    count: int


class RunFinished(msgspec.Struct, frozen=True, kw_only=True):
    """``metrics.json`` has been written.

    Attributes:
        folder: path of the run.
        metrics: its metrics.
    """

    folder: str
    metrics: Sequence[Metric]
