"""Dialogues whose replies are the model's own, and a model whose replies depend on all before."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from empeval import (
    Generator,
    Item,
    Message,
    ModelCard,
    Response,
    Sampling,
    Task,
    TaskCard,
    Turn,
)


class Talks(Task):
    """Dialogues 1, 2, 3 ...: three turns each, the second one two.

    Args:
        count: how many.
        last: whether only the last reply of each is scored.
    """

    card = TaskCard(
        version="1",
        summary="Talks.",
        provides=("reply", "reference"),
        scorers=("surface",),
        license="none",
    )

    def __init__(self, *, count: int = 4, last: bool = False) -> None:
        self.count = count
        self.last = last

    def items(self) -> Iterator[Item]:
        for number in range(1, self.count + 1):
            turns = 2 if number == 2 else 3
            yield Item(
                id=str(number),
                messages=(Message("system", "Be kind."),),
                cluster=f"talk {number}",
                metadata={"mood": "low"},
                script=tuple(
                    Turn(
                        f"This is thing {turn} that happened to person {number}.",
                        reference=f"Oh, thing {turn}!",
                        scored=not self.last or turn == turns,
                    )
                    for turn in range(1, turns + 1)
                ),
            )


class Talker(Generator):
    """Replies with a digest of all that was said and of what it is asked together with.

    Args:
        fails: an id that fails as long as there is no file ``mended``.
        pause: seconds before each reply.
        name: decides the replies, too.
    """

    operational = ("fails", "pause")

    def __init__(
        self, target: str = "", *, fails: str = "", pause: float = 0.0, name: str = "talker"
    ) -> None:
        self.fails = fails
        self.pause = pause
        self.name = name
        self.asked: list[str] = []
        self.seen: dict[str, tuple[Message, ...]] = {}

    @property
    def card(self) -> ModelCard:
        return ModelCard(name=self.name, fingerprint=self.name)

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        return [list(items[i : i + 3]) for i in range(0, len(items), 3)]

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        for group in self.plan(items, sampling):
            together = " ".join(item.id for item in group)
            for item in group:
                self.asked.append(item.id)
                self.seen[item.id] = item.messages
                time.sleep(self.pause)
                if item.id == self.fails and not Path("mended").exists():
                    yield Response(item.id, "", "error", note="the line is dead", prompt_tokens=7)
                    continue
                said = f"{self.name} {together} {[(m.role, m.content) for m in item.messages]}"
                digest = hashlib.sha256(said.encode()).hexdigest()[:8]
                words = "so " * (int(digest, 16) % 5)
                yield Response(item.id, f"I see {words}{digest}", prompt_tokens=3,
                               completion_tokens=2)  # fmt: skip
