"""The scorers ``baseline``, ``stm`` and ``mvc``."""

from __future__ import annotations

import math
from collections.abc import Hashable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from empeval import (
    Metric,
    Sample,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    UsageError,
)
from empeval.toolkit import (
    check_target,
    locate,
    looks_english,
    on_disk,
    read_engine,
    remarks,
    unusable,
)
from empeval_empathy.checkpoints import BUNDLED, checkpoint_fingerprint, read_facts
from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.metrics import (
    CONFIDENCE,
    EMPATHY,
    HUMAN,
    MECHANISM_CARDS,
    RELEVANCE_CARD,
    TARGET,
    metrics_of,
)

if TYPE_CHECKING:
    from empeval_empathy.judge import Judge
    from empeval_empathy.views import Dialogue

MOST_UNKNOWN = 0.5
"""A reply with a larger share of tokens outside the vocabulary is not judged."""

LICENSE = (
    "CC BY-NC 4.0, academic use (trained on EmpatheticDialogues and rated sets); encoder Apache-2.0"
)


PEOPLE = (
    " Trained on what people rated and on a teacher's word; `empeval show` has its agreement with "
    "people and what fools it. English only."
)


def card(summary: str, labels: tuple[str, ...], version: str) -> ScorerCard:
    """The card of one of the three."""
    return ScorerCard(
        version=version,
        summary=summary,
        values=(EMPATHY, *MECHANISM_CARDS, RELEVANCE_CARD, HUMAN, CONFIDENCE, TARGET),
        needs=("reply",),
        labels=labels,
        license=LICENSE,
        citation=(
            "Rashkin, Smith, Li, Boureau (2019): Towards Empathetic Open-domain Conversation "
            "Models. ACL. Sharma, Miner, Atkins, Althoff (2020): A Computational Approach to "
            "Understanding Empathy Expressed in Text-Based Mental Health Support. EMNLP."
        ),
    )


class EmpathyScorer(Scorer):
    """What the three scorers share.

    Args:
        target: a checkpoint: a folder, or a hub id; ``None`` is the one that comes with empeval.
            Behind it may stand ``?engine=openvino&precision=int8``, see ``toolkit.read_engine``.
    """

    requires = ("torch", "transformers", "peft")
    architecture: ClassVar[str]
    bundled: ClassVar[str]

    def __init__(self, target: str | None = None) -> None:
        """Check the target; load nothing yet.

        Raises:
            UsageError: the target is no empathy checkpoint of this scorer's kind, or its options
                make no sense.
        """
        target, self._engine = read_engine(target)
        self._target = target
        self.short = self._engine.short(target)
        self._judge: Judge | None = None
        self._folder: Path | None = None
        self._fingerprint: str | None = None
        if target is not None:
            check_target(target, "empathy checkpoint")
            if on_disk(target) is not None:
                self._facts()

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Judge each reply, and the human reply to the same item beside it.

        A reply that is empty or not English, to no context or one that is not English, or mostly
        outside the vocabulary has status ``unparsed`` and says why. A human reply that cannot be
        judged has no value.

        Raises:
            UsageError: the checkpoint cannot be used.
            EmpevalError: it, or the encoder it goes on, cannot be fetched.
        """
        from empeval_empathy.views import Dialogue

        failures = [unusable(sample) or _unreadable(sample) for sample in samples]
        dialogues: dict[Dialogue, int] = {}
        asked: list[tuple[Dialogue, Dialogue | None]] = []
        for sample, failure in zip(samples, failures, strict=True):
            own = Dialogue(context_of(sample), sample.text)
            reference = sample.item.reference or ""
            human = Dialogue(own.context, reference) if looks_english(reference) else None
            asked.append((own, human))
            if failure is None:
                for dialogue in (own, human):
                    if dialogue is not None:
                        dialogues.setdefault(dialogue, len(dialogues))
        if not dialogues:
            return [failure for failure in failures if failure is not None]
        table = _Table(self._load(), dialogues, self.shared_work)
        return [
            failure or table.score(sample, *pair)
            for sample, failure, pair in zip(samples, failures, asked, strict=True)
        ]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Means; the human replies' mean on the same items and the paired difference; accuracy."""
        return metrics_of(scored)

    def fingerprint(self) -> str:
        """``sha256:...`` of the checkpoint, the key of the encoder that an adapter goes on, and
        what computes them unless it is torch.
        """
        if self._fingerprint is None:
            own = checkpoint_fingerprint(self._home(), self._facts())
            self._fingerprint = self._engine.sign(own)
        return self._fingerprint

    def _facts(self) -> dict[str, Any]:
        return read_facts(self._home(), self.architecture)

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = _bundled(self.bundled) if self._target is None else locate(self._target)
        return self._folder

    def _load(self) -> Judge:
        if self._judge is None:
            from empeval_empathy.judge import Judge

            self._facts()
            self._judge = Judge(self._home(), self._engine)
        return self._judge


