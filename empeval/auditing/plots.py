"""The plots of an audit: agreement beside the rivals', and what the trials changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empeval.certificates import Agreement, Certificate, KnownEstimate
from empeval.report import plots

MOST_COLOURS = len(plots.RUN_COLOURS)


def colour(index: int) -> str:
    """Of the scorer at an index."""
    return plots.RUN_COLOURS[index % MOST_COLOURS]


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
    rows += [(n, one, plots.FAINT) for n, one in first.rivals.items() if n not in named]
    if first.one_rater is not None:
        rows.append(("one rater", first.one_rater, plots.INK_COLOUR))
    made, axes = plots.figure(4.6, 0.75 + 0.27 * len(rows))
    for position, (_, one, ink) in enumerate(reversed(rows)):
        if one.interval is not None:
            axes.plot([one.interval.low, one.interval.high], [position] * 2, color=ink, linewidth=2)
        axes.plot([one.value], [position], "o", color=ink, markersize=5)
    axes.axvline(0, color=plots.FAINT, linewidth=1)
    if first.ceiling is not None:
        axes.axvline(first.ceiling.value, color=plots.INK_COLOUR, linewidth=1, linestyle="--")
        axes.text(first.ceiling.value, len(rows) - 0.45, "ceiling", ha="right", va="bottom",
                  color=plots.INK_COLOUR, fontsize=8)  # fmt: skip
    axes.set_yticks(range(len(rows)), [shortened(name) for name, *_ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.3)
    axes.set_xlim(*ends)
    axes.set_xlabel("Spearman with people's ratings, 95 % interval")
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


def trial_plot(certificate: Certificate, index: int) -> Any:
    """What each change of a reply did, in standard deviations; ``None`` where nothing did."""
    rows = [
        t
        for t in certificate.trials
        if t.kind == "flattery" and t.change is not None and t.sds is not None
    ]
    if not rows:
        return None
    made, axes = plots.figure(4.6, 0.75 + 0.27 * len(rows))
    for row, trial in enumerate(reversed(rows)):
        assert trial.change is not None and trial.sds is not None  # noqa: S101, PT018
        ink = plots.RUN_COLOURS[2] if trial.passed else plots.RUN_COLOURS[4]
        scale = trial.sds / trial.change.value if trial.change.value else 0.0
        if trial.change.interval is not None:
            ends = trial.change.interval
            axes.plot([scale * ends.low, scale * ends.high], [row] * 2, color=ink, linewidth=2)
        axes.plot([trial.sds], [row], "o" if trial.passed else "X", color=ink, markersize=6)
    axes.axvline(0, color=plots.FAINT, linewidth=1)
    axes.set_yticks(range(len(rows)), [t.name for t in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("change in standard deviations; o passed, x failed")
    return made


def rated_things(certificates: Sequence[Certificate]) -> list[tuple[str, str]]:
    """Rated set and dimension of every agreement, each once."""
    every: list[Agreement] = [a for c in certificates for a in c.agreements]
    return list(dict.fromkeys((a.rated_set, a.dimension) for a in every))


def shortened(name: str, most: int = 28) -> str:
    """A name that fits beside a plot: its end, where a path differs."""
    return name if len(name) <= most else f"...{name[3 - most :]}"
