"""The flow: items to responses, responses to scores, scores to metrics. Nothing else.

Each stage reads only what the one before wrote, so each can be interrupted, resumed and repeated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any

import msgspec

from empeval.answering import answers, unfinished_groups, writable
from empeval.cards import ValueCard
from empeval.contained import ContainedError, contained
from empeval.errors import EmpevalError, some
from empeval.escaping import plain
from empeval.events import ItemAnswered, ScorerFinished
from empeval.filling import filling
from empeval.hooks import Hooks
from empeval.interfaces import Generator, Scorer, Task
from empeval.marks import mark_of
from empeval.question import AskedScorer, AskedTask
from empeval.records import (
    LARGEST_VALUE,
    Metric,
    ResponseLine,
    Sample,
    Sampling,
    Score,
    Scored,
)
from empeval.registry import label_of
from empeval.rounds import Rounds
from empeval.runs import AuditMark, Journal, Run, heard, response_of, samples_in
from empeval.saved import SavedTask
from empeval.spending import LimitReachedError, Spending

ALIKE = 3
"""Samples on which a scorer must fail in the same way before it is taken to fail on all."""
ROUNDING = 1e-5
"""How far a value may lie outside of its range, relative to the bound where that is above 1."""
SCORING_CHUNK = 256
"""Samples handed to a scorer at once; chunks are cut the same way in every run."""


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

        for one in rounds:
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
            for line in answers(generator, todo, by_id, sampling, done, asked.name):
                spending.add(line)
                keep(line)
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


def score_stage(
    run: Run,
    task: str,
    asked: AskedScorer,
    hooks: Hooks,
    *,
    progress: bool,
    spending: Spending | None = None,
) -> float:
    """Have the unscored samples of a task scored; returns the seconds it took.

    Raises:
        LimitReachedError: what the run may spend is spent.
        EmpevalError: as of ``score_chunk``.
    """
    started = time.perf_counter()
    scores = run.scores(task, asked.label)
    done, lines = scores.by_id, run.ordered(task)
    if len(done) == len(lines) and run.scores_path(task, asked.label).exists():
        return 0.0
    with (
        run.journal_scores(task, asked.label) as journal,
        heard(asked.scorer, run.judgements(asked.label), spending),
        bar(len(lines), len(done), f"{task}: {asked.label}", progress) as ticks,
    ):
        for start in range(0, len(lines), SCORING_CHUNK):
            chunk = lines[start : start + SCORING_CHUNK]
            if all(name in done for name in chunk.ids):
                continue
            given = score_chunk(asked.scorer, list(samples_in(chunk)))
            new = [score for score in given if score.id not in done]
            for score in new:
                journal.append(score)
            ticks.update(len(new))  # at once, or the rate would be that of the first of them
    hooks.fire(
        "empeval_scores_written",
        event=ScorerFinished(folder=str(run.path), task=task, scorer=asked.label, count=len(lines)),
    )
    return time.perf_counter() - started


def score_chunk(scorer: Scorer, chunk: Sequence[Sample]) -> list[Score]:
    """Scores of a chunk, one a sample, whatever the scorer does.

    Samples without an answer are not shown to the scorer. When it raises, the chunk is tried
    sample by sample, and those that raise again get status ``error``. When the first ``ALIKE`` of
    them (or all) raise the very same as the chunk did, it does not hang on the sample, and the
    others are not tried.

    Raises:
        LimitReachedError: what the run may spend is spent.
        EmpevalError: one of empeval's own that does not hang on the sample (a checkpoint that is
            not there).
    """
    scores: dict[str, Score] = {}
    answered: list[Sample] = []
    for sample in chunk:
        status = sample.response.status
        if status in ("missing", "error"):
            note = sample.response.note or f"no answer to score ({status})"
            scores[sample.id] = Score(sample.id, "error", note=note)
        else:
            answered.append(sample)
    if answered:
        try:
            given = _checked(scorer, answered)
        except LimitReachedError:
            raise
        except EmpevalError as error:  # find out on which sample
            given = _one_by_one(scorer, answered, error)
        scores.update({s.id: s for s in given})
    return [scores[sample.id] for sample in chunk]


def _one_by_one(scorer: Scorer, samples: Sequence[Sample], first: EmpevalError) -> list[Score]:
    """Scores of samples one by one, after all of them together have raised ``first``."""
    made: list[Score] = []
    reason, alike = _reason(first), 0
    most = min(ALIKE, len(samples))
    for sample in samples:
        failed = reason
        if alike < most:
            try:
                made += _checked(scorer, [sample])
                alike = -len(samples)  # it does hang on the sample
                continue
            except EmpevalError as error:
                failed = _reason(error)
                alike = alike + 1 if failed == reason else -len(samples)
            if alike == most and not isinstance(first, ContainedError):
                raise first
        made.append(Score(sample.id, "error", note=writable(failed[:500])))
    return made


def _reason(error: EmpevalError) -> str:
    return error.reason if isinstance(error, ContainedError) else str(error)


def _checked(scorer: Scorer, samples: Sequence[Sample]) -> list[Score]:
    with contained(label_of(scorer)):
        given = list(scorer.score(samples))
        if [s.id for s in given] != [s.id for s in samples]:
            raise ValueError(
                f"{type(scorer).__name__} returned {len(given)} scores for {len(samples)} "
                "samples, or in another order"
            )
        return [_kept(score, scorer.card.values) for score in given]


def _kept(score: Score, declared: Sequence[ValueCard]) -> Score:
    """A score as the run folder will give it back: numbers of any library as plain floats.

    Values that are no number, that the card does not name, or that lie outside of the range it
    states make an ``error`` of the sample, and are left out.
    """
    values = {name: float(value) for name, value in score.values.items()}
    cards = {card.name: card for card in declared}
    bad = {name: said for name, value in values.items() if (said := _wrong(value, cards.get(name)))}
    kept: Score = msgspec.structs.replace(score, values=values)
    if bad:
        good = {name: value for name, value in values.items() if name not in bad}
        note = "; ".join(f"{name} {said}" for name, said in bad.items())
        kept = msgspec.structs.replace(kept, status="error", values=good, note=writable(note[:500]))
    return msgspec.json.decode(msgspec.json.encode(kept), type=Score)


def _wrong(value: float, card: ValueCard | None) -> str:
    """What is wrong with a value, ``""`` where nothing is; rounding may go past a bound."""
    if not abs(value) <= LARGEST_VALUE:
        return f"is {value:g}" if math.isfinite(value) else "is not a finite number"
    if card is None:
        return f"({value:g}) is no value of the scorer's card"
    for bound, sign in ((card.low, 1), (card.high, -1)):
        if bound is not None and sign * (value - bound) < -ROUNDING * max(1.0, abs(bound)):
            return f"is {value:g}, outside of the card's range from {card.low} to {card.high}"
    return ""


def metrics_stage(
    run: Run,
    tasks: Mapping[str, Task | None],
    scorers: Mapping[str, Sequence[AskedScorer]],
    problems: list[EmpevalError],
) -> list[Metric]:
    """Compute every figure of a run from its scores.

    Args:
        run: the run folder.
        tasks: task name -> the task, or ``None`` when its plugin is not installed.
        scorers: those asked for now; figures of other scorers that have scored this run before
            are kept as they are.
        problems: gets what goes wrong; a scorer or task whose figures cannot be computed lacks
            its own and no other.
    """
    before = run.metrics()
    figures: list[Metric] = []
    for name, task in tasks.items():
        asked = {a.label: a for a in scorers.get(name, ())}
        scored_by: dict[str, Sequence[Scored]] = {}
        for label in run.manifest.scorers.get(name, {}):
            if label not in asked:
                figures += [m for m in before if (m.task, m.scorer) == (name, label)]
                others = run.scored(name, label)  # the task's own figures may be of them, too
                if len(others) == run.manifest.tasks[name].n_items:
                    scored_by[label] = others
                continue
            scored_by[label] = run.scored(name, label)
            scorer = asked[label].scorer
            made = _figures(label_of(scorer), scorer.metrics, scored_by[label], problems)
            figures += [msgspec.structs.replace(m, task=name, scorer=label) for m in made]
        if isinstance(task, SavedTask):  # how its own figures are computed nobody knows here
            figures += [m for m in before if (m.task, m.scorer) == (name, "")]
        elif task is not None and scored_by:
            made = _figures(label_of(task), task.metrics, scored_by, problems)
            figures += [msgspec.structs.replace(m, task=name) for m in made]
    return figures


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
                mark = AuditMark(audited=False, line=f"cannot be checked: {_reason(error)}")
            found.setdefault(task, {})[asked.label] = mark
    return found


def _figures(
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
            f"The figures of {owner} cannot be computed: {_reason(error)}. Answers and scores "
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
