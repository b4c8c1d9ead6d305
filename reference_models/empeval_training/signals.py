"""The signals that the hybrid label is made of.

(a) the expected levels of EPITOME's three mechanisms, by a small model trained on people's;
(b) congruence: does the reply speak of the emotion that the context speaks of;
(c) relevance: does the reply belong to this context rather than to another one;
(d) the lexical signals of ``lexicon``.

All models here are linear on frozen sentence embeddings, so they train in seconds and are the
same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from empeval import DataError, packaged_model
from empeval_text.encoder import Encoder, Text
from empeval_training import lexicon
from empeval_training.examples import Example
from empeval_training.progress import bar
from empeval_training.ratings import MECHANISMS, Rated

ENCODER = "all-minilm-l6-v2"
CHUNK = 2000
"""Texts embedded between two moves of the progress bar."""
NAMES = (*MECHANISMS, "congruence", "relevance", *lexicon.NAMES)
"""The signals, in the order of the columns."""


@dataclass(frozen=True)
class Pairs:
    """Contexts and replies with their embeddings.

    Attributes:
        context, turn, reply: unit vectors, shape (pairs, 384), float32, of the context's latest
            256 tokens, of its last turn, and of the reply.
        replies: the texts.
    """

    context: np.ndarray
    turn: np.ndarray
    reply: np.ndarray
    replies: list[str]

    def take(self, rows: np.ndarray | Sequence[int]) -> Pairs:
        """Those with these numbers, in this order."""
        index = np.asarray(rows, dtype=int)
        return Pairs(
            self.context[index],
            self.turn[index],
            self.reply[index],
            [self.replies[i] for i in index],
        )

    def with_replies_of(self, order: np.ndarray) -> Pairs:
        """The same contexts with the replies of others."""
        return Pairs(self.context, self.turn, self.reply[order], [self.replies[i] for i in order])


class Embedder:
    """Embeds dialogues with the packaged all-MiniLM-L6-v2, each different text once."""

    def __init__(self) -> None:
        self._encoder = Encoder(packaged_model(ENCODER))
        self._known: dict[Text, np.ndarray] = {}

    def pairs(self, dialogues: Sequence[Example | Rated]) -> Pairs:
        """Contexts and replies of dialogues as vectors."""
        replies = [Text(d.reply) for d in dialogues]
        turns = [Text(d.context[-1], "end") for d in dialogues]
        contexts = [Text("\n".join(d.context), "end") for d in dialogues]
        wanted = dict.fromkeys([*replies, *turns, *contexts])
        new = [text for text in wanted if text not in self._known]
        for start in bar(range(0, len(new), CHUNK), f"embedding, in steps of {CHUNK} texts"):
            chunk = new[start : start + CHUNK]
            for text, embedded in zip(chunk, self._encoder.encode(chunk), strict=True):
                self._known[text] = np.nan_to_num(embedded.vector)

        def vectors(texts: list[Text]) -> np.ndarray:
            return np.array([self._known[t] for t in texts], dtype=np.float32)

        return Pairs(
            vectors(contexts), vectors(turns), vectors(replies), [d.reply for d in dialogues]
        )


@dataclass(frozen=True)
class Linear:
    """A fitted linear model: ``features @ weights + bias``."""

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Logits, shape (rows, classes), of features of shape (rows, features)."""
        return features.astype(np.float32) @ self.weights + self.bias


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def fit_classes(features: np.ndarray, labels: Sequence[int], strength: float, seed: int) -> Linear:
    """Logistic regression; ``strength`` is the inverse of its L2 penalty.

    Raises:
        DataError: there is but one class.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) < 2:
        raise DataError("A signal cannot be trained: every example is of the same class.")
    model = LogisticRegression(C=strength, max_iter=300, random_state=seed)
    model.fit(features, labels)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # two classes: one logit, of the second
        weights = np.concatenate([np.zeros_like(weights), weights], axis=1)
        bias = np.concatenate([np.zeros_like(bias), bias])
    return Linear(weights.astype(np.float32), bias.astype(np.float32))


NEVER = -30.0
"""The logit of a class that no example was of."""


def fit_levels(features: np.ndarray, levels: Sequence[int], strength: float, seed: int) -> Linear:
    """``fit_classes`` for the levels 0, 1 and 2, some of which may have no example."""
    fitted = fit_classes(features, levels, strength, seed)
    weights = np.zeros((fitted.weights.shape[0], 3), dtype=np.float32)
    bias = np.full(3, NEVER, dtype=np.float32)
    there = sorted(set(levels))
    weights[:, there], bias[there] = fitted.weights, fitted.bias
    return Linear(weights, bias)


def interaction(pairs: Pairs) -> np.ndarray:
    """Reply, product and difference of turn and reply: shape (pairs, 4 * 384)."""
    return np.concatenate(
        [
            pairs.reply,
            pairs.turn * pairs.reply,
            np.abs(pairs.turn - pairs.reply),
            pairs.context * pairs.reply,
        ],
        axis=1,
    )


def mechanism_features(pairs: Pairs) -> np.ndarray:
    """What the EPITOME model sees: the interaction, the lexical signals, the length."""
    counts = [len(lexicon.WORD.findall(reply)) for reply in pairs.replies]
    words = np.column_stack([lexicon.lexical(pairs.replies), np.log1p(np.array(counts, float))])
    return np.concatenate([3 * interaction(pairs), words], axis=1).astype(np.float32)


@dataclass(frozen=True)
class SignalModels:
    """The trained models behind the signals."""

    mechanisms: dict[str, Linear]
    context_emotion: Linear
    reply_emotion: Linear
    relevance: Linear

    def compute(self, pairs: Pairs) -> np.ndarray:
        """The signals of pairs, shape (pairs, 17), float64, in the order of ``NAMES``."""
        if not pairs.replies:
            return np.zeros((0, len(NAMES)))
        features = mechanism_features(pairs)
        levels = [probabilities(self.mechanisms[m](features)) @ np.arange(3.0) for m in MECHANISMS]
        seen = probabilities(self.context_emotion(pairs.context))
        said = probabilities(self.reply_emotion(pairs.reply))
        congruence = np.log((seen * said).sum(1) * seen.shape[1])
        logits = self.relevance(relevance_features(pairs))
        relevance = np.tanh((logits[:, 1] - logits[:, 0]) / 4)
        columns = [*levels, congruence, relevance, *lexicon.lexical(pairs.replies).T]
        return np.stack(columns, axis=1).astype(float)

    def arrays(self) -> dict[str, np.ndarray]:
        """Every weight by name, to be saved."""
        return {
            f"{name}.{part}": getattr(model, part)
            for name, model in self._models().items()
            for part in ("weights", "bias")
        }

    def _models(self) -> dict[str, Linear]:
        return {
            **{f"mechanism_{m}": self.mechanisms[m] for m in MECHANISMS},
            "context_emotion": self.context_emotion,
            "reply_emotion": self.reply_emotion,
            "relevance": self.relevance,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> SignalModels:
        """The inverse of ``arrays``."""

        def one(name: str) -> Linear:
            return Linear(arrays[f"{name}.weights"], arrays[f"{name}.bias"])

        return cls(
            mechanisms={m: one(f"mechanism_{m}") for m in MECHANISMS},
            context_emotion=one("context_emotion"),
            reply_emotion=one("reply_emotion"),
            relevance=one("relevance"),
        )


def relevance_features(pairs: Pairs) -> np.ndarray:
    """What the relevance model sees: the interaction and both cosines."""
    cosines = [(pairs.turn * pairs.reply).sum(1), (pairs.context * pairs.reply).sum(1)]
    return np.concatenate([3 * interaction(pairs), 3 * np.stack(cosines, 1)], axis=1)


def fit_mechanisms(rated: Pairs, levels: np.ndarray, seed: int = 0) -> dict[str, Linear]:
    """The EPITOME model: one classifier of three levels a mechanism.

    Args:
        rated: rated posts.
        levels: shape (posts, 3), people's levels 0-2.
        seed: of the classifiers.

    Raises:
        DataError: every post has the same level of a mechanism.
    """
    features = mechanism_features(rated)
    return {
        m: fit_levels(features, levels[:, column].astype(int).tolist(), 0.1, seed)
        for column, m in enumerate(MECHANISMS)
    }


def fit_signal_models(
    humans: Sequence[Example],
    pairs: Pairs,
    mechanisms: dict[str, Linear],
    emotions: Sequence[str],
    seed: int = 0,
) -> SignalModels:
    """Train the models of emotion and relevance on human replies of the training split."""
    number = {emotion: place for place, emotion in enumerate(emotions)}
    labels = [number[example.emotion] for example in humans]
    order = np.random.default_rng(seed).permutation(len(humans))
    wrong = pairs.with_replies_of(order)
    both = np.concatenate([relevance_features(pairs), relevance_features(wrong)])
    return SignalModels(
        mechanisms=mechanisms,
        context_emotion=fit_classes(pairs.context, labels, 10.0, seed),
        reply_emotion=fit_classes(pairs.reply, labels, 3.0, seed),
        relevance=fit_classes(both, [1] * len(humans) + [0] * len(humans), 1.0, seed),
    )


def save_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write arrays as safetensors."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read arrays from safetensors.

    Raises:
        DataError: the file is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}.") from error
