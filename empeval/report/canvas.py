"""What plots are drawn on, by matplotlib: one style, in the page's colours or on white.

Colours are drawn as the ones in ``INK``; in the page they become CSS variables, so that a plot is
dark where the page is.
"""

from __future__ import annotations

import contextlib
import io
import math
from typing import Any

from empeval.extras import MissingPackageError, is_installed, require
from empeval.notices import warn

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
DASHES = ("-", "--", ":", "-.")
"""Lines of the first eight runs, which have a colour each, of the next eight, and so on."""
DPI = 160

WIDTH = 3.9
"""Inches of a plot: three stand side by side on a wide page, one is readable on a phone."""


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


def space(made: Any) -> str:
    """What a plot takes up in the page's grid, as classes of its style."""
    width, height = made.get_size_inches()
    wide = "whole" if width > 2 * WIDTH + 0.4 else "wide" if width > WIDTH else ""
    return f"{wide} rows-{min(4, math.ceil(height / 3.2))}".strip()


def png(made: Any) -> bytes:
    """A figure as PNG on white."""
    stream = io.BytesIO()
    made.savefig(stream, format="png", dpi=DPI, facecolor="white", transparent=False)
    return stream.getvalue()


def shortened(name: str, most: int = 28) -> str:
    """A name that fits beside a plot: its end, where a path differs."""
    return name if len(name) <= most else f"...{name[3 - most :]}"
