"""Which metrics of a comparison rest on scorers whose agreement with people is not known."""

from __future__ import annotations

from collections.abc import Sequence

from empeval.comparing.records import Comparison, Difference
from empeval.runs import Run


def audit_gaps(
    candidate: Run, comparison: Comparison, differences: Sequence[Difference]
) -> list[str]:
    """Why metrics cannot be taken for people's judgement, a clause each; empty where they can.

    Runs that are compared have the same scorer, of the same version and checkpoint, so what one
    folder says of it holds for both; unless the comparison was forced.
    """
    sources = {(m.task, m.scorer, m.metric): m.source for m in candidate.metrics()}
    found = []
    for d in differences:
        source = sources.get((d.task, d.scorer, d.metric))
        value = d.metric if source is None else source.value
        found.append(_gap(comparison, d, value))
    return list(dict.fromkeys(gap for gap in found if gap))


def _gap(comparison: Comparison, d: Difference, value: str) -> str:
    marks = [m.audit for m in comparison.audits if (m.task, m.scorer) == (d.task, d.scorer)]
    known = [mark for mark in marks if mark.audited is not False]
    if not marks or (comparison.forced and len(marks) < 2):
        return (
            f"a run folder does not say whether {d.scorer} is audited ('empeval score RUN "
            f"--scorers {d.scorer}' writes it down)"
        )
    if not known or (comparison.forced and len(known) < len(marks)):
        return f"{d.scorer}: {next(m.line for m in marks if m.audited is False)}"
    if all(mark.audited is None or value in mark.values for mark in known):
        return ""
    of = ", ".join(sorted({name for mark in known for name in mark.values})) or "nothing"
    return f"{d.scorer} was audited for {of}, not for {value}"
