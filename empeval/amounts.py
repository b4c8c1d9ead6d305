"""Numbers as a person reads them: a value, an interval, a p value."""

from __future__ import annotations

from empeval.records import Interval


def amount(value: float | None) -> str:
    """A value with as many decimals as its size calls for; a dash where there is none."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1e9:
        return f"{value:.3g}"
    text = f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(ends: Interval | None) -> str:
    """An interval, or a dash."""
    return "-" if ends is None else between(ends.low, ends.high)


def between(low: float | None, high: float | None) -> str:
    """From where to where, or a dash."""
    return "-" if low is None or high is None else f"{amount(low)} to {amount(high)}"


def probability(p: float | None) -> str:
    """A p value: three decimals, or a bound."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"
