"""The tasks ``eqbench3`` and ``eqbench3-analysis``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from empeval import Item, Sampling, Task, TaskCard, Turn
from empeval_tasks.eqbench3.files import (
    ANALYSIS,
    DEBRIEF,
    DRAFTING,
    GAP,
    REPOSITORY,
    ROLE_PLAY,
    Files,
    Scenario,
)

CITATION = "Paech 2025: EQ-Bench 3, https://eqbench.com."


def _card(summary: str, fingerprint: str) -> TaskCard:
    return TaskCard(
        version="1",
        summary=summary,
        provides=("dialogue",),
        scorers=(),
        license="MIT",
        sampling=Sampling(max_tokens=4096),
        dataset=f"https://github.com/{REPOSITORY}",
        citation=CITATION,
        fingerprints={"default": (fingerprint,)},
    )


class Scenarios(Task):
    """What both tasks share.

    Args:
        folder: where the files are; by default the data directory's ``EQ-bench/eqbench3``.
    """

    def __init__(self, *, folder: str | None = None) -> None:
        self.folder = folder

    def items(self) -> Iterator[Item]:
        """Yield the scenarios in the order of the file; each is one dialogue.

        Raises:
            DataError: the files are not there, or not what they should be.
        """
        files = Files(self.folder)
        for scenario in files.scenarios():
            if self.takes(scenario):
                yield Item(
                    id=scenario.id,
                    messages=(),
                    cluster=scenario.id,
                    metadata={"category": scenario.category, "title": scenario.title},
                    script=self.script(scenario, files),
                )

    @abstractmethod
    def takes(self, scenario: Scenario) -> bool:
        """Whether a scenario is one of the task's."""

    @abstractmethod
    def script(self, scenario: Scenario, files: Files) -> tuple[Turn, ...]:
        """What the model is told, turn by turn; the last reply ends what is judged."""


class EQBench3(Scenarios):
    """Role plays in up to four fixed turns, and a reflection on them.

    Args:
        folder: where the files are.
    """

    card = _card(
        "Play a difficult scene in fixed turns, then reflect on it (EQ-Bench 3).",
        "sha256:44041c7f51d7e14a0bd1ffafe80c9edc6b6cd3ee9d4a39fde65a25bd0ed796c8",
    )

    def takes(self, scenario: Scenario) -> bool:
        """All that are no analysis."""
        return not scenario.analysis

    def script(self, scenario: Scenario, files: Files) -> tuple[Turn, ...]:
        """The prompts, each with the form of the answer around it, and the debrief."""
        around = files.around(DRAFTING if scenario.drafting else ROLE_PLAY)
        steps = [Turn(around.replace(GAP, text), scored=False) for text in scenario.prompts]
        return (*steps, Turn(files.text(DEBRIEF)))


class EQBench3Analysis(Scenarios):
    """Analyses of role plays that are read as transcripts.

    Args:
        folder: where the files are.
    """

    card = _card(
        "Analyse the transcript of a role play in depth (EQ-Bench 3).",
        "sha256:c4d242fff85c0cf0a780f281023d772fb37979abcfcf2397536d973298b17b42",
    )

    def takes(self, scenario: Scenario) -> bool:
        """The analyses."""
        return scenario.analysis

    def script(self, scenario: Scenario, files: Files) -> tuple[Turn, ...]:
        """The prompts, each with what is asked about them."""
        around = files.around(ANALYSIS)
        turns = [Turn(around.replace(GAP, text), scored=False) for text in scenario.prompts]
        return (*turns[:-1], Turn(turns[-1].content))
