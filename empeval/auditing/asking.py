"""Asks a scorer about texts, and keeps every score, so that an interrupted audit goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from empeval.asked import AskedScorer
from empeval.auditing.progress import progress_bar
from empeval.errors import EmpevalError, UsageError
from empeval.records import Item, Message, Response, Sample, Score
from empeval.runs import Journal, Judgements, heard, read_journal
from empeval.scoring import score_chunk

CHUNK = 64
"""Texts handed to the scorer at once; cut the same way when an audit goes on."""

PROVIDED = frozenset(["reply"])
"""What an audit has of a task's items."""


class Text(msgspec.Struct, frozen=True):
    """A reply and what it replies to; ``context`` ends with the speaker's turn."""

    context: tuple[str, ...]
    reply: str

    @property
    def key(self) -> str:
        """Identifies the text."""
        written = json.dumps([*self.context, self.reply]).encode()
        return hashlib.sha256(written).hexdigest()[:32]


class Kept(msgspec.Struct, frozen=True):
    """A line of the file of scores.

    Attributes:
        key: of the text.
        judge: of the scorer, its version and its fingerprint.
        status, values, note: of the score.
    """

    key: str
    judge: str
    status: str
    values: dict[str, float] = {}
    note: str | None = None


def sample(text: Text) -> Sample:
    """A text as a scorer sees it: no human reply, no emotion, roles counted from the end."""
    last = len(text.context) - 1
    turns = tuple(
        Message("user" if (last - index) % 2 == 0 else "assistant", turn)
        for index, turn in enumerate(text.context)
    )
    key = text.key
    return Sample(Item(key, turns, cluster=key, task="audit"), Response(key, text.reply))


class Book:
    """A scorer and every score that it has given.

    Args:
        asked: the scorer.
        path: the file of scores.
        fresh: forget what the file holds.
    """

    def __init__(self, asked: AskedScorer, path: Path, *, fresh: bool = False) -> None:
        self.asked, self.path = asked, path
        facts = [asked.entry.name, asked.entry.target, asked.entry.version]
        mark = json.dumps([*facts, asked.entry.fingerprint, asked.entry.distribution]).encode()
        self.judge = hashlib.sha256(mark).hexdigest()[:16]
        said = path.parent.parent / "judgements" / path.name
        if fresh:
            path.unlink(missing_ok=True)
            said.unlink(missing_ok=True)
        self._judgements = Judgements(said)
        self._kept = {line.key: line for line in read_journal(path, Kept)
                      if line.judge == self.judge}  # fmt: skip

    def ask(self, texts: Iterable[Text], what: str, *, progress: bool = False) -> None:
        """Have every text scored that has not been.

        Raises:
            EmpevalError: the scorer cannot be used at all, or the file cannot be written.
        """
        every = {text.key: text for text in texts}
        keys = list(every)
        done = sum(key in self._kept for key in keys)
        if done == len(keys):
            return
        label = f"{self.asked.label}: {what}"
        with (
            Journal[Kept](self.path) as journal,
            heard(self.asked.scorer, self._judgements),
            progress_bar(len(keys), done, label, progress) as bar,
        ):
            for start in range(0, len(keys), CHUNK):
                chunk = keys[start : start + CHUNK]
                if all(key in self._kept for key in chunk):
                    continue
                for score in score_chunk(self.asked.scorer, [sample(every[key]) for key in chunk]):
                    if score.id not in self._kept:
                        line = Kept(score.id, self.judge, score.status, score.values, score.note)
                        journal.append(line)
                        self._kept[score.id] = line
                        bar.update()

    def values(self, texts: Sequence[Text], name: str) -> np.ndarray:
        """A value of each text, shape (texts,); NaN where the scorer gave none.

        Args:
            texts: that have been asked.
            name: of the value; ``a+b`` is the sum of two.
        """
        parts = name.split("+")
        found = np.full(len(texts), np.nan)
        for index, text in enumerate(texts):
            line = self._kept.get(text.key)
            if line is not None and line.status == "ok" and all(p in line.values for p in parts):
                found[index] = sum(line.values[part] for part in parts)
        return found

    def failures(self, texts: Iterable[Text]) -> list[str]:
        """Why texts have no score: their notes."""
        lines = [self._kept.get(text.key) for text in texts]
        return [
            (line.note or line.status) for line in lines if line is not None and line.status != "ok"
        ]

    def names(self) -> set[str]:
        """Every value that the scorer has given at least once."""
        return {name for line in self._kept.values() if line.status == "ok" for name in line.values}


def scores_now(asked: AskedScorer, batches: Iterable[Sequence[Text]], name: str) -> np.ndarray:
    """A value of texts asked in these batches, nothing kept; NaN where the scorer gave none."""
    found: list[float] = []
    for batch in batches:
        scores: Sequence[Score] = score_chunk(asked.scorer, [sample(text) for text in batch])
        found += [s.values.get(name, np.nan) if s.status == "ok" else np.nan for s in scores]
    return np.array(found)


def primary_value(asked: AskedScorer, given: set[str]) -> tuple[str, int, str]:
    """The headline value among those given: its name, its direction (1 or -1), and a remark.

    Raises:
        EmpevalError: the scorer gave no value of its card at all.
    """
    values = [value for value in asked.scorer.card.values if value.name in given]
    if not values:
        raise EmpevalError(f"{asked.label} gave none of the values of its card; nothing to audit.")
    for value in values:
        if value.higher_is_better:
            return value.name, 1, ""
    for value in values:
        if value.higher_is_better is False:
            return value.name, -1, f"'{value.name}' is better when lower and is turned round"
    return (
        values[0].name,
        1,
        (
            f"its card calls no value of a reply alone better when higher; '{values[0].name}' is "
            "taken, as if it were"
        ),
    )


def value_for(dimension: str, parts: Sequence[str], given: set[str], primary: str) -> str:
    """The value to compare with a dimension: of its name, the sum of its parts, or the primary."""
    if dimension in given:
        return dimension
    if parts and all(part in given for part in parts):
        return "+".join(parts)
    return primary


def directions(asked: AskedScorer) -> Mapping[str, int]:
    """Value -> 1, or -1 where less is better."""
    return {
        value.name: -1 if value.higher_is_better is False else 1
        for value in asked.scorer.card.values
    }


def check_scorer(spec: str, prefer: str | None = None) -> AskedScorer:
    """A scorer that can be audited.

    Args:
        spec: ``NAME`` or ``NAME:TARGET``.
        prefer: the distribution whose scorer it is where two have one of that name.

    Raises:
        UsageError: there is none of that name, or it needs more than a reply and its context.
    """
    asked = AskedScorer(spec, prefer)
    needs = sorted(set(asked.needs) - PROVIDED)
    if needs:
        raise UsageError(
            f"The scorer '{spec}' needs {', '.join(needs)} of a task's items; an audit has replies "
            "and their contexts alone, so it cannot be audited."
        )
    return asked
