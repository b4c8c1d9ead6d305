"""The hybrid label: signals weighted as people's ratings say, mapped into [1, 5].

The weights are a ridge regression on standardised signals with three kinds of rows, all from the
dialogues that fitting may see: EPITOME's sums; the 1-3 ratings, within their dialogue, because
one rater rates all replies to a dialogue and raters differ; and, in the same dialogues, one
constructed reply each (a reply to another dialogue, a dismissal, advice alone, a commonplace)
that stands as a 1, because nobody rated replies that bad. The levels of EPITOME's mechanisms
enter cross-fitted for the posts that their model was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from scipy.special import expit

from empeval import DataError
from empeval_training.examples import ADVICE_ONLY, DISMISSIVE, GENERIC, Example
from empeval_training.ratings import MECHANISMS, Rated
from empeval_training.signals import (
    NAMES,
    Embedder,
    Linear,
    Pairs,
    SignalModels,
    fit_mechanisms,
    fit_signal_models,
    load_arrays,
    mechanism_features,
    probabilities,
    save_arrays,
)

RIDGE = 0.1
"""Penalty on standardised signals, beside rows whose mean square is 1."""

BLOCKS = {"epitome": 1.0, "ratings": 3.0}
"""Weights of the two sources: the 1-3 ratings are of the kind of dialogue that is labelled."""

TRUST = {"epitome": 0.7, "ratings": 0.3}
"""How much of the rating itself goes into the label of a rated reply; the signals give the rest.
EPITOME's levels are trained annotators', a 1-3 rating is one crowd worker's."""

FEWEST = 50
FOLDS = 5
SPAN = (0.05, 0.95)
"""These quantiles of the training mixture are mapped to 1.5 and 4.5."""


class Facts(msgspec.Struct, frozen=True):
    """``labeller.json``: everything of a labeller but the arrays.

    Attributes:
        weights: signal -> weight on the standardised signal.
        means, deviations: signal -> what it is standardised with.
        centre, slope: of the logistic map of the weighted sum into [1, 5].
        emotions: in the order of the emotion models' classes.
        fitted_on: how many rows of each kind.
    """

    weights: dict[str, float]
    means: dict[str, float]
    deviations: dict[str, float]
    centre: float
    slope: float
    emotions: tuple[str, ...]
    fitted_on: dict[str, int]


@dataclass(frozen=True)
class Labeller:
    """Labels replies; made by ``fit_labeller``, kept in a folder of two small files."""

    models: SignalModels
    facts: Facts

    def sums(self, signals: np.ndarray) -> np.ndarray:
        """The weighted sums of standardised signals, shape (pairs,)."""
        return weighted_sums(signals, self.facts)

    def to_label(self, sums: np.ndarray) -> np.ndarray:
        """Weighted sums mapped into [1, 5]."""
        labels: np.ndarray = 1 + 4 * expit(self.facts.slope * (sums - self.facts.centre))
        return labels

    def label(self, pairs: Pairs) -> np.ndarray:
        """The hybrid label of each pair, shape (pairs,), in [1, 5]."""
        return self.to_label(self.sums(self.models.compute(pairs)))

    def save(self, folder: Path) -> None:
        """Write ``labeller.json`` and ``labeller.safetensors``."""
        folder.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(self.facts), indent=2)
        (folder / "labeller.json").write_bytes(text + b"\n")
        save_arrays(
            {n: a.astype(np.float16) for n, a in self.models.arrays().items()},
            folder / "labeller.safetensors",
        )

    @classmethod
    def load(cls, folder: Path) -> Labeller:
        """Read what ``save`` wrote.

        Raises:
            DataError: the folder holds no labeller, or a broken one.
        """
        try:
            facts = msgspec.json.decode((folder / "labeller.json").read_bytes(), type=Facts)
        except (OSError, msgspec.DecodeError) as error:
            raise DataError(f"{folder} holds no labeller: {error}.") from error
        for part in ("weights", "means", "deviations"):
            if set(getattr(facts, part)) != set(NAMES):
                raise DataError(
                    f"{folder / 'labeller.json'}: {part} are not of the signals {', '.join(NAMES)}."
                )
        arrays = load_arrays(folder / "labeller.safetensors")
        full = {name: array.astype(np.float32) for name, array in arrays.items()}
        try:
            return cls(SignalModels.from_arrays(full), facts)
        except KeyError as error:
            raise DataError(f"{folder / 'labeller.safetensors'} lacks {error}.") from error


