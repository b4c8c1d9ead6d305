"""A comparison in sentences: what a person should take away, and no more than was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empeval.amounts import amount, interval, probability
from empeval.comparing.adjusting import told_apart
from empeval.comparing.records import Difference
from empeval.errors import counted

if TYPE_CHECKING:
    from empeval.comparing.many import Matrix, Ranked


NO_HEADLINE = "No metric here says whether higher or lower is better, so none is a headline."


def name_of(d: Difference) -> str:
    """What a sentence calls a metric: ``task scorer.metric``, without what would stand there twice.

    Two tasks may have the same metric, so the task is left out only before its own scorer's.
    """
    own = d.metric if d.scorer == d.metric else f"{d.scorer}.{d.metric}"
    return own if d.task == d.scorer else f"{d.task} {own}"


def matrix_cells(matrix: Matrix) -> dict[tuple[str, str], str]:
    """(a run's folder, another's) -> the first less the second, starred where they differ."""
    cells: dict[tuple[str, str], str] = {}
    for pair in matrix.pairs:
        change = pair.difference.change.value
        star = "*" if told_apart(pair.difference) else ""
        cells[pair.candidate, pair.base] = amount(change) + star
        cells[pair.base, pair.candidate] = amount(None if change is None else -change) + star
    return cells


def ranks_of(ranked: Ranked) -> str:
    """The ranks that a run may have: ``"3"``, ``"2 to 4"``."""
    low, high = ranked.rank_low, ranked.rank_high
    return str(low) if low == high else f"{low} to {high}"


def verdict_of(d: Difference) -> str:
    """What a table says: the verdict of a headline metric that has a direction, else a dash."""
    if d.verdict is None or d.higher_is_better is None:
        return "-"
    return "cannot be told" if d.too_unscored and d.verdict == "inconclusive" else d.verdict


def sentence(d: Difference) -> str:
    """The verdict on one metric in a sentence; "not significant" never reads as "same"."""
    change, ends = d.change.value, d.change.interval
    if d.too_unscored or change is None:
        return _unscored(d)
    unit = "percent points" if d.unit == "percent" else d.unit
    by = f"{amount(abs(change))} {unit}"
    known = f"95 % interval {interval(ends)}"
    margin = "" if d.margin is None else f"the margin of {amount(d.margin)}"
    holds_zero = ends is not None and ends.low <= 0 <= ends.high
    if d.verdict == "equivalent":
        aside = "" if holds_zero else ", though not zero"
        return f"{name_of(d)}: equivalent: the difference is inside {margin}{aside} ({known})."
    if d.verdict in ("better", "worse"):
        beyond = ""
        if d.margin is not None:
            shown = ends is not None and (ends.low > d.margin or ends.high < -d.margin)
            beyond = (
                f", by more than {margin}" if shown else f"; by more than {margin} is not shown"
            )
        return f"{name_of(d)}: {d.verdict} by {by} ({known}){beyond}."
    if d.higher_is_better is None and ends is not None:
        what = "no change is shown, and none is ruled out" if holds_zero else "changed"
        return f"{name_of(d)}: {what} ({known}); it describes, it does not judge."
    if ends is not None and change == ends.low == ends.high == 0:
        return f"{name_of(d)}: inconclusive: no item differs, so nothing is shown."
    reach = ""
    if d.power.detectable is not None:
        reach = (
            f" With so many items a true difference of {amount(d.power.detectable)} would be found "
            "4 times in 5."
        )
    safe = ""
    if d.not_worse_by_margin:
        safe = f" It is not worse by {margin} or more."
    why = f"{known} holds 0"
    if ends is None:
        few = d.change.clusters
        what = "one cluster of items says" if few == 1 else f"{few} clusters that are all alike say"
        why = f"{what} nothing about others"
    elif not holds_zero:
        why = f"{known}, but p adjusted over the headline metrics is {probability(d.p_values.holm)}"
    return f"{name_of(d)}: inconclusive: {why}.{safe}{reach}"


def _unscored(d: Difference) -> str:
    """What to say of a metric that lacks the scores of too many items."""
    base, candidate = d.sides.base, d.sides.candidate
    lacking = [
        f"{side.unscored} of {counted(side.items, 'item')} of the {name}"
        for name, side in (("candidate", candidate), ("base", base))
        if side.unscored
    ]
    said = f"{' and '.join(lacking)} have no score" if lacking else ""
    apart = [
        f"{side.uncompared} of {counted(side.items, 'item')} of the {name}"
        for name, side in (("candidate", candidate), ("base", base))
        if side.uncompared
    ]
    if apart:
        said += f"{', and ' if said else ''}{' and '.join(apart)} are not in the other run"
    if d.verdict == "worse" and candidate.unscored == candidate.items:
        return f"{name_of(d)}: worse: {said}: nothing it answered can be scored."
    if d.worst_case is not None:
        instead = f"; at the worst value the difference would be {amount(d.worst_case)}"
    elif d.change.value is not None:
        instead = f"; the difference of the others is {amount(d.change.value)}"
    else:
        instead = ""
    if d.verdict == "worse" and d.margin is not None:
        beyond = f", the margin of {amount(d.margin)} or more the wrong way"
        return f"{name_of(d)}: worse: {said}{instead}{beyond}."
    return f"{name_of(d)}: cannot be told: {said}{instead}."
