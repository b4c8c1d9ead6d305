"""Embedding similarity of a reply to the conversation and to what a person replied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from empeval import (
    Metric,
    Sample,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    ValueCard,
    mean_metric,
    packaged_model,
)
from empeval.toolkit import check_target, fingerprint, locate, read_engine, remarks, unusable
from empeval_text.encoder import Embedded, Encoder, Text

DEFAULT_ENCODER = "all-minilm-l6-v2"


class Similarity(Scorer):
    """Cosine of sentence embeddings: is the reply on the subject, is it like a person's?

    ``similarity`` uses the packaged all-MiniLM-L6-v2; ``similarity:TARGET`` a folder or a hub
    model with mean or first-token pooling. Behind it may stand
    ``?engine=openvino&precision=int8``, see ``toolkit.read_engine``.
    """

    requires = ("torch", "transformers")
    card = ScorerCard(
        version="1",
        summary=(
            "Cosine of sentence embeddings (mean pooling, unit length). The context is all turns "
            "of the conversation, system prompt apart, of which the encoder sees the latest 256 "
            "tokens; of replies it sees the first 256 (all-MiniLM-L6-v2; other encoders have "
            "limits of their own). It tells whether a reply is on the subject, not whether it is "
            "kind: repeating the speaker's words scores high."
        ),
        values=(
            ValueCard(
                name="context",
                unit="cosine",
                summary="Reply against the conversation so far.",
                low=-1,
                high=1,
            ),
            ValueCard(
                name="reference",
                unit="cosine",
                summary="Reply against the human reply, where there is one.",
                low=-1,
                high=1,
                higher_is_better=True,
            ),
        ),
        needs=("reply",),
        license="Apache-2.0 (all-MiniLM-L6-v2)",
        citation=(
            "Reimers, Gurevych (2019): Sentence-BERT. Sentence Embeddings using Siamese "
            "BERT-Networks. EMNLP-IJCNLP."
        ),
    )

    def __init__(self, target: str | None = None) -> None:
        """Remember which encoder to use.

        Raises:
            UsageError: ``target`` is neither a folder nor a hub id, or its options make no sense.
        """
        target, self._engine = read_engine(target)
        self.short = self._engine.short(target)
        if target is not None:
            check_target(target, "sentence encoder")
        self._target = target
        self._encoder: Encoder | None = None
        self._fingerprint: str | None = None

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Compare each reply; each different text is embedded once.

        Raises:
            UsageError: the encoder cannot be used.
            EmpevalError: it cannot be fetched.
        """
        failures = [unusable(sample) for sample in samples]
        texts = dict.fromkeys(
            text
            for sample, failure in zip(samples, failures, strict=True)
            if failure is None
            for text in (_reply(sample), *_others(sample).values())
        )
        embedded = self._embed(list(texts)) if texts else {}
        return [
            failure or self._compare(sample, embedded)
            for sample, failure in zip(samples, failures, strict=True)
        ]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Mean cosines, each over the items that have something to compare with."""
        return [
            mean_metric(value, [s for s in scored if value.name in _others(s.sample)])
            for value in self.card.values
        ]

    def fingerprint(self) -> str:
        """``sha256:...`` over the encoder's files, and what computes it unless it is torch."""
        if self._fingerprint is None:
            self._fingerprint = self._engine.sign(fingerprint(self._folder()))
        return self._fingerprint

    def _folder(self) -> Path:
        return packaged_model(DEFAULT_ENCODER) if self._target is None else locate(self._target)

    def _embed(self, texts: Sequence[Text]) -> dict[Text, Embedded]:
        if self._encoder is None:
            self._encoder = Encoder(self._folder(), self._engine)
        return dict(zip(texts, self._encoder.encode(texts), strict=True))

    def _compare(self, sample: Sample, embedded: dict[Text, Embedded]) -> Score:
        reply = embedded[_reply(sample)]
        values: dict[str, float] = {}
        notes = remarks(sample) + _cut("reply", reply)
        for name, text in _others(sample).items():
            other = embedded[text]
            cosine = float(reply.vector.astype(float) @ other.vector.astype(float))
            if not math.isfinite(cosine):
                return Score(sample.id, status="error", note="the encoder gave no finite vector")
            # Six digits are what float32 can vouch for, whatever else was in the batch.
            values[name] = min(1.0, max(-1.0, round(cosine, 6)))
            notes += _cut(name, other)
        if not values:
            notes.append("nothing to compare the reply with")
        return Score(sample.id, values=values, note="; ".join(notes) or None)


def _reply(sample: Sample) -> Text:
    return Text(sample.text.strip())


def _others(sample: Sample) -> dict[str, Text]:
    """What the reply is compared with, by the value's name."""
    turns = [m.content for m in sample.item.messages if m.role != "system"]
    others = {
        "context": Text("\n".join(turns).strip(), keep="end"),
        "reference": Text((sample.item.reference or "").strip()),
    }
    return {name: text for name, text in others.items() if text.content}


def _cut(name: str, text: Embedded) -> list[str]:
    return [f"{name} compared by {text.kept} only"] if text.kept else []
