"""The scorers ``emotion-head``, ``strategy-head`` and ``eq``."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empeval import (
    Metric,
    Response,
    Sample,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    UsageError,
    ValueCard,
    mean_metric,
)
from empeval.toolkit import fingerprint, other_history, remarks, unusable
from empeval_heads.bundle import EqFacts, locate_heads, read_eq
from empeval_heads.eq import align, emotion_alignment, empathy_mass, eq, strategy_alignment
from empeval_heads.facts import Kind
from empeval_heads.labels import EMOTIONS, STRATEGIES
from empeval_heads.readers import HeadReader

if TYPE_CHECKING:
    from empeval_heads.base import Passage
    from empeval_heads.reward import Reward

TOP = 3
"""How many emotions are named in the label ``emotions``."""

LICENSE = "trained on GoEmotions (Apache-2.0) and ESConv (CC BY-NC 4.0): non-commercial use"
CITATION = (
    "Demszky et al. (2020): GoEmotions: A Dataset of Fine-Grained Emotions. ACL. Liu et al. "
    "(2021): Towards Emotional Support Dialog Systems. ACL."
)


def key(label: str) -> str:
    """A class's name as the name of a value: ``Reflection of feelings`` -> it, in snake case."""
    return label.lower().replace(" ", "_").replace("-", "_")


def class_values(labels: Sequence[str]) -> tuple[ValueCard, ...]:
    """A probability for each class."""
    return tuple(
        ValueCard(name=key(label), unit="probability", summary=f"Of {label}.", low=0, high=1)
        for label in labels
    )


class HeadScorer(Scorer):
    """What the scorers share: a target, and samples of which some have no reply."""

    requires = ("torch", "transformers", "gguf")
    kinds: tuple[Kind, ...] = ()

    def __init__(self, target: str | None = None) -> None:
        """Check the target; load nothing yet.

        Raises:
            UsageError: the target is no head, or no folder of heads.
        """
        self._target = target
        self._readers: dict[Kind, HeadReader] | None = None
        if target is not None and Path(target).expanduser().exists():
            self._open()

    def _open(self) -> Mapping[Kind, HeadReader]:
        if self._readers is None:
            folder = locate_heads(self._target)
            self._readers = {kind: HeadReader(folder, kind) for kind in self.kinds}
        return self._readers

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Score each reply; one that is empty has status ``unparsed`` and says why.

        Raises:
            UsageError: heads and base do not belong together.
            EmpevalError: the base cannot be had.
        """
        failures = [unusable(sample) for sample in samples]
        usable = [s for s, failure in zip(samples, failures, strict=True) if failure is None]
        scores = iter(self.judge(usable) if usable else [])
        return [failure or next(scores) for failure in failures]

    @abstractmethod
    def judge(self, samples: Sequence[Sample]) -> list[Score]:
        """Score replies that are not empty."""

    def fingerprint(self) -> str:
        """Identifies the heads and their base."""
        return "; ".join(reader.fingerprint() for reader in self._open().values())


def made(sample: Sample, values: Mapping[str, float], labels: dict[str, str]) -> Score:
    """A score of status ``ok``, or ``error`` where a value is no number."""
    if not all(math.isfinite(value) for value in values.values()):
        return Score(sample.id, status="error", note="the heads gave no finite number")
    return Score(
        sample.id,
        # Five digits are what float32 can vouch for, whatever else was in the batch.
        values={name: round(float(value), 5) for name, value in values.items()},
        labels=labels,
        note="; ".join(remarks(sample)) or None,
    )


def replied(samples: Sequence[Sample]) -> list[Passage]:
    """The replies alone: what the emotion head was trained to read."""
    from empeval_heads.base import Passage

    return [Passage(sample.text) for sample in samples]


def answered(samples: Sequence[Sample]) -> list[Passage]:
    """The replies after the turn that they answer: what the strategy head was trained to read."""
    from empeval_heads.base import Passage

    return [Passage(sample.text, latest_turn(sample)) for sample in samples]


def latest_turn(sample: Sample) -> str:
    """What the user said last, followed by a line end; empty where nobody said anything."""
    for message in reversed(sample.item.messages):
        if message.role == "user" and message.content.strip():
            return f"{message.content.strip()}\n"
    return ""


def humanly(sample: Sample) -> Sample | None:
    """The sample with the human reply in the reply's place; ``None`` without one, or as it is."""
    reference = (sample.item.reference or "").strip()
    if not reference or reference == sample.text:
        return None
    return Sample(sample.item, Response(sample.id, reference))


