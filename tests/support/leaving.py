"""A plugin that raises at the point that a test names, and prints wherever it is called."""

from __future__ import annotations

from collections.abc import Callable

from empeval import (
    Generator,
    Item,
    Message,
    ModelCard,
    Response,
    Score,
    Scorer,
    ScorerCard,
    Task,
    TaskCard,
    ValueCard,
    hookimpl,
)

POINTS = {
    "empeval": {"leaving-hooks": "support.leaving:Hooks"},
    "empeval.tasks": {"leaving": "support.leaving:Chats"},
    "empeval.generators": {"leaving": "support.leaving:Voice"},
    "empeval.scorers": {
        "leaving": "support.leaving:Judge",
        "staying": "support.leaving:Other",
    },
}

where: dict[str, Callable[[], BaseException]] = {}
"""Point -> what is raised there."""


def passes(point: str) -> None:
    """Print, and raise where a test says so."""
    print(f"NOISE from {point}")
    if point in where:
        raise where[point]()


class Chats(Task):
    """Four items."""

    card = TaskCard(
        version="1", summary="x", provides=("reply",), scorers=("leaving",), license="none"
    )

    def items(self):
        passes("items")
        for number in range(4):
            yield Item(str(number), (Message("user", f"Day {number}."),), cluster=str(number))

    def select(self, items, limit, seed):
        passes("select")
        return items[:limit]

    def metrics(self, scored):
        passes("task metrics")
        return []


class Voice(Generator):
    """Answers by itself."""

    def __init__(self, target: str) -> None:
        passes("generator")

    @property
    def card(self):
        passes("model card")
        return ModelCard(name="voice", fingerprint="voice")

    def prepare(self, questions):
        passes("prepare")
        return []

    def plan(self, items, sampling):
        passes("plan")
        return [[item] for item in items]

    def generate(self, items, sampling):
        for item in items:
            if item.id == "2":
                passes("generate")
            yield Response(item.id, f"Answer {item.id}.")

    def runtime(self):
        passes("runtime")
        return {}

    def close(self):
        passes("close")


class Other(Scorer):
    """Counts characters."""

    card = ScorerCard(
        version="1",
        summary="x",
        values=(ValueCard(name="length", unit="characters", summary="x", low=0, high=1000),),
        needs=("reply",),
    )

    def score(self, samples):
        return [Score(s.id, values={"length": float(len(s.text))}) for s in samples]


class Judge(Other):
    """The same, and leaves."""

    def __init__(self, target: str | None = None) -> None:
        passes("scorer")

    def fingerprint(self):
        passes("fingerprint")

    def score(self, samples):
        if any(s.id == "1" for s in samples):
            passes("one sample")
        passes("score")
        return super().score(samples)

    def metrics(self, scored):
        passes("scorer metrics")
        return super().metrics(scored)


class Hooks:
    """Every hook, and a verb."""

    @staticmethod
    @hookimpl
    def empeval_register_commands(commands):
        passes("register")
        commands.add("leave", "leaves", Hooks.leave)

    @staticmethod
    def leave(options):
        passes("verb")
        return 7

    @staticmethod
    @hookimpl
    def empeval_run_started():
        passes("started")

    @staticmethod
    @hookimpl
    def empeval_response_written():
        passes("response")

    @staticmethod
    @hookimpl
    def empeval_export_sheets(run):
        passes("sheets")
        return []
