"""Cards: the static facts of a task, a model, a scorer and each of its values.

Cards lie below the interfaces and the metrics, which both speak of them; msgspec alone is
imported here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from empeval.records import Sampling


class TaskCard(msgspec.Struct, frozen=True, kw_only=True):
    """Static facts about a task.

    Attributes:
        version: raise it when a prompt, an item or a rule changes; scores of different versions
            are not compared.
        summary: one sentence.
        provides: what its items offer to scorers: ``reply`` (the answer is a reply in a
            conversation), ``reference`` (a human reply), ``emotion`` (``target["emotion"]``), or
            a name of the task's own. A scorer applies when all of its ``needs`` are provided.
        scorers: used when the user names none.
        sampling: how to decode unless the user says otherwise.
        dataset: hub id, or where the rows come from.
        license: of the data; shown to the user.
        fingerprints: data fingerprints this version was tested with, by the arguments that chose
            the rows (``Task.data_key``); other rows give a warning.
    """

    version: str
    summary: str
    provides: tuple[str, ...]
    scorers: tuple[str, ...]
    license: str
    sampling: Sampling = Sampling()
    dataset: str | None = None
    language: str = "en"
    citation: str | None = None
    fingerprints: dict[str, tuple[str, ...]] = {}


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the model behind a generator, known without loading its weights.

    Attributes:
        name: short, for tables.
        fingerprint: identifies the weights (hub commit, hash of files); equal fingerprints and
            equal details mean the same answers.
        license: of the model, if known.
        details: what else decides the answers (dtype, chat template, adapter ...), as JSON.
    """

    name: str
    fingerprint: str
    license: str | None = None
    details: dict[str, Any] = {}


class ValueCard(msgspec.Struct, frozen=True, kw_only=True):
    """One of the values that a scorer gives.

    Attributes:
        unit: ``points``, ``cosine``, ``words`` ... ``percent`` is for yes/no values, given as
            0 or 1 and reported as a share.
        low, high: the range; ``None`` is open.
        higher_is_better: ``None`` when it only describes.
    """

    name: str
    unit: str
    summary: str
    low: float | None = None
    high: float | None = None
    higher_is_better: bool | None = None


class ScorerCard(msgspec.Struct, frozen=True, kw_only=True):
    """Static facts about a scorer.

    Attributes:
        version: raise it when the same sample may get another score.
        summary: one sentence: what it measures.
        values: the values it gives, in the order in which tables show them.
        needs: what it needs of a task (see ``TaskCard.provides``).
        labels: the names of the labels it gives.
    """

    version: str
    summary: str
    values: tuple[ValueCard, ...]
    needs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    license: str | None = None
    citation: str | None = None
