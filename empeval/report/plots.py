"""The plots of a report, by matplotlib: SVG for the page, SVG and PNG for papers.

Colours are drawn as the ones in ``INK``; in the page they become CSS variables, so that a plot is
dark where the page is.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empeval.comparing.records import Difference
from empeval.estimates import times
from empeval.extras import MissingPackageError, is_installed, require
from empeval.notices import warn
from empeval.report.collect import LETTERS, Values

INK = {
    "#010203": "var(--ink)",
    "#040506": "var(--faint)",
    "#0b5fa5": "var(--run-1)",
    "#b54708": "var(--run-2)",
    "#1b7a3d": "var(--run-3)",
    "#8a3ffc": "var(--run-4)",
    "#a11d52": "var(--run-5)",
    "#5f5a00": "var(--run-6)",
    "#00707a": "var(--run-7)",
    "#6b4f3a": "var(--run-8)",
}
"""Colours of plots, and the CSS variables that they become in the page."""

INK_COLOUR, FAINT, *RUN_COLOURS = INK
DPI = 160

SMALL = (4.6, 2.6)
"""Inches of a plot of one metric of one task."""

FEW = 10
"""A mean of fewer answers says little and is shown so."""


def colour_of(index: int) -> str:
    """The colour of a run by its index; the ninth has that of the first."""
    return RUN_COLOURS[index % len(RUN_COLOURS)]


def figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure with one pair of axes in the report's style."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    made.patch.set_alpha(0)
    axes = made.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(INK_COLOUR)
    axes.tick_params(colors=INK_COLOUR, labelsize=9)
    axes.xaxis.label.set_color(INK_COLOUR)
    axes.yaxis.label.set_color(INK_COLOUR)
    return made, axes


def unplotted(page: str) -> str:
    """Why a page has no plots, of which a person is warned; ``""`` where they can be drawn.

    Args:
        page: what it is, such as ``"the report"``.
    """
    try:
        require_matplotlib()
    except MissingPackageError as error:
        warn(f"{page} has no plots: {error}")
        return str(error)
    return ""


def require_matplotlib() -> None:
    """Make sure that plots can be drawn.

    Raises:
        MissingPackageError: they cannot.
    """
    require("Drawing plots", "matplotlib")


def style() -> Any:
    """The settings while plotting: text stays text, and is never read as a formula."""
    if not is_installed("matplotlib"):
        return contextlib.nullcontext()
    import matplotlib as mpl

    return mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "empeval",
            "text.parse_math": False,
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.labelsize": 9,
        }
    )


def svg(made: Any, *, themed: bool) -> str:
    """A figure as SVG without an XML declaration.

    Args:
        made: the figure.
        themed: whether its colours become CSS variables.
    """
    stream = io.StringIO()
    made.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    if themed:
        for colour, variable in INK.items():
            text = text.replace(colour, variable)
    return text


def png(made: Any) -> bytes:
    """A figure as PNG on white."""
    stream = io.BytesIO()
    made.savefig(stream, format="png", dpi=DPI, facecolor="white", transparent=False)
    return stream.getvalue()


def forest(differences: Sequence[Difference]) -> Any:
    """Differences with 95 % intervals, in standard deviations of the items' differences.

    Metrics that only describe are left out: for them nothing is better or worse.
    """
    rows = [
        (d, times(d.change, d.effect.size / d.change.value))
        for d in differences
        if d.effect.size
        and d.change.value
        and d.change.interval is not None
        and d.higher_is_better is not None
    ]
    if not rows:
        return None
    rows.reverse()
    made, axes = figure(7.2, 0.5 + 0.36 * len(rows))
    for position, (d, change) in enumerate(rows):
        shown = times(change, -1 if d.higher_is_better is False else 1)
        colour = {"better": RUN_COLOURS[2], "worse": RUN_COLOURS[4]}.get(
            d.verdict or "", INK_COLOUR
        )
        if ends := shown.interval:
            axes.plot([ends.low, ends.high], [position, position], color=colour, linewidth=2)
        axes.plot([shown.value], [position], "o", color=colour, markersize=6)
    axes.axvline(0, color=FAINT, linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{d.task} {d.scorer}.{d.metric}" for d, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("worse  ←  difference in standard deviations, 95 % interval  →  better")
    return made


def scale_of(several: Sequence[Values]) -> tuple[float, float] | None:
    """The lowest and the highest item value of a metric in any of its tasks and runs."""
    finite = [own[np.isfinite(own)] for values in several for own in values.by_run.values()]
    every = np.concatenate(finite) if finite else np.array([])
    if not len(every) or np.ptp(every) == 0:
        return None
    return float(every.min()), float(every.max())


def distribution(values: Values, letters: Sequence[str], scale: tuple[float, float]) -> Any:
    """A histogram of a metric's item values, a line a run.

    Args:
        values: the metric's values.
        letters: of all runs.
        scale: the ends of the axis, the same in every plot of a metric (``scale_of``).
    """
    count = max(int(np.isfinite(own).sum()) for own in values.by_run.values())
    if not count:
        return None
    made, axes = figure(*SMALL)
    edges = np.linspace(*scale, 1 + min(30, max(5, int(np.sqrt(count)))))
    for letter, own in values.by_run.items():
        there = own[np.isfinite(own)]
        colour = colour_of(letters.index(letter))
        weights = np.full(len(there), 100 / max(1, len(there)))
        axes.hist(
            there,
            edges,
            weights=weights,
            histtype="step",
            color=colour,
            linewidth=1.6,
            label=f"{letter}, n {len(there)}",
        )
        if len(there):
            axes.axvline(there.mean(), color=colour, linewidth=1, linestyle="--")
    axes.set_xlabel(f"{values.metric} ({values.unit})")
    axes.set_ylabel("percent of items")
    _legend(axes)
    return made


def failing(counts: Mapping[str, Counter[str]], sizes: Mapping[str, int]) -> Any:
    """How often answers failed, by reason, a bar a run."""
    reasons = sorted({r for c in counts.values() for r in c}, key=lambda r: _total(counts, r))
    if not reasons:
        return None
    each = max(0.34, 0.09 * len(counts))
    made, axes = figure(7.2, 0.7 + each * len(reasons) + 0.02 * len(counts))
    height = 0.8 / len(counts)
    for number, (letter, own) in enumerate(counts.items()):
        shares = [100 * own[reason] / max(1, sizes[letter]) for reason in reasons]
        positions = np.arange(len(reasons)) + 0.4 - height * (number + 0.5)
        axes.barh(positions, shares, height, color=colour_of(LETTERS.index(letter)), label=letter)
    axes.set_yticks(range(len(reasons)), reasons)
    axes.set_xlabel("percent of answers")
    if len(counts) > 1:
        _legend(axes, loc="upper left", bbox_to_anchor=(1, 1))  # not over the bars
    return made


def _total(counts: Mapping[str, Counter[str]], reason: str) -> int:
    return sum(own[reason] for own in counts.values())


def means_by_emotion(values: Values) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Means by emotion.

    Returns:
        The emotions, their means and the numbers of values behind them, both of shape
        (emotions, runs); NaN where there are none.
    """
    emotions = sorted({e for e in values.emotions if e})
    shape = len(emotions), len(values.by_run)
    means, counts = np.full(shape, np.nan), np.zeros(shape, dtype=int)
    of = np.array(values.emotions)
    for column, own in enumerate(values.by_run.values()):
        for row, emotion in enumerate(emotions):
            there = own[(of == emotion) & np.isfinite(own)]
            counts[row, column] = len(there)
            if len(there):
                means[row, column] = there.mean()
    return emotions, means, counts


