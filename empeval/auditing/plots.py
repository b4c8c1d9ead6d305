"""The plots of an audit: agreement beside the rivals', and what the trials changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empeval.certificates import Agreement, Certificate, KnownEstimate, Trial
from empeval.estimates import times
from empeval.records import Estimate
from empeval.report import canvas

MOST_COLOURS = len(canvas.RUN_COLOURS)


def colour(index: int) -> str:
    """Of the scorer at an index."""
    return canvas.RUN_COLOURS[index % MOST_COLOURS]


def agreement_plot(
    certificates: Sequence[Certificate], rated: str, dimension: str, ends: tuple[float, float]
) -> Any:
    """Spearman of scorers and rivals with one thing that was rated, with 95 % intervals.

    Args:
        certificates: of the scorers.
        rated: set.
        dimension: of it.
        ends: of the axis.
    """
    found = [
        (index, c, a)
        for index, c in enumerate(certificates)
        for a in c.agreements
        if (a.rated_set, a.dimension) == (rated, dimension)
    ]
    rows: list[tuple[str, KnownEstimate, str]] = [
        (c.scorer, a.spearman, colour(index)) for index, c, a in found
    ]
    first = found[0][2]
    named = {c.scorer for _, c, _ in found}
    rows += [(n, one, canvas.FAINT) for n, one in first.rivals.items() if n not in named]
    if first.one_rater is not None:
        rows.append(("one rater", first.one_rater, canvas.INK_COLOUR))
    made, axes = canvas.figure(canvas.WIDTH, 0.75 + 0.27 * len(rows))
    for position, (_, one, ink) in enumerate(reversed(rows)):
        if one.interval is not None:
            axes.plot([one.interval.low, one.interval.high], [position] * 2, color=ink, linewidth=2)
        axes.plot([one.value], [position], "o", color=ink, markersize=5)
    axes.axvline(0, color=canvas.FAINT, linewidth=1)
    if first.ceiling is not None:
        axes.axvline(first.ceiling.value, color=canvas.INK_COLOUR, linewidth=1, linestyle="--")
        axes.text(first.ceiling.value, len(rows) - 0.45, "ceiling", ha="right", va="bottom",
                  color=canvas.INK_COLOUR, fontsize=8)  # fmt: skip
    names = [f"{canvas.shortened(name)}, n {one.n}" for name, one, _ in reversed(rows)]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(-0.6, len(rows) - 0.3)
    axes.set_xlim(*ends)
    axes.set_xlabel("Spearman with people's ratings\n95 % intervals")
    return made


def shared_ends(certificates: Sequence[Certificate]) -> tuple[float, float]:
    """Ends of an axis that has room for every Spearman of a page."""
    reach = [0.0, 0.5]
    for a in (a for c in certificates for a in c.agreements):
        for one in (a.spearman, *a.rivals.values(), a.one_rater, a.ceiling):
            if one is not None:
                ends = one.interval
                reach += [one.value] if ends is None else [ends.low, ends.high]
    return min(reach) - 0.03, min(1.03, max(reach) + 0.03)


def trial_rows(certificate: Certificate) -> list[tuple[Trial, Estimate]]:
    """Each change of a reply, and what it did in standard deviations."""
    return [
        (t, times(t.change, t.sds / t.change.value if t.change.value else 0.0))
        for t in certificate.trials
        if t.kind == "flattery" and t.change is not None and t.sds is not None
    ]


def trial_ends(certificates: Sequence[Certificate]) -> tuple[float, float]:
    """Ends of an axis that has room for every trial of a page."""
    reach = [0.0]
    for _, moved in (row for c in certificates for row in trial_rows(c)):
        ends = moved.interval
        reach += [moved.value or 0.0] if ends is None else [ends.low, ends.high]
    room = 0.05 * (max(reach) - min(reach)) or 1.0
    return min(reach) - room, max(reach) + room


def trial_plot(certificate: Certificate, ends: tuple[float, float]) -> Any:
    """What each change of a reply did, in standard deviations; ``None`` where none was tried.

    Args:
        certificate: of the scorer.
        ends: of the axis.
    """
    rows = trial_rows(certificate)
    if not rows:
        return None
    made, axes = canvas.figure(canvas.WIDTH, 0.75 + 0.27 * len(rows))
    for row, (trial, moved) in enumerate(reversed(rows)):
        ink = canvas.RUN_COLOURS[2] if trial.passed else canvas.RUN_COLOURS[4]
        if moved.interval is not None:
            axes.plot([moved.interval.low, moved.interval.high], [row] * 2, color=ink, linewidth=2)
        axes.plot([moved.value], [row], "o" if trial.passed else "X", color=ink, markersize=6)
    axes.axvline(0, color=canvas.FAINT, linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{t.name}, n {t.n}" for t, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(*ends)
    axes.set_xlabel("change in standard deviations\no passed, x failed")
    return made


def rated_things(certificates: Sequence[Certificate]) -> list[tuple[str, str]]:
    """Rated set and dimension of every agreement, each once."""
    every: list[Agreement] = [a for c in certificates for a in c.agreements]
    return list(dict.fromkeys((a.rated_set, a.dimension) for a in every))
