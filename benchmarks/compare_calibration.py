"""How often a comparison is wrong when nothing differs, and how often its intervals miss.

    python benchmarks/compare_calibration.py [--simulations 4000] [--resamples 10000]

Draws two runs of four items a cluster, from 30, 171 and 1,000 clusters, whose paired differences
have the mean 0: skewed (a shifted exponential distribution, as of scores that are bounded on one
side) and correlated by 0.5 inside a cluster. Each simulation is judged as ``empeval compare`` does
it. Printed are, in percent, false verdicts, false positives of each test, of a t test that takes
items for independent, and by the ends of the interval (each half decides a non-inferiority test);
and how often intervals hold the true mean: of the difference, at equal length, of one run's mean,
and of a share of 30 % whose items are correlated alike.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter

import numpy as np
from tabulate import tabulate

from empeval.comparing.adjusting import judged
from empeval.comparing.estimating import estimate
from empeval.comparing.metrics import Paired
from empeval.estimates import mean_of, share_of, t_interval
from empeval.records import Interval, Metric, Source

SIZES = (30, 171, 1000)
WITHIN = 4
CORRELATION = 0.5
SHARE = 0.3
BATCH = 250
"""Simulations that are resampled together: they have the same draws of clusters."""

METRIC = Metric(
    "made", "made", "made", None, None, None, 0, 0, "points", True, 0, None, Source("x")
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    started = time.perf_counter(), time.process_time()
    counts = {clusters: _count(clusters, options) for clusters in SIZES}
    names = list(dict.fromkeys(name for own in counts.values() for name in own))
    rows = [
        [name, *(100 * own[name] / options.simulations for own in counts.values())]
        for name in names
    ]
    print(tabulate(rows, ["percent", *(f"{n} clusters" for n in SIZES)], floatfmt=".1f"))
    error = 100 * math.sqrt(0.05 * 0.95 / options.simulations)
    print(
        f"\n{options.simulations} simulations, {options.resamples} resamples each; standard error "
        f"of 5 and 95 percent {error:.2f}; {time.perf_counter() - started[0]:.0f} s, "
        f"{time.process_time() - started[1]:.0f} s of CPU"
    )
    return 0


def _count(clusters: int, options: argparse.Namespace) -> Counter[str]:
    numbers = np.repeat(np.arange(clusters), WITHIN)
    found: Counter[str] = Counter()
    for start in range(0, options.simulations, BATCH):
        dice = np.random.default_rng([options.seed, clusters, start])
        pairs = [draw(dice, clusters) for _ in range(min(BATCH, options.simulations - start))]
        every = estimate(
            pairs,
            numbers,
            set(range(len(pairs))),
            lambda *_: None,
            resamples=options.resamples,
            seed=start,
        )
        for pair, d in zip(pairs, every, strict=True):
            (d,) = judged([d], 0.05)  # alone: a simulation is a comparison of its own
            hits = dice.normal(0, 1, clusters)[numbers] * math.sqrt(CORRELATION)
            hits += dice.normal(0, 1, len(numbers)) * math.sqrt(1 - CORRELATION)
            found.update(_facts(pair, d, share_of(hits < -0.5244005, numbers), numbers))
    return found


def _facts(pair: Paired, d, share, numbers: np.ndarray) -> dict[str, bool]:
    change, left = d.change, d.at_equal_length.change
    z = change.value / pair.differences.std(ddof=1) * math.sqrt(len(numbers))
    said = {
        "verdict better or worse": d.verdict != "inconclusive",
        "p of the bootstrap < 0.05": d.p_values.bootstrap < 0.05,
        "p of sign flips < 0.05": d.p_values.sign_flips < 0.05,
        "p of paired t < 0.05": d.p_values.t < 0.05,
        "p of t over items, for contrast": abs(z) > 1.959964,
        "interval lies above 0": change.interval.low > 0,
        "interval lies below 0": change.interval.high < 0,
        "interval holds the difference": _holds(change.interval, 0),
        "Student's t would": _holds(
            t_interval(change.value, change.standard_error, change.clusters), 0
        ),
        "at equal length": _holds(left.interval, 0),
        "of one run's mean": _holds(mean_of(pair.base, numbers).interval, 0),
        f"of a share of {100 * SHARE:.0f} percent": _holds(share.interval, 100 * SHARE),
    }
    return {name: bool(true) for name, true in said.items()}  # numpy adds two trues to one


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def draw(dice: np.random.Generator, clusters: int) -> Paired:
    """Two runs whose difference has the mean 0, skewed and correlated inside of clusters.

    Both share the items' difficulty, which is what pairing takes out. Lengths of answers differ at
    random.
    """
    items = clusters * WITHIN
    shared = np.repeat(dice.normal(0, 1, clusters), WITHIN)
    own = np.repeat(dice.exponential(1, clusters) - 1, WITHIN)
    alone = dice.exponential(1, items) - 1
    change = math.sqrt(CORRELATION) * own + math.sqrt(1 - CORRELATION) * alone
    base = shared + dice.normal(0, 0.3, items)
    words = dice.normal(0, 10, items).round()
    return Paired(METRIC, base, base + change, words, (items, items), (0, 0))


if __name__ == "__main__":
    raise SystemExit(main())
