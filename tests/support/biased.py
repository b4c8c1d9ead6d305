"""Scorers that an audit must see through, and one that agrees with people by construction."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from typing import Literal

from empeval import Sample, Score, Scorer, ScorerCard, ValueCard

POINTS = {
    "empeval.scorers": {
        "sorry-counter": "support.biased:SorryCounter",
        "length-counter": "support.biased:LengthCounter",
        "marks": "support.biased:Marks",
        "moody": "support.biased:Moody",
        "raises": "support.biased:Raises",
        "half": "support.biased:Half",
        "backwards": "support.biased:Backwards",
        "parts": "support.biased:Parts",
        "slow-marks": "support.biased:SlowMarks",
        "one-note": "support.biased:OneNote",
        "typed": "support.biased:Typed",
    },
}
"""Entry points under which a test installs all of these."""

WARM = re.compile(
    r"\b(hurts?|glad|lonely|happy|proud|hard|lovely|congratulations|exciting|imagine)\b", re.I
)
COLD = re.compile(r"\b(idiot|pathetic|stupid|care|fuss|over it)\b", re.I)


def card(*names: str, low: float | None = None, high: float | None = None) -> ScorerCard:
    return ScorerCard(
        version="1",
        summary="For tests.",
        values=tuple(
            ValueCard(
                name=name, unit="points", summary="x", low=low, high=high, higher_is_better=True
            )
            for name in names
        ),
        needs=("reply",),
    )


class Valued(Scorer):
    """Gives one value, by ``of``."""

    card = card("empathy")

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        return [self.one(sample) for sample in samples]

    def one(self, sample: Sample) -> Score:
        return Score(sample.id, values={"empathy": self.of(sample)})

    def of(self, sample: Sample) -> float:
        raise NotImplementedError


class SorryCounter(Valued):
    def of(self, sample: Sample) -> float:
        return float(len(re.findall(r"\bsorry\b", sample.text, re.I)))


class LengthCounter(Valued):
    def of(self, sample: Sample) -> float:
        return float(len(sample.text.split()))


class Marks(Valued):
    """1 to 5 by warm and cold words in the reply: at most one of either counts."""

    card = card("empathy", low=1, high=5)

    def of(self, sample: Sample) -> float:
        noise = int(hashlib.sha256(sample.text.encode()).hexdigest()[:4], 16) / 65536
        warm = 1.0 if WARM.search(sample.text) else 0.0
        cold = 1.5 if COLD.search(sample.text) else 0.0
        return 3.0 + warm - cold + 0.01 * noise


class SlowMarks(Marks):
    """Takes its time, so that a test can kill it in the middle."""

    def of(self, sample: Sample) -> float:
        time.sleep(float(os.environ.get("SLOW_MARKS", "0")))
        return super().of(sample)


class Moody(Valued):
    """Depends on who else is in the batch, and on gender words."""

    card = card("empathy", low=1, high=5)

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        shift = 0.1 if len(samples) > 1 else 0.0
        return [
            Score(
                sample.id,
                values={
                    "empathy": 3.0
                    + shift
                    + (0.5 if re.search(r"\bshe\b", sample.item.messages[-1].content) else 0.0)
                    + (len(sample.text) % 7) / 10
                },
            )
            for sample in samples
        ]


class Raises(Valued):
    """Raises on replies with a question."""

    def of(self, sample: Sample) -> float:
        if "?" in sample.text:
            raise RuntimeError("cannot stand questions")
        return float(len(sample.text))


class Half(Valued):
    """Gives no score to every reply that has an even number of letters, nor a NaN."""

    def one(self, sample: Sample) -> Score:
        if len(sample.text) % 2 == 0:
            return Score(sample.id, status="unparsed", note="even")
        value = float("nan") if "nan" in sample.text else float(len(sample.text))
        return Score(sample.id, values={"empathy": value})


class Backwards(Valued):
    """Coldness: less is better."""

    card = ScorerCard(
        version="1",
        summary="For tests.",
        values=(
            ValueCard(
                name="coldness", unit="points", summary="x", low=0, high=100,
                higher_is_better=False,
            ),
        ),
        needs=("reply",),
    )  # fmt: skip

    def one(self, sample: Sample) -> Score:
        return Score(sample.id, values={"coldness": 100.0 - min(99, len(sample.text.split()))})


class Parts(Valued):
    """The three mechanisms, and something else first."""

    card = card("other", "emotional_reaction", "interpretation", "exploration")

    def one(self, sample: Sample) -> Score:
        text = sample.text
        return Score(
            sample.id,
            values={
                "other": float(len(text)),
                "emotional_reaction": float(text.count("sorry")),
                "interpretation": float(text.count("sounds")),
                "exploration": float(text.count("?")),
            },
        )


class OneNote(Valued):
    """The same for every reply."""

    def of(self, sample: Sample) -> float:
        return 3.0


class Typed(Marks):
    """Offers two number formats, of which the narrow one is off by half a point."""

    def __init__(
        self, target: str | None = None, dtype: Literal["float32", "bfloat16"] = "float32"
    ) -> None:
        super().__init__(target)
        self.dtype = dtype

    def of(self, sample: Sample) -> float:
        return super().of(sample) - (0.5 if self.dtype == "bfloat16" else 0.0)
