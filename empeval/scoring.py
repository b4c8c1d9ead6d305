"""The stage between: responses to scores, in chunks that all scorers of a task take in turn.

What is in memory is a chunk, and of the run's files what their readers keep of a line. A chunk's
scores are appended before the next one is read.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import msgspec

from empeval.answering import writable
from empeval.asked import AskedScorer
from empeval.cards import ValueCard
from empeval.contained import ContainedError, contained, reason_in
from empeval.errors import EmpevalError, RunFolderError, StorageError
from empeval.events import ScorerFinished
from empeval.hooks import Hooks
from empeval.interfaces import Scorer
from empeval.records import LARGEST_VALUE, ResponseLine, Sample, Score
from empeval.registry import label_of
from empeval.runner import bar
from empeval.runs import Lines, Run, ScorerEntry, heard, samples_in
from empeval.spending import LimitReachedError, Spending
from empeval.workers import LazyWorkers

ALIKE = 3
"""Samples on which a scorer must fail in the same way before it is taken to fail on all."""
PATIENCE_S = 10.0
"""Seconds of that in a chunk: a scorer that fails fast is asked about each sample."""
ROUNDING = 1e-5
"""How far a value may lie outside of its range, relative to the bound where that is above 1."""
CHUNK = 256
"""Samples handed to a scorer at once; chunks are cut the same way in every run."""


class Outcome(NamedTuple):
    """What a scorer made of a chunk.

    Attributes:
        scores: one a sample; none where it could not go on.
        error: why it could not.
        seconds: that it took.
    """

    scores: list[Score]
    error: EmpevalError | None
    seconds: float


class ChunkRequest(NamedTuple):
    """A chunk that is scored in another process.

    Attributes:
        scorers: what ``AskedScorer`` makes each of, and what it must turn out to be.
        samples: of the chunk.
    """

    scorers: tuple[tuple[str, str | None, ScorerEntry], ...]
    samples: list[Sample]


class _Scoring:
    """One scorer at work on a task.

    Attributes:
        seconds: that it took.
        error: why it went no further; ``None`` while it does.
    """

    def __init__(self, run: Run, task: str, asked: AskedScorer) -> None:
        self.asked = asked
        self.done = run.scores(task, asked.label).by_id
        self.missing = not run.scores_path(task, asked.label).exists()
        self.seconds = 0.0
        self.error: EmpevalError | None = None

    @property
    def movable(self) -> bool:
        """Whether another process can score in its place.

        What a model says to a scorer that asks one is kept in the run folder, and that is this
        process's alone to write to; an object that was made here is nowhere else.
        """
        return isinstance(self.asked.what, str) and not self.asked.scorer.asks

    def lacks(self, lines: Lines[ResponseLine]) -> bool:
        """Whether scores of a chunk are not there yet, and the scorer can go on."""
        return self.error is None and not all(name in self.done for name in lines.ids)

    def chunk(self, lines: Lines[ResponseLine]) -> Outcome | None:
        """Have a chunk scored here, if that is to be done."""
        if not self.lacks(lines):
            return None
        # a scorer gets records of its own, since dicts in them can be changed
        return _outcome(self.asked.scorer, list(samples_in(lines)))

    def take(self, outcome: Outcome | None) -> list[Score]:
        """Count what came of a chunk; the scores that are not there yet."""
        if outcome is None or self.error is not None:
            return []
        self.seconds += outcome.seconds
        self.error = outcome.error  # the others' scores are not this one's to spoil
        return [score for score in outcome.scores if score.id not in self.done]


def score_stage(
    run: Run,
    task: str,
    scorers: Sequence[AskedScorer],
    hooks: Hooks,
    *,
    progress: bool,
    spending: Spending | None = None,
    workers: LazyWorkers | None = None,
) -> tuple[dict[str, float], dict[str, EmpevalError]]:
    """Have the unscored samples of a task scored by each of its scorers.

    Chunk by chunk, they take turns, so that what one makes of a chunk can serve the next
    (``Scorer.shared_work``). With workers, several chunks are scored at once and appended in their
    order, so that the files are the same.

    Returns:
        label -> the seconds that a scorer took, for those that scored everything; and label ->
        why another did not.

    Raises:
        StorageError: the folder cannot be written.
        RunFolderError: it cannot be read.
        EmpevalError: the workers are lost.
    """
    every = [_Scoring(run, task, asked) for asked in scorers]
    lines = run.ordered(task)
    work = [one for one in every if one.missing or len(one.done) != len(lines)]
    shared: dict[Hashable, Any] = {}
    label = f"{task}: {', '.join(one.asked.label for one in work)}"
    with ExitStack() as stack:
        journals = [stack.enter_context(run.journal_scores(task, one.asked.label)) for one in work]
        for one in work:
            kept = run.judgements(one.asked.label)
            stack.enter_context(heard(one.asked.scorer, kept, spending, shared))
        if work:
            total, done = len(work) * len(lines), sum(len(one.done) for one in work)
            ticks = stack.enter_context(bar(total, done, label, progress))
        chunks = [lines[at : at + CHUNK] for at in range(0, len(lines), CHUNK)] if work else []
        away = [one for one in work if workers is not None and one.movable]
        elsewhere = _elsewhere(away, chunks, workers) if workers and away else repeat({})
        for chunk, outcomes in zip(chunks, elsewhere, strict=False):
            for one, journal in zip(work, journals, strict=True):
                new = one.take(outcomes.get(one) if one in away else one.chunk(chunk))
                for score in new:
                    journal.append(score)
                ticks.update(len(new))  # at once, or the rate would be that of the first of them
            shared.clear()
    for one in work:
        if one.error is None:
            event = ScorerFinished(
                folder=str(run.path), task=task, scorer=one.asked.label, count=len(lines)
            )
            hooks.fire("empeval_scores_written", event=event)
    return (
        {one.asked.label: one.seconds for one in every if one.error is None},
        {one.asked.label: one.error for one in every if one.error is not None},
    )


def _elsewhere(
    away: Sequence[_Scoring], chunks: Sequence[Lines[ResponseLine]], workers: LazyWorkers
) -> Iterator[dict[_Scoring, Outcome]]:
    """What scorers make of each chunk in other processes; a chunk is read when it is due."""
    asked: deque[list[_Scoring]] = deque()

    def requests() -> Iterator[ChunkRequest]:
        for chunk in chunks:
            lacking = [one for one in away if one.lacks(chunk)]
            asked.append(lacking)
            named = [(str(o.asked.what), o.asked.prefer, o.asked.entry) for o in lacking]
            yield ChunkRequest(tuple(named), list(samples_in(chunk)) if lacking else [])

    for outcomes in workers.map(score_request, requests()):
        yield dict(zip(asked.popleft(), outcomes, strict=True))


def score_request(request: ChunkRequest) -> list[Outcome]:
    """Score a chunk in this process, which is a worker; an outcome for each of the scorers."""
    shared: dict[Hashable, Any] = {}
    outcomes = []
    for what, prefer, entry in request.scorers:
        asked = _made_once(what, prefer)
        if asked.entry != entry:
            problem = EmpevalError(
                f"The {asked.owner} is another one where the workers are: version "
                f"{asked.entry.version}, fingerprint {asked.entry.fingerprint} there; version "
                f"{entry.version}, fingerprint {entry.fingerprint} here. Install the same there."
            )
            outcomes.append(Outcome([], problem, 0.0))
            continue
        asked.scorer.shared_work = shared
        # records of its own, as they are where scorers take turns
        samples = msgspec.json.decode(msgspec.json.encode(request.samples), type=list[Sample])
        outcomes.append(_outcome(asked.scorer, samples))
        asked.scorer.shared_work = None
    return outcomes


@lru_cache(maxsize=32)
def _made_once(what: str, prefer: str | None) -> AskedScorer:
    """A worker's scorer, which keeps what it has loaded from one chunk to the next."""
    return AskedScorer(what, prefer)


