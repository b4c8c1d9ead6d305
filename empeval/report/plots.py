"""The plots of a report: SVG for the page, SVG and PNG for papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empeval.comparing.records import Difference
from empeval.estimates import times
from empeval.records import Estimate
from empeval.report.canvas import (
    DASHES,
    FAINT,
    INK_COLOUR,
    RUN_COLOURS,
    WIDTH,
    colour_of,
    figure,
    shortened,
)
from empeval.report.collect import LETTERS, Values

SMALL = (WIDTH, 2.5)
"""Inches of a plot of one metric of one task."""

MOST_LINES = 3
"""Runs that can be told apart where they are drawn over each other."""

FEW = 10
"""A mean of fewer answers says little and is shown so."""


def effects(differences: Sequence[Difference]) -> list[tuple[Difference, Estimate]]:
    """Differences in standard deviations of the items' differences; what is better is above 0.

    Metrics that only describe are left out: for them nothing is better or worse.
    """
    return [
        (d, times(d.change, (1 if d.higher_is_better else -1) * d.effect.size / d.change.value))
        for d in differences
        if d.effect.size
        and d.change.value
        and d.change.interval is not None
        and d.higher_is_better is not None
    ]


def forest(differences: Sequence[Difference], beside: Sequence[Difference]) -> Any:
    """Differences with 95 % intervals, in standard deviations of the items' differences.

    Args:
        differences: of one candidate.
        beside: of all candidates; the scale has room for them.
    """
    rows = effects(differences)
    if not rows:
        return None
    rows.reverse()
    made, axes = figure(WIDTH, 0.75 + 0.36 * len(rows))
    for place, (d, shown) in enumerate(rows):
        colour = {"better": RUN_COLOURS[2], "worse": RUN_COLOURS[4]}.get(
            d.verdict or "", INK_COLOUR
        )
        if ends := shown.interval:
            axes.plot([ends.low, ends.high], [place, place], color=colour, linewidth=2)
        axes.plot([shown.value], [place], "o", color=colour, markersize=6)
    reach = [x for _, e in effects(beside) if e.interval for x in (e.interval.low, e.interval.high)]
    axes.set_xlim(*_with_room((min(0.0, *reach), max(0.0, *reach))))
    axes.axvline(0, color=FAINT, linewidth=1)
    names = [
        f"{shortened(f'{d.scorer}.{d.metric}')}\n{shortened(d.task)}, n {d.change.n}"
        for d, _ in rows
    ]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("worse  ←  standard deviations  →  better\n95 % intervals")
    return made


def scale_of(several: Sequence[Values]) -> tuple[float, float] | None:
    """The lowest and the highest item value of a metric in any of its tasks and runs."""
    finite = [own[np.isfinite(own)] for values in several for own in values.by_run.values()]
    every = np.concatenate(finite) if finite else np.array([])
    if not len(every) or np.ptp(every) == 0:
        return None
    return float(every.min()), float(every.max())


def distribution(values: Values, letters: Sequence[str], scale: tuple[float, float]) -> Any:
    """How a figure's item values are spread: a histogram a run, or of many runs their quantiles.

    Args:
        values: the metric's values.
        letters: of all runs.
        scale: the ends of the axis, the same in every plot of a metric (``scale_of``).
    """
    finite = {letter: own[np.isfinite(own)] for letter, own in values.by_run.items()}
    if not any(map(len, finite.values())):
        return None
    if len(finite) > MOST_LINES:
        return _quantiles(values, finite, letters, scale)
    count = max(map(len, finite.values()))
    made, axes = figure(*SMALL)
    edges = np.linspace(*scale, 1 + min(30, max(5, int(np.sqrt(count)))))
    for letter, there in finite.items():
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


def _quantiles(
    values: Values,
    finite: Mapping[str, np.ndarray],
    letters: Sequence[str],
    scale: tuple[float, float],
) -> Any:
    """A row a run: 90 and 50 percent of its items, and their mean."""
    made, axes = figure(WIDTH, 0.8 + 0.2 * len(finite))
    for row, (letter, there) in enumerate(finite.items()):
        colour = colour_of(letters.index(letter))
        if len(there):
            low, lower, upper, high = np.quantile(there, (0.05, 0.25, 0.75, 0.95))
            axes.plot([low, high], [row, row], color=colour, linewidth=1.2)
            axes.plot([lower, upper], [row, row], color=colour, linewidth=5, solid_capstyle="butt")
            axes.plot([there.mean()], [row], "|", color=INK_COLOUR, markersize=9, mew=1.6)
    names = [f"{letter}, n {len(there)}" for letter, there in finite.items()]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(*_with_room(scale))
    axes.set_xlabel(f"{values.metric} ({values.unit})\nmean, 50 % and 90 % of the items")
    return made


def failing(counts: Mapping[str, Counter[str]], sizes: Mapping[str, int]) -> Any:
    """How often answers failed, by reason, a bar a run with the counts behind it."""
    reasons = sorted({r for c in counts.values() for r in c}, key=lambda r: _total(counts, r))
    if not reasons:
        return None
    made, axes = figure(WIDTH, 0.6 + 0.17 * (len(counts) + 1) * len(reasons))
    height = 1 / (len(counts) + 1)
    for number, (letter, own) in enumerate(counts.items()):
        shares = [100 * own[reason] / max(1, sizes[letter]) for reason in reasons]
        places = np.arange(len(reasons)) + 0.5 - height * (number + 1)
        axes.barh(places, shares, 0.9 * height, color=colour_of(LETTERS.index(letter)))
        for place, share, reason in zip(places, shares, reasons, strict=True):
            axes.annotate(f"{letter}: {own[reason]} of {sizes[letter]}", (share, place),
                          xytext=(3, 0), textcoords="offset points", va="center",
                          color=INK_COLOUR, fontsize=8)  # fmt: skip
    axes.set_yticks(range(len(reasons)), [shortened(reason) for reason in reasons])
    axes.set_xlim(0, 1.45 * axes.get_xlim()[1])  # room for what stands behind the bars
    axes.locator_params(axis="x", nbins=4, prune="upper")
    axes.set_xlabel("percent of answers")
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
    made, axes = figure(_columns(1.75 + 0.5 * len(runs)), 0.7 + 0.235 * len(emotions))
    edges = np.arange(len(runs) + 1) - 0.5, np.arange(len(emotions) + 1) - 0.5
    shown = np.where(counts >= FEW, table, np.nan)
    cells = axes.pcolormesh(*edges, shown, cmap="cividis", vmin=low, vmax=high)
    axes.invert_yaxis()
    most = counts.max(axis=1)
    for row, column in np.argwhere(counts > 0):
        text = f"{table[row, column]:.2f}"
        if counts[row, column] != most[row]:
            text += f" ({counts[row, column]})"
        colour = FAINT
        if counts[row, column] >= FEW:
            colour = _readable_on(cells.to_rgba(table[row, column]))
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    names = [f"{name} (n {n})" for name, n in zip(emotions, most, strict=True)]
    axes.set_yticks(range(len(emotions)), names)
    axes.set_xticks(range(len(runs)), runs)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(f"mean {values.metric}")
    return made


def _columns(width: float) -> float:
    """The inches of one plot, of two side by side with what is between them, or more."""
    return next((w for w in (WIDTH, 2 * WIDTH + 0.4) if width <= w), width)


def _readable_on(colour: Sequence[float]) -> str:
    """Black or white, whichever has more contrast on a colour (WCAG 2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = float(np.dot((0.2126, 0.7152, 0.0722), linear))
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def length_plot(values: Values, letters: Sequence[str], scale: tuple[float, float]) -> Any:
    """Length against score: at most 800 items a run as dots, means by length as a line.

    Each mean is of ``FEW`` items or more; of many runs there are no dots. Arguments as those of
    ``distribution``.
    """
    few = len(values.by_run) <= MOST_LINES
    made, axes = figure(WIDTH, SMALL[1] + (0 if few else 0.2 * (len(values.by_run) // 4 + 1)))
    drawn = False
    for letter, own in values.by_run.items():
        words = values.words[letter]
        rows = np.flatnonzero(np.isfinite(own) & np.isfinite(words))
        if len(rows) < FEW or np.ptp(words[rows]) == 0:
            continue
        place = letters.index(letter)
        colour = colour_of(place)
        some = rows
        if len(rows) > 800:
            some = np.random.default_rng(0).choice(rows, 800, replace=False)
        if few:
            axes.plot(words[some], own[some], ".", color=colour, alpha=0.25, markersize=3)
        bins = np.array_split(
            rows[np.argsort(words[rows], kind="stable")], min(8, len(rows) // FEW)
        )
        means = [(float(words[b].mean()), float(own[b].mean())) for b in bins]
        axes.plot([m[0] for m in means], [m[1] for m in means], marker="o", color=colour,
                  linestyle=DASHES[place // len(RUN_COLOURS)], linewidth=1.6, markersize=4,
                  label=f"{letter}, n {len(rows)}")  # fmt: skip
        drawn = True
    if not drawn:
        return None
    axes.set_xlabel("words of the answer")
    if few:
        axes.set_ylim(*_with_room(scale))
    axes.set_ylabel(f"{values.metric} ({values.unit})")
    _legend(axes, outside=not few)
    return made


def _with_room(scale: tuple[float, float]) -> tuple[float, float]:
    room = 0.04 * (scale[1] - scale[0])
    return scale[0] - room, scale[1] + room


def _legend(axes: Any, *, outside: bool = False) -> None:
    where = {"loc": "outside lower center", "ncols": 4} if outside else {}
    (axes.figure if outside else axes).legend(
        frameon=False, labelcolor=INK_COLOUR, fontsize=8, **where
    )
