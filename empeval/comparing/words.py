"""A comparison in sentences: what a person should take away, and no more than was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from empeval.comparing.records import Difference

if TYPE_CHECKING:
    from empeval.comparing.many import Matrix


def amount(value: float | None) -> str:
    """A figure with as many decimals as its size calls for; a dash where there is none."""
    if value is None:
        return "-"
    size = abs(value)
    text = f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(low: float | None, high: float | None) -> str:
    """An interval, or a dash."""
    return "-" if low is None or high is None else f"{amount(low)} to {amount(high)}"


def probability(p: float | None) -> str:
    """A p value: three decimals, or a bound."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def name_of(d: Difference) -> str:
    """What a sentence calls a figure: ``task scorer.metric``, without what would stand there twice.

    Two tasks may have the same figure, so the task is left out only before its own scorer's.
    """
    own = d.metric if d.scorer == d.metric else f"{d.scorer}.{d.metric}"
    return own if d.task == d.scorer else f"{d.task} {own}"


def matrix_cells(matrix: Matrix) -> dict[tuple[str, str], str]:
    """(a run's folder, another's) -> the first less the second, starred where p (Holm) < 0.05."""
    cells: dict[tuple[str, str], str] = {}
    for pair in matrix.pairs:
        d = pair.difference
        star = "*" if d.p_holm is not None and d.p_holm < 0.05 else ""
        back = None if d.difference is None else -d.difference
        cells[pair.candidate, pair.base] = amount(d.difference) + star
        cells[pair.base, pair.candidate] = amount(back) + star
    return cells


def verdict_of(d: Difference) -> str:
    """What a table says: the verdict of a headline figure that has a direction, else a dash."""
    if d.verdict is None or d.higher_is_better is None:
        return "-"
    return "cannot be told" if d.too_unscored and d.verdict == "inconclusive" else d.verdict


def sentence(d: Difference) -> str:
    """The verdict on one figure in a sentence; "not significant" never reads as "same"."""
    if d.too_unscored or d.difference is None:
        return _unscored(d)
    unit = "percent points" if d.unit == "percent" else d.unit
    by = f"{amount(abs(d.difference))} {unit}"
    known = f"95 % interval {interval(d.ci_low, d.ci_high)}"
    margin = "" if d.margin is None else f"the margin of {amount(d.margin)}"
    if d.verdict == "equivalent":
        aside = ""
        if d.ci_low is not None and d.ci_high is not None and not d.ci_low <= 0 <= d.ci_high:
            aside = ", though not zero"
        return f"{name_of(d)}: equivalent: the difference is inside {margin}{aside} ({known})."
    if d.verdict in ("better", "worse"):
        beyond = ""
        if d.margin is not None:
            shown = _beyond(d)
            beyond = (
                f", by more than {margin}" if shown else f"; by more than {margin} is not shown"
            )
        return f"{name_of(d)}: {d.verdict} by {by} ({known}){beyond}."
    if d.higher_is_better is None and d.ci_low is not None and d.ci_high is not None:
        moved = not d.ci_low <= 0 <= d.ci_high
        what = "changed" if moved else "no change is shown, and none is ruled out"
        return f"{name_of(d)}: {what} ({known}); it describes, it does not judge."
    if d.difference == d.ci_low == d.ci_high == 0:
        return f"{name_of(d)}: inconclusive: no item differs, so nothing is shown."
    reach = ""
    if d.detectable is not None:
        reach = (
            f" With so many items a true difference of {amount(d.detectable)} would be found 4 "
            "times in 5."
        )
    safe = ""
    if d.not_worse_by_margin:
        safe = f" It is not worse by {margin} or more."
    why = f"{known} holds 0"
    if d.ci_low is None or d.ci_high is None:
        why = "one cluster of items says nothing about others"
    elif not d.ci_low <= 0 <= d.ci_high:
        why = f"{known}, but p adjusted over the headline figures is {probability(d.p_holm)}"
    return f"{name_of(d)}: inconclusive: {why}.{safe}{reach}"


def _unscored(d: Difference) -> str:
    """What to say of a figure that lacks the scores of too many items."""
    sides = (
        ("candidate", d.candidate_unscored, d.candidate_items),
        ("base", d.base_unscored, d.base_items),
    )
    lacking = [f"{n} of {items} items of the {side}" for side, n, items in sides if n]
    said = f"{' and '.join(lacking)} have no score"
    if d.verdict == "worse" and d.candidate_unscored == d.candidate_items:
        return f"{name_of(d)}: worse: {said}: nothing it answered can be scored."
    if d.worst_case is not None:
        counted = f"; at the worst value the difference would be {amount(d.worst_case)}"
    elif d.difference is not None:
        counted = f"; the difference of the others is {amount(d.difference)}"
    else:
        counted = ""
    if d.verdict == "worse" and d.margin is not None:
        beyond = f", the margin of {amount(d.margin)} or more the wrong way"
        return f"{name_of(d)}: worse: {said}{counted}{beyond}."
    return f"{name_of(d)}: cannot be told: {said}{counted}."


def _beyond(d: Difference) -> bool:
    if d.margin is None or d.ci_low is None or d.ci_high is None:
        return False
    return d.ci_low > d.margin or d.ci_high < -d.margin
