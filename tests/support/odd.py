"""Plugins that are slow or do what plugins should not."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

import numpy as np

from empeval import (
    Generator,
    Item,
    Message,
    Metric,
    ModelCard,
    Response,
    Sample,
    Sampling,
    Score,
    Scorer,
    ScorerCard,
    Task,
    TaskCard,
    ValueCard,
    hookimpl,
)

POINTS = {
    "empeval.tasks": {
        "days": "support.odd:Days",
        "numbered": "support.odd:Numbered",
        "same": "support.odd:Same",
    },
    "empeval.generators": {
        "slow": "support.odd:Slow",
        "forgetful": "support.odd:Forgetful",
        "strange": "support.odd:Strange",
        "repeating": "support.odd:Repeating",
        "shapeless": "support.odd:Shapeless",
        "torn": "support.odd:Torn",
        "dying": "support.odd:Dying",
    },
    "empeval.scorers": {
        "length": "support.odd:Length",
        "length-0": "support.odd:Length",
        "nan": "support.odd:NotANumber",
        "raising": "support.odd:Raising",
        "short": "support.odd:Short",
        "shuffling": "support.odd:Shuffling",
        "numpy": "support.odd:Numpy",
        "inventive": "support.odd:Inventive",
        "faceless": "support.odd:Faceless",
        "referring": "support.odd:Referring",
    },
}
"""Entry points under which a test installs all of these."""


class Days(Task):
    """Items 1, 2, 3 ...; three in each cluster."""

    card = TaskCard(
        version="1",
        summary="Days.",
        provides=("reply",),
        scorers=("length",),
        license="none",
    )

    def __init__(self, *, count: int = 12) -> None:
        self.count = count

    def items(self) -> Iterator[Item]:
        for number in range(1, self.count + 1):
            message = Message("user", f"This happened on day {number}: " + "x" * (number % 7))
            yield Item(str(number), (message,), cluster=f"week {number // 3}", reference="Oh.")


class Numbered(Days):
    """Ids that are numbers and not text."""

    def items(self) -> Iterator[Item]:
        for item in super().items():
            yield Item(int(item.id), item.messages, item.cluster)  # type: ignore[arg-type]


class Same(Days):
    """Ids that are all alike."""

    def items(self) -> Iterator[Item]:
        for item in super().items():
            yield Item("same", item.messages, item.cluster)


class Slow(Generator):
    """Answers groups of four in a random order, every time the same.

    Args:
        pause: seconds an answer takes.
    """

    summary = "slow"

    def __init__(self, target: str, *, pause: float = 0.001) -> None:
        self.pause = pause

    @property
    def card(self) -> ModelCard:
        return ModelCard(name="slow", fingerprint="slow", details={"sizes": (1, 2)})

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        return [list(items[start : start + 4]) for start in range(0, len(items), 4)]

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for start in range(0, len(items), 4):
            group = list(items[start : start + 4])
            random.Random(group[0].id).shuffle(group)
            for item in group:
                time.sleep(self.pause)
                yield Response(item.id, f"Day {item.id}, " * (1 + len(item.messages[0].content)))


class Echoing(Slow):
    """Answers at once; others go wrong from here."""

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for item in items:
            yield Response(item.id, item.messages[0].content)


class Forgetful(Echoing):
    """Leaves out every third item, every time."""

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        yield from (r for r in super().generate(items, sampling) if int(r.id) % 3)


class Strange(Echoing):
    """Answers what was not asked."""

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        yield from list(super().generate(items, sampling))[:2]
        yield Response("never asked", "Hello.")


class Repeating(Echoing):
    """Answers each item twice, differently."""

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for response in super().generate(items, sampling):
            yield response
            yield Response(response.id, "Something else.")


class Shapeless(Echoing):
    """Gives no text and a status of its own."""

    def __init__(self, target: str) -> None:
        self.target = target

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for item in items:
            if self.target == "status":
                yield Response(item.id, "Hello.", status="done")  # type: ignore[arg-type]
            elif self.target == "count":
                yield Response(item.id, "Hello.", prompt_tokens=np.int64(3))  # type: ignore[arg-type]
            else:
                yield Response(item.id, None)  # type: ignore[arg-type]


class Torn(Echoing):
    """Lone surrogates wherever there is text."""

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for item in items:
            torn = "sorry \ud83d"
            yield Response(item.id, torn, reasoning=torn, stop=torn, note=torn)


class Dying(Echoing):
    """Raises after five answers."""

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for number, response in enumerate(super().generate(items, sampling)):
            if number == 5:
                raise RuntimeError("out of memory")
            yield response


class Length(Scorer):
    """Counts characters; ``length:SECONDS`` takes its time over each sample."""

    card = ScorerCard(
        version="1",
        summary="Length.",
        values=(ValueCard(name="length", unit="characters", summary="Its length.", low=0),),
        needs=("reply",),
    )

    def __init__(self, target: str | None = None) -> None:
        self.pause = float(target or 0)

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        time.sleep(self.pause * len(samples))
        return [Score(s.id, values={"length": len(s.text) / 3}) for s in samples]


class NotANumber(Length):
    """NaN for the item 3 and infinity for the item 5."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        odd = {"3": float("nan"), "5": float("-inf")}
        return [Score(s.id, values={"length": odd.get(s.id, 1.0)}) for s in samples]


