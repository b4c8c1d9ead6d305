"""How often the comparison is wrong when nothing differs, and how often its interval misses.

    python benchmarks/compare_calibration.py [--simulations 2000] [--resamples 1000]

Draws paired differences with a known mean: skewed (a shifted exponential distribution, as of
scores that are bounded on one side), alone or four to a cluster with a correlation of 0.5 inside
it, from 30, 60 and 171 clusters. Prints the share of false positives at 5 % of the sign-flip test
and of an unpaired z-test of items, and how often the studentised bootstrap's 95 % interval and
Student's t hold the mean.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from tabulate import tabulate

from empeval.comparing.resampling import Sums, intervals, sign_flips
from empeval.comparing.verdicts import t_interval, t_p

SIZES = (30, 60, 171)
WITHIN = 4
CORRELATION = 0.5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rows = [_row(clusters, within, options) for clusters in SIZES for within in (1, WITHIN)]
    headers = (
        "clusters",
        "items each",
        "false positives: sign flips",
        "paired t",
        "unpaired z of items",
        "coverage: bootstrap-t",
        "Student's t",
    )
    print(tabulate(rows, headers, floatfmt=".1f"))
    error = 100 * math.sqrt(0.05 * 0.95 / options.simulations)
    print(
        f"\npercent of {options.simulations} simulations, {options.resamples} resamples each; "
        f"standard error about {error:.1f}"
    )
    return 0


def _row(clusters: int, within: int, options: argparse.Namespace) -> list[float]:
    dice = np.random.default_rng([options.seed, clusters, within])
    numbers = np.repeat(np.arange(clusters), within)
    hits = np.zeros(5)
    for number in range(options.simulations):
        base, candidate = draw(dice, clusters, within)
        change = (candidate - base)[:, None]
        sums = Sums.of(change, numbers)
        mean, error = float(sums.means[0]), float(sums.errors()[0])
        flips = sign_flips(sums, resamples=options.resamples, seed=number)[0]
        low, high = intervals(sums, resamples=options.resamples, seed=number, levels=(0.95,))[0, 0]
        t = t_interval(mean, error, clusters) or (math.nan, math.nan)
        p = t_p(mean, error, clusters)
        z = (candidate.mean() - base.mean()) / math.sqrt(
            (base.var(ddof=1) + candidate.var(ddof=1)) / len(base)
        )
        hits += (
            flips < 0.05,
            p is not None and p < 0.05,
            abs(z) > 1.959964,
            low <= 0 <= high,
            t[0] <= 0 <= t[1],
        )
    return [clusters, within, *(100 * hits / options.simulations)]


def draw(dice: np.random.Generator, clusters: int, within: int) -> tuple[np.ndarray, np.ndarray]:
    """Item values of two runs whose difference has the mean 0, skewed and correlated.

    Both runs share the items' difficulty, which is what pairing takes out.
    """
    shared = np.repeat(dice.normal(0, 1, clusters), within)
    own = np.repeat(dice.exponential(1, clusters) - 1, within)
    alone = dice.exponential(1, clusters * within) - 1
    weight = CORRELATION if within > 1 else 0.0
    change = math.sqrt(weight) * own + math.sqrt(1 - weight) * alone
    base = shared + dice.normal(0, 0.3, clusters * within)
    return base, base + change


if __name__ == "__main__":
    raise SystemExit(main())