def turns_before(sample: Sample) -> int:
    """Turns before the reply, the system prompt not counted."""
    return sum(message.role != "system" for message in sample.item.messages)


class EmotionHead(HeadScorer):
    """28 emotions of a reply, by a head on a frozen model's embeddings."""

    card = ScorerCard(
        version="3",
        summary="Probabilities of the 28 GoEmotions classes in the reply, by a head on a frozen "
        "base model's pooled embeddings. Several may hold at once. English only.",
        values=class_values(EMOTIONS),
        needs=("reply",),
        labels=("emotion", "emotions"),
        license=LICENSE,
        citation=CITATION,
    )
    kinds = ("emotion",)

    def judge(self, samples: Sequence[Sample]) -> list[Score]:
        """Probabilities and the likeliest emotions."""
        reader = self._open()["emotion"]
        names = reader.facts.labels
        scores = []
        for sample, row in zip(samples, reader.probabilities(replied(samples)), strict=True):
            order = np.argsort(-row)
            top = [names[i] for i in order[:TOP]]
            values = {key(name): row[i] for i, name in enumerate(names)}
            scores.append(made(sample, values, {"emotion": top[0], "emotions": ", ".join(top)}))
        return scores


class StrategyHead(HeadScorer):
    """8 support strategies of a reply, by a head on a frozen model's embeddings."""

    card = ScorerCard(
        version="3",
        summary="Probabilities of the 8 ESConv support strategies of the reply, by a head on a "
        "frozen base model's pooled embeddings. English only.",
        values=class_values(STRATEGIES),
        needs=("reply",),
        labels=("strategy",),
        license=LICENSE,
        citation=CITATION,
    )
    kinds = ("strategy",)

    def judge(self, samples: Sequence[Sample]) -> list[Score]:
        """Probabilities and the likeliest strategy."""
        reader = self._open()["strategy"]
        names = reader.facts.labels
        return [
            made(
                sample,
                {key(name): row[i] for i, name in enumerate(names)},
                {"strategy": names[int(row.argmax())]},
            )
            for sample, row in zip(samples, reader.probabilities(answered(samples)), strict=True)
        ]


CAUTION = (
    "counts words of feeling, not whether they fit: a model that repeats formulas of sympathy "
    "scores above people"
)
PARTS = {
    "empathy_mass": "Share of the emotion head's probability on the empathy classes.",
    "alignment": "The signal that eq.json chooses; 0 when it chooses none.",
    "emotion_alignment": "Overlap of the emotions of the turn and of the reply.",
    "strategy_alignment": "Expected seeker's rating of the reply's strategy, at this point.",
}


HUMAN = ValueCard(
    name="human", unit="EQ", summary="The score of the human reply to this item, where there is "
    "one.", low=0, high=1.3,
)  # fmt: skip
DIFFERENCE = ValueCard(
    name="eq", unit="EQ", summary="Less the human reply's.", higher_is_better=True
)


