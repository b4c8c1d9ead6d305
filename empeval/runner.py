"""The flow: items to responses, scores to metrics; in between stands ``scoring``. Nothing else.

Each stage reads only what the one before wrote, so each can be interrupted, resumed and repeated.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any

import msgspec

from empeval.answering import answers, unfinished_groups
from empeval.asked import AskedScorer, AskedTask
from empeval.contained import contained, reason_in
from empeval.errors import EmpevalError, some
from empeval.escaping import plain
from empeval.events import ItemAnswered
from empeval.filling import filling
from empeval.hooks import Hooks
from empeval.interfaces import Generator, Task
from empeval.marks import mark_of
from empeval.records import Metric, ResponseLine, Sampling, Scored
from empeval.registry import label_of
from empeval.rounds import Rounds
from empeval.runs import AuditMark, Journal, Run, response_of
from empeval.saved import SavedTask
from empeval.spending import Spending


def generate_stage(
    run: Run, asked: AskedTask, generator: Generator, hooks: Hooks, *, progress: bool
) -> float:
    """Have the unanswered items of a task answered; returns the seconds it took.

    Raises:
        LimitReachedError: what the run may spend is spent.
        EmpevalError: the generator left items unanswered or answered what was not asked.
    """
    started = time.perf_counter()
    before = run.responses(asked.name), run.steps(asked.name)
    done = {name for lines in before for name in lines.ids}
    if all(item.id in done for item in asked.items):
        return 0.0
    sampling = asked.entry.sampling
    owner = label_of(generator)
    spending = generator.spending if generator.counts_tokens else None
    spending = spending or Spending()
    generator = filling(generator, asked.shown)
    rounds = Rounds(asked, chain(*before))
    with (
        AnswerJournals(run, asked) as journal,
        bar(len(asked.items), len(done), f"{asked.name}: answers", progress) as ticks,
    ):

        def keep(line: ResponseLine) -> None:
            journal.append(line)
            done.add(line.id)
            rounds.take(line)
            ticks.set_postfix_str(spending.said(), refresh=False)
            ticks.update()
            hooks.fire(
                "empeval_response_written",
                event=ItemAnswered(
                    folder=str(run.path), task=asked.name, response=response_of(line)
                ),
            )

        streams = asked.scripted and generator.takes_more
        for one in [rounds.begin(done)] if streams else rounds:
            for line in one.ended:
                if line.id not in done:
                    keep(line)
            with contained(owner):
                plan = [list(group) for group in generator.plan(one.shown, sampling)]
            todo = unfinished_groups(plan, done)
            if not todo:
                continue
            spending.require(_unanswered(asked, done))
            by_id = {item.id: item for item in one.items}
            waiting = deque(todo)
            given = waiting if streams else todo
            for line in answers(generator, given, by_id, sampling, done, asked.name):
                spending.add(line)
                keep(line)
                if streams:
                    more = rounds.after(line, done)
                    for ended in more.ended:
                        keep(ended)
                    del by_id[line.id]
                    by_id |= {item.id: item for item in more.items}
                    waiting += more.shown
                spending.check(line, charges=generator.charges)
                if not generator.charges and not spending.allows():
                    break
            left = [i for i in by_id if i not in done]
            if left:
                spending.require(_unanswered(asked, done))
                raise EmpevalError(f"{asked.name}: {owner} left items unanswered: {some(left)}.")
    return time.perf_counter() - started


def _unanswered(asked: AskedTask, done: Collection[str]) -> str:
    what = "turns" if asked.scripted else "items"
    return f"{len(asked.items) - len(done)} of {len(asked.items)} {what} of {asked.name}"


class AnswerJournals(ExitStack):
    """Where a task's answers are appended: those that are scored, and the steps towards them."""

    def __init__(self, run: Run, asked: AskedTask) -> None:
        super().__init__()
        self._run = run
        self._asked = asked
        self._open: dict[bool, Journal[ResponseLine]] = {}

    def append(self, line: ResponseLine) -> None:
        """Write one down; its file is made with the first."""
        step = line.id in self._asked.steps
        if step not in self._open:
            journal = self._run.journal_steps if step else self._run.journal_responses
            self._open[step] = self.enter_context(journal(self._asked.name))
        self._open[step].append(line)


