"""The tasks ``emobench-eu`` and ``emobench-ea``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from empeval import Item, Sampling, Task, TaskCard
from empeval_tasks.emobench.rows import DATASET, Part, emobench_rows, options
from empeval_tasks.multiple_choice.questions import PROVIDES, Question, choice_item, spread

CITATION = (
    "Sabour et al. 2024: EmoBench: Evaluating the Emotional Intelligence of Large Language Models. "
    "ACL 2024, arXiv 2402.12071."
)


def _card(summary: str, fingerprint: str) -> TaskCard:
    """The card of one part: they differ in what is asked and in the rows."""
    return TaskCard(
        version="1",
        summary=summary,
        provides=(PROVIDES,),
        scorers=("choices",),
        license="MIT",
        sampling=Sampling(max_tokens=64),
        dataset=DATASET,
        citation=CITATION,
        fingerprints={"seed=0": (fingerprint,)},
    )


class EmoBench(Task):
    """What both parts share.

    Args:
        seed: of the options' order.
        file: read this file instead of the data set, in the hub's or the repository's layout.
    """

    part: ClassVar[Part]

    def __init__(self, *, seed: int = 0, file: str | None = None) -> None:
        self.seed = seed
        self.file = file

    def items(self) -> Iterator[Item]:
        """Yield the English questions in the order of the data set.

        Raises:
            DataError: rows are not what they should be.
            HubError: the data set cannot be fetched.
        """
        first: dict[str, str] = {}
        for number, row in enumerate(emobench_rows(self.part, self.file), 1):
            identifier = str(row.get("qid") or number)
            scenario = str(row["scenario"]).strip()
            yield choice_item(
                identifier,
                scenario,
                self.questions(row, f"question {identifier}"),
                seed=self.seed,
                cluster=first.setdefault(scenario, identifier),
                metadata={"category": self.category(row), "subject": row["subject"]},
            )

    def select(self, items: Sequence[Item], limit: int, seed: int) -> list[Item]:
        """Choose questions at even distances, so that every category is there."""
        return spread(items, limit)

    def data_key(self) -> str:
        """Name the choice of rows."""
        return f"seed={self.seed}" + (",file" if self.file else "")

    @abstractmethod
    def questions(self, row: Mapping[str, Any], where: str) -> list[Question]:
        """What is asked about a scenario."""

    @abstractmethod
    def category(self, row: Mapping[str, Any]) -> str:
        """The kind of the scenario; ``""`` where the file does not say."""


class EmoBenchEU(EmoBench):
    """Emotional understanding: which emotion, and why.

    Args:
        seed: of the options' order.
        file: read this file instead of the data set.
    """

    part: ClassVar[Part] = "EU"
    card = _card(
        "Choose what a person in a scenario feels, and why (EmoBench, understanding).",
        "sha256:da25337aec7712a7a19e9bfb8b45d0d04d50d83f1ecaf6fe957b3a734568a041",
    )

    def questions(self, row: Mapping[str, Any], where: str) -> list[Question]:
        """Two: the emotion and its cause."""
        who = _who(row["subject"])
        return [
            Question(
                "emotion",
                f"Question 1: At the end, what does {who} feel?",
                options(row, "emotion_choices", where),
                str(row["emotion_label"]).strip(),
            ),
            Question(
                "cause",
                f"Question 2: What is the reason for this feeling of {who}?",
                options(row, "cause_choices", where),
                str(row["cause_label"]).strip(),
            ),
        ]

    def category(self, row: Mapping[str, Any]) -> str:
        """The coarse category."""
        return str(row.get("coarse_category") or "")


class EmoBenchEA(EmoBench):
    """Emotional application: what best to do or say.

    Args:
        seed: of the options' order.
        file: read this file instead of the data set.
    """

    part: ClassVar[Part] = "EA"
    card = _card(
        "Choose what a person had best do or say in a scenario (EmoBench, application).",
        "sha256:42e7a303d39682f08d0001aa55c211cf9e7f90fa5ff3bf00f2816581b761bfe8",
    )

    def questions(self, row: Mapping[str, Any], where: str) -> list[Question]:
        """One."""
        says = str(row.get("question type", "")).lower() == "response"
        what = "say" if says else "do"
        text = f"Which of these would be the best thing for {_who(row['subject'])} to {what}?"
        return [Question("answer", text, options(row, "choices", where), str(row["label"]).strip())]

    def category(self, row: Mapping[str, Any]) -> str:
        """Relationship and problem, such as ``personal_others``."""
        return str(row.get("category") or "").lower().replace("-", "_")


def _who(subject: Any) -> str:
    """The person asked about; some scenarios are told in the first person."""
    name = str(subject).strip()
    return "the narrator" if name in ("I", "me") else name