def _bundled(name: str) -> Path:
    folder = BUNDLED / name
    if not folder.is_dir():
        raise UsageError(
            f"This installation has no checkpoint for {name} (there is no {folder}). Install "
            f"empeval anew, or name a checkpoint: --scorers {name}:FOLDER."
        )
    return folder


class _Table:
    """Dialogues and what a judge says of them."""

    def __init__(
        self,
        judge: Judge,
        dialogues: dict[Dialogue, int],
        shared: MutableMapping[Hashable, Any] | None,
    ) -> None:
        self._emotions = judge.emotions
        self._numbers = {emotion: place for place, emotion in enumerate(judge.emotions)}
        self._places = dialogues
        self._judged = judge.judge(list(dialogues), shared)

    def score(self, sample: Sample, own: Dialogue, human: Dialogue | None) -> Score:
        judged, place = self._judged, self._places[own]
        view = judged.views[place]
        if view.unknown > MOST_UNKNOWN:
            note = "most of the reply is outside the scorer's vocabulary"
            return Score(sample.id, status="unparsed", note=note)
        emotions = judged.emotions[place]
        best = int(emotions.argmax())
        values = {"empathy": judged.empathy[place], "emotion_confidence": emotions[best]}
        if judged.mechanisms is not None:
            values |= dict(zip(MECHANISMS, judged.mechanisms[place], strict=True))
        if judged.relevance is not None:
            values["relevance"] = judged.relevance[place]
        labels = {"emotion": self._emotions[best]}
        if human is not None and judged.views[self._places[human]].unknown <= MOST_UNKNOWN:
            values["human"] = judged.empathy[self._places[human]]
        number = self._numbers.get(str(sample.item.target.get("emotion")))
        if number is not None:
            values["target_emotion"] = emotions[number]
        if judged.full_emotions is not None:
            labels["full_emotion"] = self._emotions[int(judged.full_emotions[place].argmax())]
        if not all(map(math.isfinite, values.values())):
            return Score(sample.id, status="error", note="the checkpoint gave no finite number")
        notes = [*remarks(sample), *view.cut]
        return Score(
            sample.id,
            # Five digits are what float32 can vouch for, whatever else was in the batch.
            values={name: round(float(value), 5) for name, value in values.items()},
            labels=labels,
            note="; ".join(notes) or None,
        )


def context_of(sample: Sample) -> tuple[str, ...]:
    """The turns of the conversation, without the system prompt and blank ones."""
    return tuple(
        m.content for m in sample.item.messages if m.role != "system" and m.content.strip()
    )


def _unreadable(sample: Sample) -> Score | None:
    context = context_of(sample)
    if not context:
        return Score(sample.id, status="unparsed", note="no context to judge the reply by")
    if not looks_english(sample.text):
        return Score(sample.id, status="unparsed", note="the reply does not look English")
    if not looks_english(" ".join(context[-3:])):
        return Score(sample.id, status="unparsed", note="the context does not look English")
    return None


class Baseline(EmpathyScorer):
    """One encoder over context and reply, one head for empathy and one for the emotion."""

    card = card(
        "Empathy 1-5, EPITOME's mechanisms and one of 32 emotions by the Baseline multitask "
        "encoder." + PEOPLE,
        ("emotion",),
        version="4",
    )
    architecture = "shared"
    bundled = "baseline"


class STM(EmpathyScorer):
    """The Baseline's network, trained on the emotion first and on both then."""

    card = card(
        "Empathy 1-5, EPITOME's mechanisms and one of 32 emotions by sequential transfer (STM)."
        + PEOPLE,
        ("emotion",),
        version="5",
    )
    architecture = "shared"
    bundled = "stm"


class MVC(EmpathyScorer):
    """Two views, context alone and with the reply; empathy given the emotions of both."""

    card = card(
        "Empathy 1-5, EPITOME's mechanisms and one of 32 emotions by the multi-view cascade "
        "(MVC); emotion is the context's, full_emotion the whole dialogue's." + PEOPLE,
        ("emotion", "full_emotion"),
        version="5",
    )
    architecture = "cascade"
    bundled = "mvc"