def metrics_stage(
    run: Run,
    tasks: Mapping[str, Task | None],
    scorers: Mapping[str, Sequence[AskedScorer]],
    problems: list[EmpevalError],
) -> list[Metric]:
    """Compute every metric of a run from its scores.

    Args:
        run: the run folder.
        tasks: task name -> the task, or ``None`` when its plugin is not installed.
        scorers: those asked for now; metrics of other scorers that have scored this run before
            are kept as they are.
        problems: gets what goes wrong; a scorer or task whose metrics cannot be computed lacks
            its own and no other.
    """
    before = run.metrics()
    metrics: list[Metric] = []
    for name, task in tasks.items():
        asked = {a.label: a for a in scorers.get(name, ())}
        scored_by: dict[str, Sequence[Scored]] = {}
        for label in run.manifest.scorers.get(name, {}):
            if label not in asked:
                metrics += [m for m in before if (m.task, m.scorer) == (name, label)]
                others = run.scored(name, label)  # the task's own metrics may be of them, too
                if len(others) == run.manifest.tasks[name].n_items:
                    scored_by[label] = others
                continue
            scored_by[label] = run.scored(name, label)
            scorer = asked[label].scorer
            made = _metrics(label_of(scorer), scorer.metrics, scored_by[label], problems)
            metrics += [msgspec.structs.replace(m, task=name, scorer=label) for m in made]
        if isinstance(task, SavedTask):  # how its own metrics are computed nobody knows here
            metrics += [m for m in before if (m.task, m.scorer) == (name, "")]
        elif task is not None and scored_by:
            made = _metrics(label_of(task), task.metrics, scored_by, problems)
            metrics += [msgspec.structs.replace(m, task=name) for m in made]
    return metrics


def audit_stage(
    run: Run, scorers: Mapping[str, Sequence[AskedScorer]]
) -> dict[str, dict[str, AuditMark]]:
    """What is known of the agreement of each scorer with people, by task and label."""
    found: dict[str, dict[str, AuditMark]] = {}
    for task, chosen in scorers.items():
        for asked in chosen:
            entry = asked.entry
            name = f"{entry.name}:{entry.target}" if entry.target else entry.name
            scores = run.scores(task, asked.label)
            try:
                with contained(asked.owner):
                    mark = mark_of(name, asked.scorer, run.samples(task), scores)
            except EmpevalError as error:
                mark = AuditMark(audited=False, line=f"cannot be checked: {reason_in(error)}")
            found.setdefault(task, {})[asked.label] = mark
    return found


def _metrics(
    owner: str,
    compute: Callable[[Any], Sequence[Metric]],
    scored: Any,
    problems: list[EmpevalError],
) -> list[Metric]:
    try:
        with contained(owner):
            return [_plain(metric) for metric in compute(scored)]
    except EmpevalError as error:
        problem = EmpevalError(
            f"The metrics of {owner} cannot be computed: {reason_in(error)}. Answers and scores "
            "are saved."
        )
        problem.__cause__ = error
        problems.append(problem)
        return []


def _plain(metric: Metric) -> Metric:
    """A metric with numbers of any library as plain ones, and ``None`` for what is no number."""
    plain: dict[str, Any] = {"n": int(metric.n), "n_failed": int(metric.n_failed)}
    for name in ("value", "ci_low", "ci_high"):
        number = getattr(metric, name)
        plain[name] = None if number is None or not math.isfinite(number) else float(number)
    made: Metric = msgspec.structs.replace(metric, **plain)
    return msgspec.json.decode(msgspec.json.encode(made), type=Metric)


def bar(total: int, done: int, label: str, progress: bool) -> Any:
    """A progress bar with rate and remaining time, on terminals only.

    It is there from the beginning: the first batch of a large model can take minutes.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        initial=done,
        desc=plain(label),
        unit="",
        dynamic_ncols=True,
        leave=False,
        disable=None if progress else True,
    )


def sampling_changes(**options: Any) -> dict[str, Any]:
    """The sampling options that the user has set."""
    known = set(Sampling.__struct_fields__)
    return {k: v for k, v in options.items() if k in known and v is not None}
