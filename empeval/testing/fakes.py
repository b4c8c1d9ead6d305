"""Small stand-ins: items, samples, a task, a generator and a scorer that need nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from empeval.cards import ModelCard, ScorerCard, TaskCard, ValueCard
from empeval.interfaces import Generator, Scorer, Task
from empeval.records import Item, Message, Response, Sample, Sampling, Score


def fake_item(identifier: str = "1", text: str = "My old dog died today.", **fields: Any) -> Item:
    """An item that asks for a reply to ``text``; ``fields`` replace its other fields."""
    item = Item(
        identifier,
        (Message("user", text),),
        cluster=identifier,
        reference="I am so sorry. How long was he with you?",
        target={"emotion": "sad"},
        task="fake",
    )
    made: Item = msgspec.structs.replace(item, **fields)
    return made


def fake_sample(answer: str, item: Item | None = None, **fields: Any) -> Sample:
    """A sample in which the model said ``answer``; ``fields`` replace those of its response."""
    item = fake_item() if item is None else item
    response = Response(item.id, answer, "ok" if answer.strip() else "empty")
    return Sample(item, msgspec.structs.replace(response, **fields))


class FakeTask(Task):
    """Items with the ids 1, 2, 3 ..., two in each cluster.

    Args:
        count: how many.
    """

    card = TaskCard(
        version="1",
        summary="Items for tests.",
        provides=("reply", "reference", "emotion"),
        scorers=(),
        license="none",
    )

    def __init__(self, *, count: int = 6) -> None:
        self.count = count

    def items(self) -> Iterator[Item]:
        """Yield them in the order of their numbers."""
        for number in range(1, self.count + 1):
            text = f"This is what happened to me on day {number}."
            yield fake_item(str(number), text, cluster=f"dialogue-{(number + 1) // 2}")


class Echo(Generator):
    """Answers with the last message of the conversation."""

    summary = "the question itself, for tests"

    def __init__(self, target: str = "") -> None:
        self.target = target

    @property
    def card(self) -> ModelCard:
        """Its card; the target is all that there is to tell apart."""
        return ModelCard(name="echo", fingerprint=f"echo {self.target}")

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield each item's last message."""
        for item in items:
            yield Response(item.id, item.messages[-1].content, seconds=0.0)


class FakeScorer(Scorer):
    """Counts characters."""

    card = ScorerCard(
        version="1",
        summary="The length of an answer.",
        values=(ValueCard(name="length", unit="characters", summary="Its length.", low=0),),
        needs=("reply",),
    )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Count; there is no answer that cannot be counted."""
        return [Score(sample.id, values={"length": float(len(sample.text))}) for sample in samples]
