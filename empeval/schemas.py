"""JSON Schemas of the files that empeval reads and writes, derived from their records."""

from __future__ import annotations

import importlib
from typing import Any, Literal, get_args

SchemaName = Literal[
    "run",
    "responses",
    "scores",
    "metrics",
    "comparison",
    "policy",
    "gate",
    "audit",
    "task",
    "config",
]

NAMES: tuple[SchemaName, ...] = get_args(SchemaName)

_RECORDS: dict[SchemaName, str] = {
    "run": "empeval.runs:Manifest",
    "responses": "empeval.records:ResponseLine",
    "scores": "empeval.records:Score",
    "metrics": "empeval.records:MetricsFile",
    "comparison": "empeval.comparing.records:Comparison",
    "policy": "empeval.gating.policy:Policy",
    "gate": "empeval.gating.verdict:Verdict",
    "audit": "empeval.auditing.audit:Finished",
    "task": "empeval.taskfiles:TaskFile",
    "config": "empeval.runspec:RunSpec",
}
"""Where the records are; imported when asked for, because the statistics bring numpy."""


def schema(name: SchemaName) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of file, or of a line of it."""
    import msgspec

    module, _, record = _RECORDS[name].partition(":")
    made = msgspec.json.schema(getattr(importlib.import_module(module), record))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