def by_emotion(values: Values, same: Sequence[Values]) -> Any:
    """A heat map of means by emotion, a column a run.

    A mean of fewer than ``FEW`` answers is grey and has no colour.

    Args:
        values: the metric's values.
        same: those of the same metric in every task; colours mean the same in all of them.
    """
    emotions, table, counts = means_by_emotion(values)
    coloured = [m[n >= FEW] for _, m, n in map(means_by_emotion, same)]
    every = np.concatenate(coloured)
    if len(emotions) < 2:
        return None
    runs = list(values.by_run)
    low, high = (every.min(), every.max()) if len(every) else (0.0, 0.0)
    made, axes = figure(2.4 + 0.75 * len(runs), 0.7 + 0.235 * len(emotions))
    edges = np.arange(len(runs) + 1) - 0.5, np.arange(len(emotions) + 1) - 0.5
    shown = np.where(counts >= FEW, table, np.nan)
    axes.pcolormesh(*edges, shown, cmap="cividis", vmin=low, vmax=high)
    axes.invert_yaxis()
    most = counts.max(axis=1)
    for row, column in np.argwhere(counts > 0):
        text = f"{table[row, column]:.2f}"
        if counts[row, column] != most[row]:
            text += f" ({counts[row, column]})"
        dark = (table[row, column] - low) / (high - low or 1) < 0.55
        colour = FAINT if counts[row, column] < FEW else "#ffffff" if dark else "#000000"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    names = [f"{name} (n {n})" for name, n in zip(emotions, most, strict=True)]
    axes.set_yticks(range(len(emotions)), names)
    axes.set_xticks(range(len(runs)), runs)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(f"mean {values.metric}")
    return made


def length_plot(values: Values, letters: Sequence[str], scale: tuple[float, float]) -> Any:
    """Length against score: at most 800 items a run as dots, means by length as a line.

    Each mean is of ``FEW`` items or more. Arguments as those of ``distribution``.
    """
    made, axes = figure(*SMALL)
    drawn = False
    for letter, own in values.by_run.items():
        words = values.words[letter]
        rows = np.flatnonzero(np.isfinite(own) & np.isfinite(words))
        if len(rows) < FEW or np.ptp(words[rows]) == 0:
            continue
        colour = colour_of(letters.index(letter))
        some = rows
        if len(rows) > 800:
            some = np.random.default_rng(0).choice(rows, 800, replace=False)
        axes.plot(words[some], own[some], ".", color=colour, alpha=0.25, markersize=3)
        bins = np.array_split(
            rows[np.argsort(words[rows], kind="stable")], min(8, len(rows) // FEW)
        )
        means = [(float(words[b].mean()), float(own[b].mean())) for b in bins]
        axes.plot([m[0] for m in means], [m[1] for m in means], "-o", color=colour, linewidth=1.6,
                  markersize=4, label=f"{letter}, n {len(rows)}")  # fmt: skip
        drawn = True
    if not drawn:
        return None
    axes.set_xlabel("words of the answer")
    axes.set_ylim(*_with_room(scale))
    axes.set_ylabel(f"{values.metric} ({values.unit})")
    _legend(axes)
    return made


def _with_room(scale: tuple[float, float]) -> tuple[float, float]:
    room = 0.04 * (scale[1] - scale[0])
    return scale[0] - room, scale[1] + room


def _legend(axes: Any, **where: Any) -> None:
    columns = 1 + (len(axes.get_legend_handles_labels()[0]) - 1) // 6
    axes.legend(frameon=False, labelcolor=INK_COLOUR, fontsize=8, ncols=columns, **where)
