"""One number for empathy out of the teacher's heads, on the scale of people's 1-5.

The latent is a weighted sum of the standardised latents of heads; which sum, is chosen on the
validation part among a few that are written down here. Its scale is tied to the ratings 1-5 of
EmpatheticExchanges by a proportional-odds model fitted on the same part: the label is the rating
that those raters would be expected to give.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from empeval.auditing.rated import RatedSet
from empeval_training.agreement import pairwise, spearman
from empeval_training.teacher.targets import NAMES

CANDIDATES: dict[str, dict[str, float]] = {
    "exchanges": {"exchanges": 1.0},
    "ratings": {"ratings": 1.0},
    "exchanges + ratings": {"exchanges": 1.0, "ratings": 1.0},
    "exchanges + 2 ratings": {"exchanges": 1.0, "ratings": 2.0},
    "2 exchanges + ratings": {"exchanges": 2.0, "ratings": 1.0},
    "exchanges + ratings + mechanisms": {
        "exchanges": 1.0,
        "ratings": 1.0,
        "emotional_reaction": 0.33,
        "interpretation": 0.33,
        "exploration": 0.33,
    },
    "exchanges + ratings + half of condolence": {
        "exchanges": 1.0,
        "ratings": 1.0,
        "condolence": 0.5,
    },
}
TIED_TO = "exchanges-1-5"
STEPS = (1.5, 2.5, 3.5, 4.5)


class Overall(msgspec.Struct, frozen=True, kw_only=True):
    """``overall.json`` of a teacher.

    Attributes:
        chosen: the name of the sum.
        weights, means, deviations: head -> weight on its standardised latent, and what
            standardises it.
        slope, thresholds: of the proportional odds: P(rating > k) = sigmoid(slope g - t_k).
        agreement: candidate -> set -> Spearman on the validation part; what was chosen by.
        tied_to: whose raters' scale it is.
        n: how many ratings tied it.
    """

    chosen: str
    weights: dict[str, float]
    means: dict[str, float]
    deviations: dict[str, float]
    slope: float
    thresholds: tuple[float, ...]
    agreement: dict[str, dict[str, float]]
    tied_to: str
    n: int

    def latent(self, latents: np.ndarray) -> np.ndarray:
        """The sum, shape (rows,), of latents of shape (rows, heads)."""
        total: np.ndarray = sum(
            weight * (latents[:, NAMES.index(n)] - self.means[n]) / self.deviations[n]
            for n, weight in self.weights.items()
        ) / sum(self.weights.values())
        return total

    def empathy(self, latents: np.ndarray) -> np.ndarray:
        """The expected rating, shape (rows,), in (1, 5)."""
        latent = self.slope * self.latent(latents)
        label: np.ndarray = 1 + expit(latent[:, None] - np.array(self.thresholds)).sum(1)
        return label


def fit_overall(sets: Sequence[RatedSet], latents: dict[str, np.ndarray]) -> Overall:
    """Choose the sum and tie its scale.

    Args:
        sets: their validation part.
        latents: set -> (replies, heads).
    """
    every = np.concatenate([latents["exchanges-1-5"], latents["ratings-1-3"]])
    means = dict(zip(NAMES, every.mean(0).tolist(), strict=True))
    deviations = dict(zip(NAMES, every.std(0).clip(1e-6).tolist(), strict=True))
    by_name = {rated.name: rated for rated in sets}

    def candidate(name: str) -> Overall:
        weights = CANDIDATES[name]
        return Overall(
            chosen=name,
            weights=weights,
            means={n: means[n] for n in weights},
            deviations={n: deviations[n] for n in weights},
            slope=1.0,
            thresholds=(0.0,) * len(STEPS),
            agreement={},
            tied_to=TIED_TO,
            n=0,
        )

    agreement: dict[str, dict[str, float]] = {}
    for name in CANDIDATES:
        one = candidate(name)
        figures = {}
        for rated in sets:
            dimension = rated.dimensions[-1].name
            said = np.array([r.mean(dimension) for r in rated.replies], dtype=float)
            groups = np.unique([r.dialogue for r in rated.replies], return_inverse=True)[1]
            own = one.latent(latents[rated.name])
            figures[rated.name] = round(spearman(own, said, groups), 4)
            if rated.name == "ratings-1-3":
                figures["pairs"] = round(pairwise(own, said, groups), 4)
        agreement[name] = figures
    best = max(agreement, key=lambda name: _worth(agreement[name]))
    one = candidate(best)
    ratings = [r.mean("empathy") for r in by_name[TIED_TO].replies]
    slope, thresholds = proportional_odds(
        one.latent(latents[TIED_TO]), np.array(ratings, dtype=float), STEPS
    )
    return msgspec.structs.replace(
        one, slope=slope, thresholds=thresholds, agreement=agreement, n=len(ratings)
    )


def _worth(figures: dict[str, float]) -> float:
    """What a sum is chosen by: both kinds of ratings of ED replies, and pairs."""
    return figures[TIED_TO] + figures["ratings-1-3"] + 2 * (figures["pairs"] - 0.5)


def proportional_odds(
    latent: np.ndarray, ratings: np.ndarray, steps: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """Slope (not below 0) and rising thresholds of P(rating > step) by maximum likelihood.

    McCullagh (1980): Regression models for ordinal data. JRSS B 42.

    Args:
        latent: shape (rows,).
        ratings: shape (rows,).
        steps: between the levels.
    """
    level = (ratings[:, None] > np.array(steps)).sum(1)
    shares = [np.clip((level > k).mean(), 0.01, 0.99) for k in range(len(steps))]
    first = np.array([-np.log(s / (1 - s)) for s in shares])
    start = np.concatenate([[0.0], first[:1], np.log(np.diff(first).clip(1e-2))])

    def unpack(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.exp(x[0])), x[1] + np.concatenate([[0.0], np.cumsum(np.exp(x[2:]))])

    def loss(x: np.ndarray) -> float:
        slope, thresholds = unpack(x)
        above = expit(slope * latent[:, None] - thresholds)
        edges = np.concatenate([np.ones((len(latent), 1)), above, np.zeros((len(latent), 1))], 1)
        chance = edges[np.arange(len(level)), level] - edges[np.arange(len(level)), level + 1]
        return float(-np.log(chance.clip(1e-9)).mean())

    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 20000, "xatol": 1e-5})
    slope, thresholds = unpack(found.x)
    return slope, tuple(float(t) for t in thresholds)
