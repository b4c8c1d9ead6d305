"""What one of two runs has and the other does not, so that no comparison shows it."""

from __future__ import annotations

from dataclasses import dataclass

from empeval.comparing.joined import RunFiles, join
from empeval.comparing.metrics import names_of, ways_to_name
from empeval.comparing.rates import UNPARSED, rates
from empeval.comparing.records import Comparison, Rate


@dataclass(frozen=True)
class Lost:
    """What is not compared, since only one of two runs has it.

    Attributes:
        base, candidate: the runs. comparison: of them.
    """

    base: RunFiles
    candidate: RunFiles
    comparison: Comparison

    def metrics(self, name: str) -> list[str]:
        """Metrics of the base that a policy's name stands for."""
        return self._uncompared(self.base, name)

    def added(self, name: str) -> list[str]:
        """Metrics of the candidate that a policy's name stands for and the base does not have."""
        return self._uncompared(self.candidate, name)

    def untold(self, name: str) -> list[str]:
        """Metrics that a policy's name stands for and that cannot be compared, with the reason."""
        there = self._compared()
        return list(
            dict.fromkeys(
                f"{'.'.join(part for part in key if part)}, since in {files.name} {why}"
                for files in (self.base, self.candidate)
                for key, why in files.uncompared.items()
                if key not in there and name in ways_to_name(*key)
            )
        )

    def _compared(self) -> set[tuple[str, str, str]]:
        return {(d.task, d.scorer, d.metric) for d in self.comparison.differences}

    def _uncompared(self, files: RunFiles, name: str) -> list[str]:
        there = self._compared()
        return [
            f"{metric.task}.{metric.scorer}.{metric.metric}"
            for task in files.run.manifest.tasks
            for metric in files.metrics(task, valueless=True).values()
            if name in names_of(metric) and (metric.task, metric.scorer, metric.metric) not in there
        ]

    def alone(self) -> list[Rate]:
        """How often answers to tasks fail that only the candidate has; the base's are the same."""
        ours, own = self.base.run.manifest.tasks, self.candidate
        alone = [task for task in own.run.manifest.tasks if task not in ours and own.answers(task)]
        return [rate for task in alone for rate in rates(own, own, join(own, own, task))]

    def answers(self, kind: str) -> list[str]:
        """Tasks whose answers, and scorers whose scores, a kind of failure is counted in."""
        theirs = self.candidate.run.manifest
        named, _, status = kind.rpartition(": ")
        found = []
        for task in self.base.run.manifest.tasks:
            scorers = list(self.base.run.manifest.scorers.get(task, {}))
            if named:
                scorers = [label for label in scorers if label == named]
                if not scorers:
                    continue
            if task not in theirs.tasks:
                found.append(f"task {task}")
            elif named or status == UNPARSED:
                there = theirs.scorers.get(task, {})
                found += [f"scores of {task} by {label}" for label in scorers if label not in there]
        return found