def _outcome(scorer: Scorer, samples: Sequence[Sample]) -> Outcome:
    started = time.perf_counter()
    scores: list[Score] = []
    problem = None
    try:
        scores = score_chunk(scorer, samples)
    except (StorageError, RunFolderError):
        raise
    except EmpevalError as error:
        problem = error
    return Outcome(scores, problem, time.perf_counter() - started)


def score_chunk(scorer: Scorer, chunk: Sequence[Sample]) -> list[Score]:
    """Scores of a chunk, one a sample, whatever the scorer does.

    Samples without an answer are not shown to the scorer. When it raises, the chunk is tried
    sample by sample, and those that raise again get status ``error``. When all that were tried
    raise the very same as the chunk did, ``ALIKE`` of them at least, and that has taken more than
    ``PATIENCE_S``, the others are not tried; their notes say so.

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
    reason = reason_in(first)
    started = time.monotonic()
    steps = max(1, min(ALIKE, len(samples)) - 1)
    probes = sorted({number * (len(samples) - 1) // steps for number in range(steps + 1)})
    made = {probe: _alone(scorer, samples[probe]) for probe in probes}
    alike = all(found == reason for found in made.values())
    if alike and not isinstance(first, ContainedError):
        raise first
    scores = []
    for number, sample in enumerate(samples):
        found = made.get(number)
        if found is None and alike and time.monotonic() - started > PATIENCE_S:
            found = f"not tried, since the scorer fails alike on {len(made)} others: {reason}"
        elif found is None:
            found = made[number] = _alone(scorer, sample)
            alike = alike and found == reason
        if isinstance(found, str):
            found = Score(sample.id, "error", note=writable(found[:500]))
        scores.append(found)
    return scores


def _alone(scorer: Scorer, sample: Sample) -> Score | str:
    """A sample's score, or why it has none."""
    try:
        return _checked(scorer, [sample])[0]
    except LimitReachedError:
        raise
    except EmpevalError as error:
        return reason_in(error)


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
    if card.unit == "percent" and value not in (0, 1):
        return f"is {value:g}; a value in percent is 0 or 1, and only its share is in percent"
    for bound, sign in ((card.low, 1), (card.high, -1)):
        if bound is not None and sign * (value - bound) < -ROUNDING * max(1.0, abs(bound)):
            return f"is {value:g}, outside of the card's range from {card.low} to {card.high}"
    return ""
