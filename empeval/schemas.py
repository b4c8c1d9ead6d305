"""JSON Schemas of the run folder's files, derived from the records that write them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from empeval.records import MetricsFile, ResponseLine, Score
from empeval.runs import Manifest

SchemaName = Literal["run", "responses", "scores", "metrics"]

_RECORDS: dict[SchemaName, Any] = {
    "run": Manifest,
    "responses": ResponseLine,
    "scores": Score,
    "metrics": MetricsFile,
}


def schema(name: SchemaName) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of file, or of a line of it."""
    made = msgspec.json.schema(_RECORDS[name])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
