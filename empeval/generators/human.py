"""``human:`` answers with the data set's own human reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from empeval.cards import ModelCard
from empeval.errors import UsageError
from empeval.interfaces import Generator
from empeval.records import Item, Response, Sampling
from empeval.roles import playing


class Human(Generator):
    """The yardstick: what a person replied, taken from the items' ``reference``."""

    summary = "the data set's own human reply"
    reads_prompts = False
    counts_tokens = False

    def __init__(self, target: str) -> None:
        if target:
            raise UsageError(f"'human:' takes nothing after the colon, but '{target}' was given.")

    @property
    def card(self) -> ModelCard:
        """Its card; the replies are identified by the data's fingerprint."""
        return ModelCard(name="human", fingerprint="human")

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """Refuse tasks that have no human replies.

        Raises:
            UsageError: naming the tasks.
        """
        without = [n for n, items in questions.items() if any(i.reference is None for i in items)]
        if without:
            raise UsageError(
                f"'human:' needs human replies, and {', '.join(without)} has none. It goes with "
                f"tasks that provide a reference{_such_as()}; 'empeval show TASK' says what one "
                "provides."
            )
        return []

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield each item's reference."""
        for item in items:
            yield Response(item.id, item.reference or "")


def _such_as() -> str:
    known = playing("example.replies")
    return f", such as {known[0]}" if known else ""
