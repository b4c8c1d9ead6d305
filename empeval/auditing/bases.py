"""The replies that trials start from, and how far a score may move."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from empeval.auditing.asking import Text
from empeval.auditing.changes import warm_cases
from empeval.auditing.gathering import Gathered
from empeval.auditing.own import digest
from empeval.auditing.ranking import estimate, interval_estimate
from empeval.certificates import KnownEstimate, Trial

WIDE_SDS = 40.0
"""A range of more standard deviations says nothing of where scores lie: it is taken as open."""

BASES = 200
"""The most replies that are changed."""

LEAST = 30
"""With fewer rated dialogues, our own replies are added."""

TARGET_SDS = 8.0
"""An open-ended value's range is taken to be so many standard deviations."""


class Base(msgspec.Struct, frozen=True):
    """A reply to change.

    Attributes:
        text: the reply and its context.
        dialogue: where it is from; each comes once.
        human: whether a person wrote it, as far as known.
        source: the rated set's name; "" for our own.
    """

    text: Text
    dialogue: str
    human: bool
    source: str = ""


def choose_bases(sets: Sequence[Gathered], count: int = BASES) -> list[Base]:
    """Replies of the rated sets, one of a dialogue, always the same.

    The rated sets get equal shares, as far as they have dialogues. Where there are few dialogues,
    or none, our own replies are added.
    """
    queues = []
    for one in sets:
        first: dict[str, Base] = {}
        for reply in sorted(one.rated.replies, key=lambda r: digest(f"{r.dialogue} {r.id}")):
            text = Text(reply.context, reply.reply)
            human = reply.system in (None, "human")
            first.setdefault(reply.dialogue, Base(text, reply.dialogue, human, one.rated.name))
        queues.append(sorted(first.values(), key=lambda base: digest(base.dialogue)))
    chosen: dict[str, Base] = {}
    for index in range(max(map(len, queues), default=0)):
        for queue in queues:
            if index < len(queue) and len(chosen) < count:
                chosen.setdefault(queue[index].dialogue, queue[index])
    if len(chosen) < LEAST:
        own = [Base(text, f"case {k}", human=True) for k, text in enumerate(warm_cases())]
        chosen |= {base.dialogue: base for base in own}
    return list(chosen.values())[:count]


def strangers(bases: Sequence[Base]) -> list[Text]:
    """For each base the reply of the base half the list away: a reply to somebody else."""
    half = max(1, len(bases) // 2)
    return [
        Text(base.text.context, bases[(k + half) % len(bases)].text.reply)
        for k, base in enumerate(bases)
    ]


class Yardstick(msgspec.Struct, frozen=True):
    """How large a change of a value is.

    Attributes:
        unit: of the value.
        span: its range; for an open-ended value ``TARGET_SDS`` standard deviations.
        sd: of the scores of the base replies of one rated set.
        bounded: whether the value has a range of its own.
    """

    unit: str
    span: float
    sd: float
    bounded: bool

    def allowed(self, share: float) -> tuple[float, str]:
        """A share of the range in the value's unit, and in words."""
        size = share * self.span
        of = "of the range" if self.bounded else "sd"
        part = f"{100 * share:.3g} %" if self.bounded else f"{share * TARGET_SDS:.2g}"
        return size, f"{size:.3g} ({part} {of})"


def mean_estimate(
    values: np.ndarray, failed: int, clusters: np.ndarray | None = None
) -> KnownEstimate | None:
    """A mean with a percentile interval; ``None`` where no value is a number.

    Args:
        values: shape (replies,), NaN where there is none.
        failed: how many have none.
        clusters: which values belong together; without it each stands alone.
    """
    there = np.isfinite(values)
    if not there.any():
        return None
    own = values[there]
    names = np.arange(len(values)) if clusters is None else clusters
    groups, numbers = np.unique(names[there], return_inverse=True)

    def mean(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.asarray((weights @ own / weights.sum(1))[:, None])

    point, draws = estimate(mean, numbers)
    return interval_estimate(
        point[0], draws[:, 0], n=len(own), clusters=len(groups), n_failed=failed
    )


def not_made(name: str, kind: str, rule: str, why: str) -> Trial:
    """A trial that could not be made."""
    return Trial(name=name, kind=kind, change=None, unit="", rule=rule, passed=None, n=0, note=why)
