"""Reading what ``compare --format json`` and ``gate --json`` say: one home for their layout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Read = Mapping[str, Any]


def differences(printed: str | Read) -> dict[str, Read]:
    """task.scorer.metric -> difference, in the order in which they come."""
    return {_name(d): d for d in _decoded(printed)["differences"]}


def slices(printed: str | Read) -> dict[tuple[str, str, str], Read]:
    """(task.scorer.metric, property, value) -> slice."""
    return {(_name(s), s["name"], s["value"]): s for s in _decoded(printed)["slices"]}


def rates(printed: str | Read) -> dict[tuple[str, str], Read]:
    """(task, kind) -> rate."""
    return {(r["task"], r["kind"]): r for r in _decoded(printed)["rates"]}


def noise(printed: str | Read) -> list[Read]:
    """How much each headline metric moves from repeat to repeat."""
    return list(_decoded(printed)["noise"])


def matrices(printed: str | Read) -> dict[str, Read]:
    """task.scorer.metric -> matrix of three or more runs."""
    return {_name(m): m for m in _decoded(printed)["matrices"]}


def change(found: Read) -> float | None:
    """Candidate less base, of a difference, a slice or a rate."""
    return _at(found, "change.value")


def interval(found: Read) -> tuple[float | None, float | None]:
    """Its 95 % interval."""
    low = _at(found, "change.interval.low")
    return low, _at(found, "change.interval.high")


def counted(found: Read) -> tuple[int, int]:
    """Items and clusters that it rests on."""
    return _at(found, "change.n"), _at(found, "change.clusters")


def means(found: Read) -> tuple[float | None, float | None]:
    """Of base and candidate."""
    return _at(found, "sides.base.mean"), _at(found, "sides.candidate.mean")


def unscored(found: Read) -> tuple[int, int]:
    """Items without a score, of base and candidate."""
    return tuple(_at(found, f"sides.{side}.unscored") for side in ("base", "candidate"))


def p_of(found: Read) -> float | None:
    """By sign flips."""
    return _at(found, "p_values.sign_flips")


def p_t(found: Read) -> float | None:
    """Of the paired t test."""
    return _at(found, "p_values.t")


def p_holm(found: Read) -> float | None:
    """Adjusted."""
    return _at(found, "p_values.holm")


def mean_of(ranked: Read) -> float:
    """Of a run among many."""
    return _at(ranked, "estimate.value")


def checks(printed: str | Read, kind: str) -> dict[str, str]:
    """A gate's checks of a kind: name -> outcome."""
    return {c["name"]: c["outcome"] for c in _checks(printed) if c["kind"] == kind}


def said(printed: str | Read, kind: str) -> dict[str, str]:
    """A gate's checks of a kind: name -> why."""
    return {c["name"]: c["said"] for c in _checks(printed) if c["kind"] == kind}


def _checks(printed: str | Read) -> Iterable[Read]:
    return _decoded(printed)["checks"]


def _decoded(printed: str | Read) -> Read:
    return json.loads(printed) if isinstance(printed, str) else printed


def _name(found: Read) -> str:
    return f"{found['task']}.{found['scorer']}.{found['metric']}"


def _at(found: Read, path: str) -> Any:
    at: Any = found
    for step in path.split("."):
        at = None if at is None else at[step]
    return at
