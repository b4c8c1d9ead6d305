"""A task whose code is not there: its items as a run folder holds them."""

from __future__ import annotations

from collections.abc import Iterator

from empeval.cards import TaskCard
from empeval.interfaces import Task
from empeval.records import Item
from empeval.runs import Run, TaskEntry


class SavedTask(Task):
    """What a finished run knows of a task that is not installed.

    A file that a run folder names is never run: a folder may come from anybody. So scorers apply
    by what the folder says that the items provide, and none is the task's own.
    """

    def __init__(self, run: Run, name: str, entry: TaskEntry) -> None:
        self._run, self._name = run, name
        self.card = TaskCard(
            version=entry.version,
            summary="Saved answers.",
            provides=entry.provides,
            scorers=(),
            license=entry.license,
            sampling=entry.sampling,
            dataset=entry.dataset,
        )

    def items(self) -> Iterator[Item]:
        """The items of the answers, in the order of the file."""
        for line in self._run.responses(self._name):
            yield line.item