def weighted_sums(signals: np.ndarray, facts: Facts) -> np.ndarray:
    """Standardised signals times their weights, summed; shape (pairs,)."""
    columns = [
        facts.weights[n] * (signals[:, i] - facts.means[n]) / facts.deviations[n]
        for i, n in enumerate(NAMES)
    ]
    return np.sum(columns, axis=0)


def fit_labeller(
    rated: Sequence[Rated], humans: Sequence[Example], embedder: Embedder, *, seed: int = 0
) -> Labeller:
    """Train the signals' models and fit the weights.

    Args:
        rated: rated replies; only those of the fitting part are used.
        humans: human replies of the training split.
        embedder: turns both into vectors.
        seed: of folds and of constructed replies.

    Returns:
        A labeller whose map into [1, 5] is not set yet: see ``set_scale``.

    Raises:
        DataError: too few rated replies.
    """
    fit = [r for r in rated if r.part == "fit"]
    posts = [r for r in fit if r.source == "epitome"]
    replies = [r for r in fit if r.source == "ratings"]
    if min(len(posts), len(replies)) < FEWEST or len({r.dialogue for r in replies}) < FOLDS:
        raise DataError(
            f"Weights cannot be fitted on {len(posts)} posts and {len(replies)} rated replies; "
            f"it takes {FEWEST} of each, to {FOLDS} dialogues or more, in the fitting part."
        )
    emotions = tuple(sorted({h.emotion for h in humans}))
    post_pairs = embedder.pairs(posts)
    levels = np.array([[r.values[m] for m in MECHANISMS] for r in posts])
    models = fit_signal_models(
        humans, embedder.pairs(humans), fit_mechanisms(post_pairs, levels), emotions, seed
    )
    constructed = construct(replies, seed)
    everything = [*replies, *constructed]
    dialogues = [r.dialogue for r in everything]
    blocks = {
        "epitome": (
            cross_fitted(posts, post_pairs, levels, models, seed),
            levels.sum(1),
            ["all"] * len(posts),
        ),
        "ratings": (
            models.compute(embedder.pairs(everything)),
            np.array([r.values["rating"] for r in everything]),
            dialogues,
        ),
    }
    facts = fit_weights(blocks)
    counts = {"epitome": len(posts), "ratings": len(replies), "constructed": len(constructed)}
    facts = msgspec.structs.replace(facts, emotions=emotions, fitted_on=counts)
    return Labeller(models, facts)


def fit_weights(blocks: dict[str, tuple[np.ndarray, np.ndarray, list[str]]]) -> Facts:
    """Ridge regression over blocks of (signals, ratings, groups), centred within groups."""
    stacked = np.concatenate([signals for signals, _, _ in blocks.values()])
    means, deviations = stacked.mean(0), stacked.std(0)
    deviations[deviations == 0] = 1.0
    left = RIDGE * np.eye(len(NAMES))
    right = np.zeros(len(NAMES))
    for name, (signals, ratings, groups) in blocks.items():
        x = centred((signals - means) / deviations, groups)
        y = centred(ratings[:, None].astype(float), groups)[:, 0]
        y = y / (y.std() or 1.0)
        left += BLOCKS[name] * x.T @ x / len(x)
        right += BLOCKS[name] * x.T @ y / len(x)
    weights = np.linalg.solve(left, right)
    return Facts(
        weights=dict(zip(NAMES, map(float, weights), strict=True)),
        means=dict(zip(NAMES, map(float, means), strict=True)),
        deviations=dict(zip(NAMES, map(float, deviations), strict=True)),
        centre=0.0,
        slope=1.0,
        emotions=(),
        fitted_on={},
    )


