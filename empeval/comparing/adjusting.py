"""Many tests at once: Holm for headline figures, Benjamini-Hochberg for slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
