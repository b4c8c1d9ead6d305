"""The task ``ed-mini``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from empeval import Sampling, TaskCard, read_rows
from empeval_tasks.dialogues import Conversation, DialogueTask

DIALOGUES = Path(__file__).with_name("dialogues.jsonl")


class EDMini(DialogueTask):
    """Listener turns of chats that were written for this package; nothing is downloaded.

    Args:
        turns: ``all`` asks for every listener turn, ``last`` for the last one of each
            conversation.
    """

    card = TaskCard(
        version="1",
        summary="ed-empathy in small, on chats of our own: for smoke tests and demonstrations.",
        provides=("reply", "reference", "emotion"),
        scorers=("mvc", "stm", "baseline", "surface", "similarity"),
        license="Apache-2.0",
        sampling=Sampling(max_tokens=100),
        dataset="comes with empeval",
    )

    def conversations(self) -> Iterator[Conversation]:
        """Yield the conversations in the order of the file."""
        for row in read_rows(DIALOGUES):
            yield Conversation(
                id=row["id"],
                emotion=row["emotion"],
                situation=row["situation"],
                turns=tuple(row["turns"]),
            )
