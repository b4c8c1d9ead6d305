"""The hybrid labels: the teacher's word on replies, people's own where they rated them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from scipy.special import expit

from empeval.auditing.rated import Part, RatedSet
from empeval_training.examples import Example
from empeval_training.progress import quiet, say
from empeval_training.teacher.data import read_rated_sets, with_strangers
from empeval_training.teacher.linear import LinearHeads
from empeval_training.teacher.overall import fit_overall, said_of
from empeval_training.teacher.targets import HEADS, NAMES, TeacherRow
from empeval_training.teacher.training import (
    TeacherReader,
    finished_teacher,
    has_weights,
    kept_latents,
)
from empeval_training.variants import SAME

MECHANISMS = ("emotional_reaction", "interpretation", "exploration")
KEPT = frozenset({"padded", "doubled", "echoed"})
"""Variants that keep all labels of the reply they were made of; the other ``SAME`` ones keep its
empathy alone, because a formula of sympathy is an emotional reaction by EPITOME's definition."""


MEASURED = ("epitome", "ratings-1-3", "exchanges-1-5")
"""The rated sets whose test part every trained model is measured on."""
VALIDATION_TURNS = 500
"""Turns of EmpatheticDialogues' validation split that are held against strangers' replies."""


class Labeller:
    """One finished teacher or several as one, with the scale of their overall number.

    What they said of rated replies is kept beside them, so that the scale needs none of their
    weights; these are loaded when there is something new to read.

    Args:
        folders: of the teachers' runs, one or more that differ by their seed.
        ratings: the folder of rated sets; its validation part ties the scale.

    Raises:
        UsageError: a folder holds no finished teacher.
    """

    def __init__(self, folders: Sequence[Path], ratings: Path) -> None:
        self.sets = read_rated_sets(ratings)
        self._folders = folders
        self._readers: dict[Path, TeacherReader] = {}
        self.results = [finished_teacher(folder) for folder in folders]
        say("tying the overall scale to people's 1-5")
        with quiet():
            self.linear = LinearHeads(
                self.results[0]["recipe"]["encoder"],
                self.sets,
                folders[0] / "embeddings.safetensors",
            )
            validation = [s.only("validation") for s in self.sets]
            turns, strangers = with_strangers(VALIDATION_TURNS)
            by_name = {s.name: s for s in self.sets}
            linked = link(by_name["ratings-1-3"], by_name["exchanges-1-5"])
            self.overall = fit_overall(
                [said_of(s, linked) for s in validation],
                {
                    s.name: self._columns(rows_of(s), self.latents_of(s, "validation"))
                    for s in validation
                },
                self._columns(turns, self._kept(turns, "validation-turns")),
                self._columns(strangers, self._kept(strangers, "validation-strangers")),
                float(np.mean([r["thresholds"]["relevance"][0] for r in self.results])),
            )

    @property
    def whole(self) -> bool:
        """Whether the weights of all teachers are there, so that anything can be read."""
        return all(has_weights(folder) for folder in self._folders)

    def latents_of(self, rated: RatedSet, part: Part) -> np.ndarray:
        """Latents of a rated set's part, (teachers, replies, heads); kept beside each teacher."""
        return self._kept(rows_of(rated), f"{part}-{rated.name}")

    def _kept(self, rows: Sequence[TeacherRow], name: str) -> np.ndarray:
        return np.stack([kept_latents(partial(self._reader, out), rows, name, out)
                         for out in self._folders])  # fmt: skip

    def _reader(self, folder: Path) -> TeacherReader:
        if folder not in self._readers:
            self._readers[folder] = TeacherReader.load(folder)
        return self._readers[folder]

    def label(self, rows: Sequence[TeacherRow], what: str) -> tuple[np.ndarray, np.ndarray]:
        """Empathy (rows,) in [1, 5] and the mechanisms (rows, 3) in [0, 2]."""
        with quiet():
            latents = [self._reader(folder).latents(rows, what) for folder in self._folders]
            return self.read(rows, np.stack(latents))

    def read(
        self, rows: Sequence[TeacherRow], latents: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Empathy and mechanisms, as ``label``, of rows with latents (teachers, rows, heads)."""
        empathy = self.overall.empathy(self._columns(rows, latents))
        return empathy, np.stack([self.expected(latents, name) for name in MECHANISMS], axis=1)

    def expected(self, latents: np.ndarray, head: str) -> np.ndarray:
        """The mean of the teachers' expected ratings by a head, (rows,), of latents as ``read``.

        A rating above the k-th step has the chance sigmoid(latent - threshold k).
        """
        number = NAMES.index(head)
        said = [
            expit(own[:, number, None] - np.array(result["thresholds"][head])).sum(1)
            for own, result in zip(latents, self.results, strict=True)
        ]
        mean: np.ndarray = HEADS[number].low + np.mean(said, axis=0)
        return mean

    def _columns(self, rows: Sequence[TeacherRow], latents: np.ndarray) -> np.ndarray:
        return np.hstack([latents.mean(0), self.linear(rows)])


def rows_of(rated: RatedSet) -> list[TeacherRow]:
    """The replies of a rated set as a teacher reads them."""
    return [TeacherRow(reply.context, reply.reply) for reply in rated.replies]


def label_examples(
    examples: Sequence[Example],
    labeller: Labeller,
    what: str,
    origins: Sequence[Example] = (),
) -> list[Example]:
    """Examples with the teacher's labels; variants worth the same keep their origin's.

    Args:
        examples: to label.
        labeller: whose word counts.
        what: for the progress.
        origins: what variants among the examples were made of, labelled already.
    """
    if not examples:
        return []
    own = [e for e in examples if e.variant not in KEPT]
    empathy, mechanisms = labeller.label([TeacherRow(e.context, e.reply) for e in own], what)
    found: dict[str, tuple[float, Sequence[float]]] = {
        e.id: (e.empathy or 0.0, e.mechanisms or ()) for e in origins
    }
    for e, score, levels in zip(own, empathy, mechanisms, strict=True):
        found[e.id] = (float(score), levels)
    labelled = []
    for example in examples:
        origin = example.id.rpartition("~")[0]
        score, levels = found[example.id if example.variant not in KEPT else origin]
        if example.variant in SAME:
            score = found[origin][0]
        labelled.append(with_labels(example, score, levels))
    return labelled


def with_labels(example: Example, empathy: float, mechanisms: Sequence[float]) -> Example:
    """The example with labels, rounded to four digits."""
    return msgspec.structs.replace(
        example,
        empathy=round(min(5.0, max(1.0, float(empathy))), 4),
        mechanisms=tuple(round(float(level), 4) for level in mechanisms),
    )


def link(three: RatedSet, five: RatedSet) -> dict[int, float]:
    """Each rating 1-3 as the mean rating 1-5 at the same percentiles, of people's replies.

    Only the training parts are looked at.
    """
    said = [
        round(r.mean("empathy") or 0)
        for r in three.only("train").replies
        if r.system in (None, "human")
    ]
    other = np.sort([r.mean("empathy") for r in five.only("train").replies]).astype(float)
    counts = Counter(said)
    linked, start = {}, 0.0
    for level in (1, 2, 3):
        end = start + counts[level] / len(said)
        # a level that nobody gave has a place too
        low = min(round(start * len(other)), len(other) - 1)
        high = round(end * len(other))
        linked[level] = round(float(other[low : max(high, low + 1)].mean()), 3)
        start = end
    return linked
