"""The task ``ed-empathy``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from empeval import Sampling, TaskCard, load_rows
from empeval_tasks.dialogues import Conversation, DialogueTask, Turns
from empeval_tasks.ed_empathy.rows import CANDIDATES, DATASET, read_conversations

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
        scorers=("mvc", "stm", "baseline", "surface", "similarity"),
        license="CC BY-NC 4.0",
        sampling=Sampling(max_tokens=100),
        dataset=DATASET,
        citation=(
            "Rashkin, Smith, Li and Boureau 2019: Towards Empathetic Open-domain Conversation "
            "Models: a New Benchmark and Dataset. ACL 2019."
        ),
        fingerprints={
            "split=test,turns=all": (
                "sha256:6b37d05204408ecfa2d47e79686cfc14f9841dc82c8dd92245c822877bdff18b",
            ),
            "split=test,turns=last": (
                "sha256:59d2e0b2431c0714a7ef57b9a3375d74c85ae07a5acd372a05f2f44f76cd9c1d",
            ),
            "split=validation,turns=all": (
                "sha256:a5b97d14ade767bddc18de4fde09036785887e9710594c361bea12406cbe51df",
            ),
            "split=validation,turns=last": (
                "sha256:3250819dd6eccc35dec20d177dd8f941b91ed33477472a4cb825f890b9ad1eca",
            ),
            "split=train,turns=all": (
                "sha256:c883c71b53535f68b6f2272cdb9c68982f5a641c9dd248e85712d14b4d76c01a",
            ),
            "split=train,turns=last": (
                "sha256:b6336a82fc89b0816713493172abbdb7a27a4084fb3bd6f151207bba50c09f8c",
            ),
        },
    )

    def __init__(self, *, split: Split = "test", turns: Turns = "all") -> None:
        super().__init__(turns=turns)
        self.split: Split = split

    def conversations(self) -> Iterator[Conversation]:
        """Yield the conversations of the split in the order of the data set."""
        names = (self.split, "valid") if self.split == "validation" else (self.split,)
        files = [f"{name}{end}" for name in names for end in (".csv", ".csv.gz")]
        files.append(f"*/{self.split}/*.parquet")
        yield from read_conversations(load_rows(DATASET, files, revision=REVISION, rest=CANDIDATES))

    def data_key(self) -> str:
        """Name the choice of rows."""
        return f"split={self.split},turns={self.turns}"