class EQ(HeadScorer):
    """The EQ score: empathy mass plus 0.3 times alignment."""

    card = ScorerCard(
        version="3",
        summary="EQ = empathy_mass + 0.3 * alignment, from an emotion head and a strategy head on "
        "a frozen base model's embeddings. English only. It ranks a small model's formulas of "
        "sympathy above what people write: read it beside the human replies' score.",
        values=(
            ValueCard(
                name="eq", unit="EQ", summary="empathy_mass + 0.3 * alignment.", low=0, high=1.3,
                higher_is_better=True,
            ),
            *(
                ValueCard(
                    name=name, unit="share", summary=summary, low=0, high=1,
                    higher_is_better=True,
                )
                for name, summary in PARTS.items()
            ),
            HUMAN,
        ),
        needs=(),
        labels=("emotion", "strategy"),
        license=LICENSE,
        citation=CITATION,
    )  # fmt: skip
    kinds = ("emotion", "strategy")

    def __init__(self, target: str | None = None) -> None:
        """Check the target; load nothing yet.

        Raises:
            UsageError: the target is no folder of heads with an ``eq.json``.
        """
        self._facts: EqFacts | None = None
        self._reward: Reward | None = None
        super().__init__(target)

    def _open(self) -> Mapping[Kind, HeadReader]:
        if self._readers is not None:
            return self._readers
        folder = locate_heads(self._target)
        self._facts = read_eq(folder)
        readers = super()._open()
        bases = {self._facts.base, *(reader.facts.base for reader in readers.values())}
        if len(bases) > 1:
            self._readers = None
            raise UsageError(
                f"{folder}: its heads and eq.json name different bases: {', '.join(sorted(bases))}."
            )
        return readers

    def judge(self, samples: Sequence[Sample]) -> list[Score]:
        """Both heads, the terms of the formula, and the score; the human reply's beside it."""
        read = self._terms(samples)
        asked = [people for sample in samples if (people := humanly(sample)) is not None]
        human = iter(self._terms(asked) if asked else [])
        for sample, (values, _) in zip(samples, read, strict=True):
            if humanly(sample) is not None:
                values["human"] = next(human)[0]["eq"]
            elif sample.item.reference is not None and sample.item.reference.strip():
                values["human"] = values["eq"]
        return [made(sample, *terms) for sample, terms in zip(samples, read, strict=True)]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Means, with a caution; the human replies' mean on the same items and the difference."""
        metrics = [
            mean_metric(value, scored, note=CAUTION if value.name == "eq" else None)
            for value in self.card.values
            if value is not HUMAN
        ]
        with_human = [s for s in scored if (s.sample.item.reference or "").strip()]
        if any(s.score.status == "ok" for s in with_human):
            remark = next((text for s in with_human if (text := other_history(s.sample))), "")
            aside = f"; {remark}" if remark else ""
            metrics[1:1] = [
                mean_metric(HUMAN, with_human, note=f"the human replies to the same items{aside}"),
                mean_metric(
                    DIFFERENCE,
                    with_human,
                    metric="eq_minus_human",
                    of=lambda s: s.score.values["eq"] - s.score.values["human"],
                    note=f"paired: the reply less the human reply to the same item{aside}",
                ),
            ]
        return metrics

    def _terms(self, samples: Sequence[Sample]) -> list[tuple[dict[str, float], dict[str, str]]]:
        """Values and labels of each reply."""
        from empeval_heads.base import Passage

        readers = self._open()
        facts = self._facts
        assert facts is not None  # noqa: S101 - for mypy: opened above
        emotion, strategy = readers["emotion"], readers["strategy"]
        said = [Passage(latest_turn(sample).strip()) for sample in samples]
        spoken = [passage for passage in said if passage.text]
        read = emotion.probabilities([*replied(samples), *spoken])
        replies, turns = read[: len(samples)], iter(read[len(samples) :])
        before = np.array([next(turns) if p.text else np.zeros(len(EMOTIONS)) for p in said])
        strategies = strategy.probabilities(answered(samples))
        mass = empathy_mass(replies, emotion.facts.labels, facts.empathy_classes)
        rated = strategy_alignment(
            strategies, strategy.facts.labels, [turns_before(s) for s in samples], facts
        )
        rewards = self._rewards(samples) if facts.alignment == "reward" else [0.0] * len(samples)
        terms = []
        for index in range(len(samples)):
            overlap = 0.0
            if said[index].text:
                pair = before[index : index + 1], replies[index : index + 1]
                overlap = float(emotion_alignment(*pair)[0])
            parts = float(mass[index]), overlap, float(rated[index])
            aligned = align(facts.alignment, overlap, parts[2], rewards[index])
            values = {
                "eq": eq(parts[0], aligned),
                "empathy_mass": parts[0],
                "alignment": aligned,
                "emotion_alignment": overlap,
                "strategy_alignment": parts[2],
            }
            labels = {
                "emotion": emotion.facts.labels[int(replies[index].argmax())],
                "strategy": strategy.facts.labels[int(strategies[index].argmax())],
            }
            terms.append((values, labels))
        return terms

    def _rewards(self, samples: Sequence[Sample]) -> list[float]:
        facts = self._facts
        assert facts is not None  # noqa: S101 - for mypy: opened before
        if self._reward is None:
            from empeval_heads.reward import POLICY, REFERENCE, Reward

            folder = locate_heads(self._target)
            began = folder / REFERENCE
            self._reward = Reward(
                facts.base, folder / POLICY, facts.beta, began if began.is_dir() else None
            )
        return self._reward.of(samples)

    def fingerprint(self) -> str:
        """Identifies the heads, their base, and how they become one score."""
        heads = super().fingerprint()
        folder = locate_heads(self._target)
        return f"{heads}; {fingerprint(folder, ('eq.json', 'reward*/*'))}"