class Raising(Length):
    """Raises when the item 4 is in the batch."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        for sample in samples:
            if sample.id == "4":
                raise ZeroDivisionError("the item \ud83d 4")
        return super().score(samples)


class Short(Length):
    """Returns one score too few when there is more than one sample."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        scores = super().score(samples)
        return scores[:-1] if len(scores) > 1 else scores


class Shuffling(Length):
    """Returns the scores of a batch in another order."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        return super().score(samples)[::-1]


class Numpy(Length):
    """Numbers as numpy makes them, in metrics too."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        kinds = [np.float32, np.float64, np.int64, bool]
        return [Score(s.id, values={"length": kinds[int(s.id) % 4](1)}) for s in samples]

    def metrics(self, scored) -> list[Metric]:
        mean = np.mean([s.score.values["length"] for s in scored])
        count = np.int64(len(scored))
        return [
            Metric("", "", "length", mean, np.float32("nan"), None, count, 0, "characters", None)
        ]


class Inventive(Length):
    """Statuses, labels and values of no known kind for the items 1, 2 and 3."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        odd = {
            "1": Score("1", status="great"),  # type: ignore[arg-type]
            "2": Score("2", labels={"tone": 3}),  # type: ignore[dict-item]
            "3": Score("3", values={"length": "long"}),  # type: ignore[dict-item]
        }
        return [odd.get(s.id, Score(s.id, values={"length": 1.0})) for s in samples]


class Faceless(Length):
    """Raises when it should compute metrics."""

    def metrics(self, scored) -> list[Metric]:
        raise KeyError("metrics")


class Referring(Length):
    """Needs a human reply."""

    card = ScorerCard(
        version="1",
        summary="Length of the reference.",
        values=(ValueCard(name="length", unit="characters", summary="Its length."),),
        needs=("reply", "reference"),
    )

    def __init__(self, target: str | None = None) -> None:
        self.pause = 0.0


class Watching:
    """Hooks that remember every call."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    @hookimpl
    def empeval_run_started(self, event):
        self.calls.append(("started", event.manifest["status"]))

    @hookimpl
    def empeval_response_written(self, event):
        self.calls.append(("response", event.task, event.response.id))

    @hookimpl
    def empeval_scores_written(self, event):
        self.calls.append(("scores", event.task, event.scorer, event.count))

    @hookimpl
    def empeval_run_finished(self, event):
        self.calls.append(("finished", len(event.metrics)))
