"""The hybrid labels: the teacher's word on replies, people's own where they rated them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from empeval.auditing.rated import Part, RatedSet
from empeval_training.data import write_json
from empeval_training.examples import Example
from empeval_training.progress import quiet, say
from empeval_training.teacher.data import read_rated_sets
from empeval_training.teacher.overall import Overall, fit_overall
from empeval_training.teacher.targets import NAMES, TeacherRow
from empeval_training.teacher.training import TeacherReader, kept_latents
from empeval_training.variants import SAME

MECHANISMS = ("emotional_reaction", "interpretation", "exploration")
KEPT = frozenset({"padded", "doubled", "echoed"})
"""Variants that keep all labels of the reply they were made of; the other ``SAME`` ones keep its
empathy alone, because a formula of sympathy is an emotional reaction by EPITOME's definition."""


class Labeller:
    """A finished teacher with the scale of its overall number.

    Args:
        folder: of the teacher's run.
        ratings: the folder of rated sets; its validation part ties the scale, once.
    """

    def __init__(self, folder: Path, ratings: Path) -> None:
        self.sets = read_rated_sets(ratings)
        self._folder = folder
        with quiet():
            self.reader = TeacherReader.load(folder)
            path = folder / "overall.json"
            if path.is_file():
                self.overall = msgspec.json.decode(path.read_bytes(), type=Overall)
                return
            say("tying the overall scale to people's 1-5")
            validation = [s.only("validation") for s in self.sets]
            latents = {s.name: self.latents_of(s, "validation") for s in validation}
            self.overall = fit_overall(validation, latents)
            write_json(path, msgspec.to_builtins(self.overall))

    def latents_of(self, rated: RatedSet, part: Part) -> np.ndarray:
        """The teacher's latents of a rated set's part, (replies, heads); kept beside it."""
        return kept_latents(self.reader, rated, part, self._folder)

    def label(self, rows: Sequence[TeacherRow], what: str) -> tuple[np.ndarray, np.ndarray]:
        """Empathy (rows,) in [1, 5] and the mechanisms (rows, 3) in [0, 2]."""
        with quiet():
            latents = self.reader.latents(rows, what)
        return self.read(latents)

    def read(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Empathy and mechanisms, as ``label``, of latents (rows, heads)."""
        columns = [NAMES.index(name) for name in MECHANISMS]
        return self.overall.empathy(latents), self.reader.expected(latents)[:, columns]


def label_examples(examples: Sequence[Example], labeller: Labeller, what: str) -> list[Example]:
    """Examples with the teacher's labels; variants worth the same keep their origin's."""
    own = [e for e in examples if e.variant not in KEPT]
    empathy, mechanisms = labeller.label([TeacherRow(e.context, e.reply) for e in own], what)
    found = {
        e.id: (float(score), levels)
        for e, score, levels in zip(own, empathy, mechanisms, strict=True)
    }
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


def rated_examples(
    sets: Sequence[RatedSet],
    labeller: Labeller,
    split: Part,
    only: Sequence[str] | None = None,
) -> list[Example]:
    """Rated replies as examples: what people said of them, and the teacher's word on the rest.

    Ratings 1-5 of ED replies stand as they are. Ratings 1-3 are linked to them by equal
    percentiles of people's replies (``link``). The other sets' scales are of other people and
    other texts: their rows have the teacher's ``empathy``, and EPITOME's their own mechanisms.
    """
    by_name = {s.name: s for s in sets}
    linked = link(by_name["ratings-1-3"], by_name["exchanges-1-5"])
    examples: list[Example] = []
    for rated in sets:
        if only is not None and rated.name not in only:
            continue
        part = rated.only(split)
        replies = part.replies
        empathy, mechanisms = labeller.read(labeller.latents_of(part, split))
        for number, reply in enumerate(replies):
            score, levels = float(empathy[number]), list(map(float, mechanisms[number]))
            said = reply.mean("empathy")
            if rated.name == "exchanges-1-5" and said is not None:
                score = said
            elif rated.name == "ratings-1-3" and said is not None:
                score = linked[round(said)]
            elif rated.name == "epitome":
                levels = [reply.mean(name) or 0.0 for name in MECHANISMS]
            example = Example(
                id=f"{rated.name}:{reply.id}",
                split=split,
                conversation=reply.dialogue,
                emotion=reply.emotion or "",
                context=reply.context,
                reply=reply.reply,
                variant=f"rated:{rated.name}",
            )
            examples.append(with_labels(example, score, levels))
    return examples


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
