"""How much of what a run's manifest promises is there, and how much of it failed.

A run folder is files: lines may have been taken out, doubled or never written. Whoever draws
conclusions counts them first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, KeysView, Sequence
from dataclasses import dataclass
from typing import Any

from empeval.errors import ChangedRunError, IncompleteRunError, counted, some
from empeval.runs.folder import Run
from empeval.runs.lines import Lines

ALARM = 0.05
"""A larger share of answers that were cut or failed stands at the top of every table."""

UNANSWERED = ("missing", "error")
"""Statuses of answers that no scorer sees."""
_UNUSABLE = (*UNANSWERED, "empty")


@dataclass(frozen=True)
class Tally:
    """The lines of a task's answers, or of one scorer's scores of them.

    Attributes:
        task: whose. scorer: ``""`` for the answers themselves.
        wanted: items, by the manifest.
        lines: those that are there; of an id that comes twice, all.
    """

    task: str
    scorer: str
    wanted: int
    lines: Lines[Any]

    @property
    def where(self) -> str:
        """What sentences call it."""
        return f"{self.task}, scorer {self.scorer}" if self.scorer else self.task

    @property
    def doubled(self) -> list[str]:
        """Ids that come more than once."""
        twice = self.lines.stored.index.doubled
        return [name for name in self.ids if name in twice] if twice else []

    @property
    def ids(self) -> KeysView[str]:
        """Every id, once."""
        return self.lines.stored.index.rows.keys()


def tallies(run: Run) -> Iterator[Tally]:
    """The answers of each task, then each scorer's scores of them."""
    for task, entry in run.manifest.tasks.items():
        yield Tally(task, "", entry.n_items, run.lines(task))
        for label in run.manifest.scorers.get(task, {}):
            yield Tally(task, label, entry.n_items, run.score_lines(task, label))


def shortfalls(every: Sequence[Tally]) -> list[str]:
    """What is not as the manifest says, a clause each: lines that lack, that come twice."""
    found = []
    ids: KeysView[str] = {}.keys()
    for tally in every:
        own = tally.ids
        what = "scores" if tally.scorer else "answers"
        if len(own) != tally.wanted:
            found.append(f"{tally.where}: {len(own)} of {tally.wanted} {what}")
        elif tally.scorer and own != ids:
            found.append(
                f"{tally.where}: {counted(len(own - ids), 'score')} of items that have no answer"
            )
        if tally.doubled:
            found.append(f"{tally.where}: {what} that come twice ({some(tally.doubled)})")
        if not tally.scorer:
            ids = own
    return found


def require_unchanged(run: Run) -> None:
    """Refuse a finished run whose answers, scores or metrics are not those of its end.

    Raises:
        ChangedRunError: a file was changed since.
    """
    _require_scored(run)
    _require_sealed(run)


def _require_scored(run: Run) -> None:
    """Refuse a run whose answers are not those that were scored.

    An unfinished run, one of an older version and one that lacks answers are let through: the
    first two do not say what was scored, and the last is what ``shortfalls`` speaks of. A run that
    says that it is finished is held to that, also when its metrics are gone.

    Raises:
        ChangedRunError: the answers of a task were changed when they had been scored.
    """
    if run.manifest.status != "complete":
        return
    for task, fingerprint in run.manifest.scored.items():
        entry = run.manifest.tasks.get(task)
        if entry is None or len(run.lines(task)) != entry.n_items:
            continue
        if run.answers_fingerprint(task) != fingerprint:
            raise ChangedRunError(
                f"{run.responses_path(task)} was changed after it was scored, so the scores are of "
                "other answers.",
                run=run.path,
                file=run.responses_path(task),
                hint="Answers from elsewhere are scored with 'empeval run --model "
                f"replay:FILE --tasks {task} --out NEW_FOLDER'.",
            )


def _require_sealed(run: Run) -> None:
    """Refuse a finished run whose scores or metrics are not those that it was finished with.

    Runs of older versions do not say what those were; scores that lack lines are what
    ``shortfalls`` speaks of.

    Raises:
        ChangedRunError: a file was changed when the run was finished.
    """
    if run.manifest.status != "complete" or not run.manifest.sealed:
        return
    whole = {
        task: [
            label
            for label in labels
            if task in run.manifest.tasks
            and len(run.score_lines(task, label)) == run.manifest.tasks[task].n_items
        ]
        for task, labels in run.manifest.scorers.items()
    }
    for name, seal in run.seals(whole).items():
        if run.manifest.sealed.get(name) != seal:
            raise ChangedRunError(
                f"{run.path / name} was changed after the run was finished.",
                run=run.path,
                file=run.path / name,
                hint="To have answers scored anew, delete the folder's scores and metrics.json and "
                "'empeval score' it, or run its command again with another --out.",
            )