def centred(values: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Each column less its mean within the group; shape as given."""
    _, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((index.max() + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return values - (sums / np.bincount(index)[:, None])[index]


def cross_fitted(
    posts: Sequence[Rated], pairs: Pairs, levels: np.ndarray, models: SignalModels, seed: int
) -> np.ndarray:
    """Signals of rated posts, the mechanisms' levels by models that have not seen the post."""
    signals = models.compute(pairs)
    fold = folds([r.dialogue for r in posts], seed)
    for number in range(FOLDS):
        held = np.flatnonzero(fold == number)
        if not len(held):
            continue
        rest = np.flatnonzero(fold != number)
        fitted = fit_mechanisms(pairs.take(rest), levels[rest])
        signals[held, : len(MECHANISMS)] = expected_levels(fitted, pairs.take(held))
    return signals


def expected_levels(mechanisms: dict[str, Linear], pairs: Pairs) -> np.ndarray:
    """Expected levels of the mechanisms, shape (pairs, 3), each in [0, 2]."""
    features = mechanism_features(pairs)
    levels = [probabilities(mechanisms[m](features)) @ np.arange(3.0) for m in MECHANISMS]
    return np.stack(levels, axis=1)


def folds(groups: Sequence[str], seed: int) -> np.ndarray:
    """A fold number for each row; rows of a group share theirs."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    number = {name: int(place) % FOLDS for name, place in zip(names, order, strict=True)}
    return np.array([number[group] for group in groups])


def construct(replies: Sequence[Rated], seed: int) -> list[Rated]:
    """One reply a dialogue that nobody would call empathetic, standing as a rating of 1.

    Args:
        replies: rated replies to at least two dialogues.
        seed: of what is constructed.
    """
    dice = np.random.default_rng(seed)
    firsts = list({r.dialogue: r for r in replies}.values())
    made = []
    for place, first in enumerate(firsts):
        other = firsts[(place + 1 + int(dice.integers(len(firsts) - 1))) % len(firsts)]
        fixed = (DISMISSIVE, ADVICE_ONLY, GENERIC)[int(dice.integers(3))]
        text = other.reply if dice.random() < 0.5 else fixed[int(dice.integers(len(fixed)))]
        made.append(
            Rated(
                id=f"constructed:{first.dialogue}",
                source="ratings",
                dialogue=first.dialogue,
                context=first.context,
                reply=text,
                values={"rating": 1.0},
                system="constructed",
                emotion=first.emotion,
            )
        )
    return made


def set_scale(labeller: Labeller, sums: np.ndarray) -> Labeller:
    """The labeller with its map set so that quantiles of ``sums`` become 1.5 and 4.5."""
    low, high = np.quantile(sums, SPAN)
    logit = math.log((4.5 - 1) / (5 - 4.5))
    facts = msgspec.structs.replace(
        labeller.facts,
        centre=float((low + high) / 2),
        slope=float(2 * logit / max(high - low, 1e-9)),
    )
    return Labeller(labeller.models, facts)


def rated_sums(rated: Sequence[Rated], sums: np.ndarray) -> np.ndarray:
    """Sums of rated replies of one source, moved towards what people said (``TRUST``).

    Ratings are standardised and given mean and spread of the sums, so that the two mix on one
    scale; shape (replies,).
    """
    key = "sum" if rated[0].source == "epitome" else "rating"
    given = np.array([r.values[key] for r in rated])
    aligned = sums.mean() + sums.std() * (given - given.mean()) / (given.std() or 1.0)
    trust = TRUST[rated[0].source]
    return (1 - trust) * sums + trust * aligned
