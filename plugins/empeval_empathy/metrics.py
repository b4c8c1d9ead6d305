"""The values that the empathy scorers give, and the metrics made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from empeval import Mean, Metric, Scored, ValueCard, mean_metrics
from empeval.toolkit import other_history, warn
from empeval_empathy.emotions import EMOTIONS, MECHANISMS

EMPATHY = ValueCard(
    name="empathy",
    unit="score 1-5",
    summary="How empathetic the reply is: 1 not at all, 5 very.",
    low=1,
    high=5,
    higher_is_better=True,
)
MECHANISM_CARDS = (
    ValueCard(
        name="emotional_reaction",
        unit="level 0-2",
        summary="Warmth, compassion, concern: 0 none, 1 weak, 2 strong (EPITOME).",
        low=0,
        high=2,
    ),
    ValueCard(
        name="interpretation",
        unit="level 0-2",
        summary="Understanding of what the speaker feels and went through: 0 none, 2 strong.",
        low=0,
        high=2,
    ),
    ValueCard(
        name="exploration",
        unit="level 0-2",
        summary="Asking about what the speaker did not say: 0 none, 1 in general, 2 in particular.",
        low=0,
        high=2,
    ),
)
RELEVANCE_CARD = ValueCard(
    name="relevance",
    unit="probability",
    summary="That the reply is one to this dialogue, where it may as well be one to another.",
    low=0,
    high=1,
)
HUMAN = ValueCard(
    name="human",
    unit="score 1-5",
    summary="The same of the human reply to this item, where there is one.",
    low=1,
    high=5,
)
CONFIDENCE = ValueCard(
    name="emotion_confidence",
    unit="probability",
    summary="Of the emotion that the model reads.",
    low=0,
    high=1,
)
TARGET = ValueCard(
    name="target_emotion",
    unit="probability",
    summary="Of the emotion that the item states, where it states one.",
    low=0,
    high=1,
)
DIFFERENCE = ValueCard(
    name="empathy", unit="score 1-5", summary="Less the human reply's.", higher_is_better=True
)
ACCURACY = ValueCard(name="empathy", unit="percent", summary="The emotion read is the stated one.")


def metrics_of(scored: Sequence[Scored]) -> list[Metric]:
    """Means; the human replies' mean on the same items and the paired difference; accuracy.

    The samples are walked twice, for what there is and for the metrics; they may lie on the disk.
    """
    found = _Found(scored)
    means = [Mean(value=EMPATHY)]
    if found.human:
        aside = f"; {found.other_history}" if found.other_history else ""
        means += [
            Mean(value=HUMAN, where=_human, note=f"the human replies to the same items{aside}"),
            Mean(
                value=DIFFERENCE,
                where=_human,
                metric="empathy_minus_human",
                of=lambda s: s.score.values["empathy"] - s.score.values["human"],
                note=f"paired: the reply less the human reply to the same item{aside}",
            ),
        ]
    if found.mechanisms:
        means += [Mean(value=value, where=_mechanisms) for value in MECHANISM_CARDS]
    if found.relevance:
        means.append(Mean(value=RELEVANCE_CARD, where=_relevance))
    means.append(Mean(value=CONFIDENCE))
    if found.unknown:
        warn(found.unknown)
    if found.target:
        means += [
            Mean(value=TARGET, where=_target, note=found.unknown),
            Mean(
                value=ACCURACY,
                where=_target,
                metric="emotion_accuracy",
                of=lambda s: float(s.score.labels["emotion"] == s.sample.item.target["emotion"]),
                note="describes the scorer: how often it reads the stated emotion",
            ),
        ]
    return mean_metrics(means, scored)


class _Found:
    """What there is to compute metrics of, in one walk over the samples.

    Attributes:
        human, mechanisms, relevance, target: whether any sample has these values.
        other_history: what is to be known of human replies, if anything.
        unknown: how many items state an emotion that is none of those that these scorers know.
    """

    def __init__(self, scored: Iterable[Scored]) -> None:
        self.human = self.mechanisms = self.relevance = self.target = False
        self.other_history = ""
        stated, odd, names = 0, 0, set[str]()
        for one in scored:
            good = one.score.status == "ok"
            self.human |= good and _human(one)
            self.other_history = self.other_history or other_history(one.sample)
            self.mechanisms |= good and _mechanisms(one)
            self.relevance |= good and _relevance(one)
            self.target |= good and _target(one)
            emotion = one.sample.item.target.get("emotion")
            if emotion is not None:
                stated += 1
                if str(emotion) not in EMOTIONS:
                    odd += 1
                    names.add(str(emotion))
        few = ", ".join(sorted(names)[:5])
        self.unknown: str | None = None
        if odd:
            self.unknown = (
                f"the emotion stated of {odd} of {stated} items is none of EmpatheticDialogues' "
                f"32 and is not compared ({few})"
            )


def _human(scored: Scored) -> bool:
    return _may_have(scored, "human", scored.sample.item.reference)


def _mechanisms(scored: Scored) -> bool:
    return _may_have(scored, MECHANISMS[0], True)


def _relevance(scored: Scored) -> bool:
    return _may_have(scored, "relevance", True)


def _target(scored: Scored) -> bool:
    emotion = scored.sample.item.target.get("emotion")
    return _may_have(scored, "target_emotion", emotion in EMOTIONS)


def _may_have(scored: Scored, value: str, asked: Any) -> bool:
    """Whether a sample belongs to a metric: it has the value, or failed where it was asked for."""
    return value in scored.score.values if scored.score.status == "ok" else bool(asked)
