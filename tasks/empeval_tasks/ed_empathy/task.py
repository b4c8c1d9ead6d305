"""The task ``ed-empathy``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from empeval import Sampling, TaskCard, load_rows
from empeval_tasks.dialogues import Conversation, DialogueTask, Turns
from empeval_tasks.ed_empathy.rows import DATASET, read_conversations

REVISION = "refs/convert/parquet"
"""The branch on which the hub keeps the data set as Parquet; its main branch holds a script."""

Split = Literal["test", "validation", "train"]


class EDEmpathy(DialogueTask):
    """Listener turns of EmpatheticDialogues, with the human replies as references.

    Args:
        split: which part of the data set.
        turns: ``all`` asks for every listener turn, ``last`` for the last one of each
            conversation.
    """

    card = TaskCard(
        version="1",
        summary="Reply to someone who tells of an emotional situation (EmpatheticDialogues).",
        provides=("reply", "reference", "emotion"),
        scorers=("surface", "similarity"),
        license="CC BY-NC 4.0",
        sampling=Sampling(max_tokens=100),
        dataset=DATASET,
        citation=(
            "Rashkin, Smith, Li and Boureau 2019: Towards Empathetic Open-domain Conversation "
            "Models: a New Benchmark and Dataset. ACL 2019."
        ),
    )

    def __init__(self, *, split: Split = "test", turns: Turns = "all") -> None:
        super().__init__(turns=turns)
        self.split: Split = split

    def conversations(self) -> Iterator[Conversation]:
        """Yield the conversations of the split in the order of the data set."""
        files = (f"{self.split}.csv", f"{self.split}.csv.gz", f"*/{self.split}/*.parquet")
        yield from read_conversations(load_rows(DATASET, files, revision=REVISION))

    def data_key(self) -> str:
        """Name the choice of rows."""
        return f"split={self.split},turns={self.turns}"
