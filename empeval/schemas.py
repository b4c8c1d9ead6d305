"""JSON Schemas of the files that empeval reads and writes, derived from their records."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from empeval.comparing.records import Comparison
from empeval.gating.policy import Policy
from empeval.gating.verdict import Verdict
from empeval.records import MetricsFile, ResponseLine, Score
from empeval.runs import Manifest

SchemaName = Literal["run", "responses", "scores", "metrics", "comparison", "policy", "gate"]

_RECORDS: dict[SchemaName, Any] = {
    "run": Manifest,
    "responses": ResponseLine,
    "scores": Score,
    "metrics": MetricsFile,
    "comparison": Comparison,
    "policy": Policy,
    "gate": Verdict,
}


def schema(name: SchemaName) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of file, or of a line of it."""
    made = msgspec.json.schema(_RECORDS[name])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
