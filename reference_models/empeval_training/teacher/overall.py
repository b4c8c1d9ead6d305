"""One number for empathy out of the teacher's heads, on the scale of people's 1-5.

The latent is a weighted sum of the standardised latents of heads, less what a reply loses by not
being to this dialogue: a multiple of the log of the probability that it is. Which sum and which
multiple, is chosen on validation among a few that are written down here. Its scale is tied to the
ratings 1-5 of EmpatheticExchanges, and to ratings 1-3 linked to them, by a proportional-odds model
fitted on the same part: the label is the rating that those raters would be expected to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from empeval.auditing.rated import RatedSet
from empeval_empathy.scales import RELEVANCE, Overall
from empeval_training.agreement import pairwise, spearman
from empeval_training.teacher.linear import LEARNED
from empeval_training.teacher.targets import NAMES

COLUMNS = (*NAMES, *LEARNED)
"""What a row of latents is: the network's heads, then the linear ones."""
NETWORK = {"exchanges": 1.0, "ratings": 1.0}
LINEAR = {"exchanges-linear": 1.0, "ratings-linear": 1.0}
CANDIDATES: dict[str, dict[str, float]] = {
    "exchanges": {"exchanges": 1.0},
    "ratings": {"ratings": 1.0},
    "exchanges + ratings": NETWORK,
    "both linear": LINEAR,
    "ratings linear": {"ratings-linear": 1.0},
    "exchanges + ratings + both linear": NETWORK | LINEAR,
    "exchanges + ratings + 2 ratings linear": NETWORK | {"ratings-linear": 2.0},
}
RELEVANCES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Multiples of the log-probability that are tried."""
BAR = 0.9
"""So often a person's reply must stand above a reply to somebody else. Beyond that a larger
multiple says less and less of strangers and more of how usual a reply is."""
TIED_TO, LINKED = "exchanges-1-5", "ratings-1-3"
STEPS = (1.5, 2.5, 3.5, 4.5)


@dataclass(frozen=True, kw_only=True)
class Fitted(Overall):
    """The chosen sum and its scale, with what it was chosen by.

    Attributes:
        columns: what a row of latents is.
        agreement: candidate -> set -> Spearman on the validation part; what was chosen by.
        tied_to: whose raters' scale it is.
        n: how many ratings tied it.
    """

    columns: tuple[str, ...]
    agreement: dict[str, dict[str, float]]
    tied_to: str
    n: int

    def latent(self, latents: np.ndarray) -> np.ndarray:
        """The sum, shape (rows,), of latents of shape (rows, columns)."""
        parts = [
            weight * (latents[:, self.columns.index(n)] - self.means[n]) / self.deviations[n]
            for n, weight in self.weights.items()
        ]
        sure = latents[:, self.columns.index(RELEVANCE)] - self.unsure
        total: np.ndarray = np.sum(parts, axis=0) / sum(self.weights.values())
        total += self.relevance * log_expit(sure)
        return total

    def empathy(self, latents: np.ndarray) -> np.ndarray:
        """The expected rating, shape (rows,), in (1, 5)."""
        latent = self.slope * self.latent(latents)
        label: np.ndarray = 1 + expit(latent[:, None] - np.array(self.thresholds)).sum(1)
        return label


@dataclass(frozen=True, eq=False)
class Said:
    """What people said of replies.

    Attributes:
        name: of the rated set.
        values: shape (replies,), on the set's own scale.
        dialogues: (replies,) what was replied to.
        tied: shape (replies,), the same on people's 1-5; ``None`` where nothing ties it to that.
    """

    name: str
    values: np.ndarray
    dialogues: Sequence[str]
    tied: np.ndarray | None = None


def said_of(rated: RatedSet, linked: Mapping[int, float]) -> Said:
    """What people said of a rated set's replies; the last dimension of its is the whole.

    Args:
        rated: the replies, of one part.
        linked: each rating 1-3 on the scale of the ratings 1-5.
    """
    dimension = rated.dimensions[-1].name
    values = np.array([reply.mean(dimension) for reply in rated.replies], dtype=float)
    tied = None
    if rated.name == TIED_TO:
        tied = values
    elif rated.name == LINKED:
        tied = np.array([linked[round(value)] for value in values])
    return Said(rated.name, values, [reply.dialogue for reply in rated.replies], tied)


def fit_overall(
    sets: Sequence[Said],
    latents: dict[str, np.ndarray],
    turns: np.ndarray,
    strangers: np.ndarray,
    unsure: float,
    columns: Sequence[str] = COLUMNS,
    candidates: Mapping[str, Mapping[str, float]] = CANDIDATES,
) -> Fitted:
    """Choose the sum and tie its scale.

    Of the multiples of relevance the smallest is taken that reaches ``BAR`` on validation, and of
    the sums with it the one that is worth most; of all where none reaches it.

    Args:
        sets: what people said of the validation part, ``TIED_TO`` and ``LINKED`` among it.
        latents: set -> (replies, columns).
        turns: (turns, columns) of people's replies.
        strangers: (turns, columns) of replies to somebody else in their place.
        unsure: see ``Overall``.
        columns: what a row of latents is.
        candidates: the sums: name -> column -> weight.
    """
    every = np.concatenate([latents[TIED_TO], latents[LINKED]])
    means = dict(zip(columns, every.mean(0).tolist(), strict=True))
    deviations = dict(zip(columns, every.std(0).clip(1e-6).tolist(), strict=True))

    def candidate(sum_of: str, relevance: float) -> Fitted:
        weights = dict(candidates[sum_of])
        return Fitted(
            chosen=f"{sum_of} + {relevance:g} log P(relevant)" if relevance else sum_of,
            weights=weights,
            means={n: means[n] for n in weights},
            deviations={n: deviations[n] for n in weights},
            relevance=relevance,
            unsure=unsure,
            slope=1.0,
            thresholds=(0.0,) * len(STEPS),
            columns=tuple(columns),
            agreement={},
            tied_to=TIED_TO,
            n=0,
        )

    agreement: dict[str, dict[str, float]] = {}
    sums = [candidate(name, multiple) for name in candidates for multiple in RELEVANCES]
    for one in sums:
        metrics = {}
        for said in sets:
            groups = np.unique(said.dialogues, return_inverse=True)[1]
            own = one.latent(latents[said.name])
            metrics[said.name] = round(spearman(own, said.values, groups), 4)
            if said.name == LINKED:
                metrics["pairs"] = round(pairwise(own, said.values, groups), 4)
        wins = np.sign(one.latent(turns) - one.latent(strangers))
        metrics["above a stranger's"] = round(float((1 + wins).mean() / 2), 4)
        agreement[one.chosen] = metrics
    reaching = [one for one in sums if agreement[one.chosen]["above a stranger's"] >= BAR]
    least = min((one.relevance for one in reaching), default=None)
    able = [one for one in reaching if one.relevance == least] or sums
    one = max(able, key=lambda one: worth(agreement[one.chosen]))
    tying = [(one.latent(latents[s.name]), s.tied) for s in sets if s.tied is not None]
    ratings = np.concatenate([tied for _, tied in tying])
    slope, thresholds = proportional_odds(
        np.concatenate([latent for latent, _ in tying]), ratings, STEPS
    )
    return replace(one, slope=slope, thresholds=thresholds, agreement=agreement, n=len(ratings))


def worth(metrics: dict[str, float]) -> float:
    """What a sum is chosen by: both kinds of ratings of ED replies, pairs, and strangers."""
    pairs, strangers = metrics["pairs"], metrics["above a stranger's"]
    return metrics[TIED_TO] + metrics[LINKED] + 2 * (pairs - 0.5) + 2 * (strangers - 0.5)


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
