"""Many tests at once: Holm for headline metrics, Benjamini-Hochberg for slices."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from empeval.comparing.records import Difference
from empeval.comparing.unscored import with_unscored_rule

ALPHA = 0.05


def judged(found: Sequence[Difference], max_unscored: float) -> list[Difference]:
    """Differences with the verdicts that they get wherever they are shown, in the order given.

    Headline metrics have p adjusted over all of them here; *better* and *worse* take one under
    0.05. A verdict by the worst case stays: it does not rest on a test.

    Args:
        found: as ``estimating.estimate`` gives them; all metrics of two runs, or one metric of all
            pairs of runs.
        max_unscored: the share of items, 0 to 1, that a metric may lack.
    """
    ruled = [with_unscored_rule(d, max_unscored) for d in found]
    tested = [d.p_values.deciding for d in ruled if d.headline]
    adjusted = iter(holm([p for p in tested if p is not None]))
    return [
        d if not d.headline or d.p_values.deciding is None else _adjusted(d, next(adjusted))
        for d in ruled
    ]


def _adjusted(d: Difference, p: float) -> Difference:
    lost = d.verdict in ("better", "worse") and p >= ALPHA and not d.too_unscored
    made: Difference = msgspec.structs.replace(
        d,
        p_values=msgspec.structs.replace(d.p_values, holm=p),
        verdict="inconclusive" if lost else d.verdict,
    )
    return made


def told_apart(d: Difference) -> bool:
    """Whether two runs differ by a metric: as for a verdict, the interval and p must say so."""
    ends, p = d.change.interval, d.p_values.holm
    if d.too_unscored or ends is None or p is None:
        return False
    return p < ALPHA and not ends.low <= 0 <= ends.high


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (Holm 1979), in the order given."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(values) else scaled
    result = np.empty(len(values))
    result[order] = adjusted
    return [float(x) for x in result]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p values that hold the false discovery rate, by scipy; in the order given."""
    if not len(p):
        return []
    from scipy.stats import false_discovery_control

    return [float(x) for x in false_discovery_control(np.asarray(p, dtype=float))]
