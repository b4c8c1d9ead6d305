"""The files of EQ-Bench 3's repository: scenarios, and the prompts that stand around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from empeval import DataError, data_directory
from empeval.toolkit import read_text

REPOSITORY = "EQ-bench/eqbench3"
"""Where the scenarios are published, on GitHub; they are on no hub."""

SCENARIOS = "scenario_prompts.txt"
ROLE_PLAY = "scenario_master_prompt.txt"
DRAFTING = "scenario_master_prompt_message_drafting.txt"
ANALYSIS = "scenario_master_prompt_analysis.txt"
DEBRIEF = "debrief_prompt.txt"
GAP = "{scenario_prompt}"
"""Where a scenario's prompt goes in what stands around it."""

_SCENARIO = re.compile(r"^#{8}[ \t]*(\S+)[ \t]*\|[ \t]*(.*?)[ \t]*\|[ \t]*(.*?)[ \t]*$")
_PROMPT = re.compile(r"^#{7}[ \t]*(?:Prompt[ \t]*)?(\d+)[ \t]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Scenario:
    """A scenario.

    Attributes:
        id: a number, as text. category, title: for readers.
        prompts: what the user says, turn by turn; one or more.
    """

    id: str
    category: str
    title: str
    prompts: tuple[str, ...]

    @property
    def analysis(self) -> bool:
        """Whether a role play is to be analysed; the repository tells them by their numbers."""
        return self.id.isdecimal() and 401 <= int(self.id) <= 499

    @property
    def drafting(self) -> bool:
        """Whether a message is to be drafted; the repository tells them by their numbers."""
        return self.id.isdecimal() and 201 <= int(self.id) <= 299


class Files:
    """Where the files are.

    Args:
        folder: the repository or its folder ``data``; ``None``: in the data directory.
    """

    def __init__(self, folder: str | None) -> None:
        directory = data_directory()
        if folder is not None:
            base: Path | None = Path(folder).expanduser()
        else:
            base = directory.joinpath(*REPOSITORY.split("/")) if directory is not None else None
        self._folders = () if base is None else (base, base / "data")

    def path(self, name: str) -> Path:
        """A file.

        Raises:
            DataError: it is nowhere; the message says how to get it.
        """
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
        raise DataError(
            f"EQ-Bench 3's file '{name}' is on no hub. Get the folder data of "
            f"https://github.com/{REPOSITORY} and pass it as folder=FOLDER, or put it into the "
            f"data directory (--data-dir or EMPEVAL_DATA) as {REPOSITORY}/data."
        )

    def text(self, name: str) -> str:
        """A file's text, without white space around it.

        Raises:
            DataError: it is nowhere, or no text.
        """
        return read_text(self.path(name)).strip()

    def around(self, name: str) -> str:
        """A text with a gap for a scenario's prompt.

        Raises:
            DataError: it is nowhere, or has no gap.
        """
        text = self.text(name)
        if text.count(GAP) != 1:
            raise DataError(f"{self.path(name)}: there must be one {GAP} in it.")
        return text

    def scenarios(self) -> list[Scenario]:
        """The scenarios in the order of the file.

        Raises:
            DataError: the file is nowhere, or its layout is another one; the line is named.
        """
        return parse(read_text(self.path(SCENARIOS)), str(self.path(SCENARIOS)))


def parse(text: str, where: str) -> list[Scenario]:
    """Scenarios: a line ``######## ID | CATEGORY | TITLE``, then ``####### Prompt1`` and its text.

    Args:
        text: of the file.
        where: how errors call it.

    Raises:
        DataError: naming the line.
    """
    found: list[tuple[str, str, str, list[list[str]], int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        head, prompt = _SCENARIO.match(line), _PROMPT.match(line)
        if head is not None:
            found.append((head[1], head[2], head[3], [], number))
        elif prompt is not None:
            if not found or int(prompt[1]) != len(found[-1][3]) + 1:
                raise DataError(f"{where}, line {number}: '{line.strip()}' is out of its order.")
            found[-1][3].append([])
        elif found and found[-1][3]:
            found[-1][3][-1].append(line)
        elif line.strip():
            raise DataError(f"{where}, line {number}: text that belongs to no prompt.")
    made = [
        Scenario(identifier, category, title, tuple("\n".join(p).strip() for p in prompts))
        for identifier, category, title, prompts, _ in found
    ]
    for scenario, (*_, number) in zip(made, found, strict=True):
        if not scenario.prompts or not all(scenario.prompts):
            raise DataError(f"{where}, line {number}: scenario {scenario.id} lacks a prompt.")
    if not made:
        raise DataError(f"{where}: there is no scenario in it.")
    return made