def require_whole(run: Run, otherwise: str) -> None:
    """Refuse a run that is unfinished, or whose files lack what it says they hold.

    Args:
        run: the folder.
        otherwise: what to do instead, as the end of a sentence: ``"compare what is there with
            --partial"``.

    Raises:
        IncompleteRunError: with what is there of what should be.
    """
    every = list(tallies(run))
    lacking = shortfalls(every)
    if run.complete and not lacking:
        return
    state = "says that it is complete and is not" if run.complete else "is unfinished"
    there = f" ({'; '.join(lacking)})" if lacking else ""
    answers = [tally for tally in every if not tally.scorer]
    raise IncompleteRunError(
        f"{run.path} {state}{there}.",
        run=run.path,
        answered=sum(len(tally.ids) for tally in answers),
        wanted=sum(tally.wanted for tally in answers),
        lacking=lacking,
        hint=f"Run its command again, or {otherwise}.",
    )


def notices(run: Run) -> list[str]:
    """What stands above a run's metrics: what is not there, was cut or failed, is of two models.

    A line each, in the order of the tasks; what was cut or failed only where that is more than
    ``ALARM`` of the items.
    """
    every = list(tallies(run))
    found = shortfalls(every)
    unanswered: set[str] = set()
    for tally in every:
        if not tally.scorer:
            unanswered = tally.lines.ids_of(lambda status: status in UNANSWERED)
            served = _served(tally.lines)
            if len(served) > 1:
                kinds = ", ".join(f"{n} by {name}" for name, n in served.most_common())
                found.append(f"{tally.where}: the answers are not of one model ({kinds})")
        counts = Counter(
            status
            for name, status in zip(tally.lines.ids, tally.lines.statuses, strict=True)
            if status != "ok" and not (tally.scorer and name in unanswered)
        )
        if counts.total() > ALARM * tally.wanted:
            kinds = ", ".join(f"{n} {status}" for status, n in counts.most_common())
            what = "answers have no score" if tally.scorer else "answers were cut or failed"
            found.append(f"{tally.where}: {counts.total()} of {tally.wanted} {what} ({kinds})")
    return found


def whole_failures(run: Run) -> list[str]:
    """Tasks of which no answer can be used and scorers that scored none, with the first reason."""
    found = []
    unusable = False
    taken = _only_told(run)
    for tally in tallies(run):
        if not tally.scorer:
            unusable = all(status in _UNUSABLE for status in tally.lines.statuses)
            if tally.lines and unusable:
                found.append(f"{tally.where}: {_none(tally, 'answers can be used')}")
            continue
        failed = "ok" not in tally.lines.statuses
        told = taken.get((tally.task, tally.scorer), set())
        if (
            tally.lines
            and failed
            and not unusable
            and not any(set(score.values) - told for score in tally.lines)
        ):
            found.append(f"{tally.where}: {_none(tally, 'answers got a score')}")
    return found


def _only_told(run: Run) -> dict[tuple[str, str], set[str]]:
    """(task, scorer) -> values that are no score: told of failed samples, too, and only described.

    Such as the tokens that a judge took.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for metric in run.metrics():
        source = metric.source
        if source is not None and source.any_status and metric.higher_is_better is None:
            found.setdefault((metric.task, metric.scorer), set()).add(source.value)
    return found


def _none(tally: Tally, what: str) -> str:
    first = tally.lines[0]
    why = f": {' '.join(first.note.split())[:300]}" if first.note else ""
    return f"0 of {tally.wanted} {what}. The first ({first.id}) is {first.status}{why}"


def _served(lines: Lines[Any]) -> Counter[str]:
    """What a server called the models that answered, wherever a line names one."""
    found: Counter[str] = Counter()
    for (model, status), count in lines.stored.models.items():
        if status not in UNANSWERED:
            found[model] += count
    return found
