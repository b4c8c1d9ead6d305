"""Two runs compared: the whole of ``empeval compare BASE CANDIDATE``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from empeval.comparing.adjusting import benjamini_hochberg, judged
from empeval.comparing.estimating import MarginOf, estimate
from empeval.comparing.joined import (
    Joined,
    RunFiles,
    join,
    misfits,
    notices_of,
    opened,
    remarks,
    shared_tasks,
)
from empeval.comparing.metrics import (
    Paired,
    headline_of,
    names_of,
    paired_metrics,
    ways_to_name,
    with_values,
    words_of,
)
from empeval.comparing.parts import slices, with_adjusted
from empeval.comparing.rates import rates
from empeval.comparing.records import Comparison, Difference, Noise, Slice, TaskFacts
from empeval.comparing.resampling import FEWEST_RESAMPLES, MOST_RESAMPLES, RESAMPLES
from empeval.comparing.unscored import MAX_UNSCORED
from empeval.errors import NotComparableError, UnknownNameError, UsageError
from empeval.estimates import item_values, quantile
from empeval.marks import marks_of
from empeval.runs import Run

Margins = float | Mapping[str, float]
"""One margin for every headline metric, or margins by the metrics' names."""


def compare(
    base: Run | RunFiles | str | os.PathLike[str],
    candidate: Run | RunFiles | str | os.PathLike[str],
    *,
    margins: Margins | None = None,
    metrics: Sequence[str] | None = None,
    repeats: Sequence[Run] = (),
    force: bool = False,
    partial: bool = False,
    max_unscored: float = MAX_UNSCORED,
    slice_by: Sequence[str] = (),
    known: Sequence[Difference] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two runs on the items that both have.

    Args:
        base: the run to hold against, or its folder; ``RunFiles`` keep what was read of it for the
            next pair.
        candidate: the run in question, or its folder.
        margins: the smallest differences that matter, fixed beforehand, in the metrics' units.
        metrics: the headline metrics: ``metric``, ``scorer.metric`` or ``task.scorer.metric``; by
            default the first metric of each task that has a direction.
        repeats: runs that repeat the base with other seeds, for the noise floor.
        force: compare what differs in version, data or scorer; the result says so.
        partial: take unfinished runs as they are.
        max_unscored: the share of either side's items, 0 to 1, that a metric may lack; with more
            the verdict is by the worst case.
        slice_by: properties of the items that make parts however many values they have.
        known: these runs' headline metrics where they are judged already, among those of more
            runs; they are taken as they are, and there are no others.
        resamples: of intervals and sign flips.
        seed: of both.

    Raises:
        UsageError: runs that cannot be compared, with what differs; a name or margin that makes
            no sense.
        RunFolderError: a folder that cannot be read.
    """
    check_numbers(max_unscored, resamples, seed)
    base, candidate = files = opened(base, partial), opened(candidate, partial)
    tasks = shared_tasks(*files)
    problems = problems_of(*files, force=force)
    if known:
        metrics = [f"{d.task}.{d.scorer}.{d.metric}" for d in known]
    margin_of = margins_of(margins)
    found = list(known)
    parts: list[Slice] = []
    failures, noise, facts = [], [], []
    names: set[str] = set()
    for task in tasks:
        joined = join(*files, task)
        facts.append(_facts(joined, max(side.items(task) for side in files)))
        pairs = with_values(paired_metrics(*files, joined), metrics)
        names |= {name for pair in pairs for name in names_of(pair.metric)}
        headlines = sorted(headline_of([pair.metric for pair in pairs], metrics))
        for number in headlines:
            parts += slices(pairs[number], joined, slice_by)
            noise.append(_noise(base, repeats, joined, pairs[number]))
        failures += rates(*files, joined)
        if known:
            pairs = [pair for n, pair in enumerate(pairs) if n not in headlines]
        found += estimate(
            pairs,
            joined.clusters,
            set() if known else set(headlines),
            margin_of,
            resamples=resamples,
            seed=seed,
        )
    _check_names(metrics, margins, names, files)
    for side in files:
        side.require_same()
    if not known:
        found = judged(found, max_unscored)
    return Comparison(
        base=str(base.run.path),
        candidate=str(candidate.run.path),
        base_model=base.run.manifest.model.title,
        candidate_model=candidate.run.manifest.model.title,
        tasks=facts,
        differences=sorted(found, key=lambda d: not d.headline),
        slices=with_adjusted(parts, benjamini_hochberg([s.p for s in parts if s.p is not None])),
        rates=failures,
        noise=[one for one in noise if one is not None],
        forced=problems,
        remarks=remarks(*files, tasks),
        resamples=resamples,
        seed=seed,
        audits=[*marks_of(base.run, tasks), *marks_of(candidate.run, tasks)],
        notices=notices_of(files),
    )


def check_numbers(max_unscored: float, resamples: int, seed: int) -> None:
    """Refuse a share, a number of resamples or a seed that makes no sense.

    Raises:
        UsageError: with what is allowed.
    """
    if not FEWEST_RESAMPLES <= resamples <= MOST_RESAMPLES:
        raise UsageError(
            f"resamples is {resamples}; it must be from {FEWEST_RESAMPLES} to {MOST_RESAMPLES:,}."
        )
    if seed < 0:
        raise UsageError(f"seed is {seed}; it must be 0 or more.")
    if not 0 <= max_unscored <= 1:
        raise UsageError(
            f"max_unscored is {max_unscored:g}; it is a share from 0 to 1 (0.05 for 5 %)."
        )


def problems_of(base: RunFiles, candidate: RunFiles, *, force: bool) -> list[str]:
    """What makes two runs incomparable, where they are compared all the same.

    Raises:
        UsageError: they are not to be compared then, or share no task.
    """
    problems = misfits(base, candidate, shared_tasks(base, candidate))
    if problems and not force:
        raise NotComparableError(
            f"{base.run.path} and {candidate.run.path} cannot be compared: {'; '.join(problems)}.",
            base=base.run.path,
            candidate=candidate.run.path,
            problems=problems,
            hint="--force compares them all the same and says so.",
        )
    return problems


def margins_of(margins: Margins | None) -> MarginOf:
    """The margin of a metric: its own, or the one for all headline metrics.

    Raises:
        UsageError: a margin that is not above 0.
    """
    by_name = margins if isinstance(margins, Mapping) else {}
    general = None if isinstance(margins, Mapping) else margins
    for name, value in {**by_name, **({} if general is None else {"": general})}.items():
        if not 0 < value < float("inf"):
            where = f" of {name}" if name else ""
            raise UsageError(f"The margin{where} is {value:g}; it must be above 0.")

    def margin(task: str, scorer: str, metric: str, headline: bool) -> float | None:
        for name in (f"{task}.{scorer}.{metric}", f"{task}.{metric}", f"{scorer}.{metric}", metric):
            if name in by_name:
                return by_name[name]
        return general if headline else None

    return margin


def _check_names(
    metrics: Sequence[str] | None,
    margins: Margins | None,
    known: set[str],
    every: Sequence[RunFiles],
) -> None:
    asked = [*(metrics or []), *(margins if isinstance(margins, Mapping) else [])]
    for name in asked:
        if name not in known:
            plain = {n for n in known if "." not in n}
            said = f"No metric '{name}' can be compared here.{why_not(every, name)}"
            raise UnknownNameError(said, kind="metric", name=name, known=plain)


def why_not(every: Sequence[RunFiles], name: str) -> str:
    """Why runs have no metric of a name that can be compared, in sentences behind a space."""
    why = [
        f" {files.name}: {text}."
        for files in every
        for key, text in files.uncompared.items()
        if name in ways_to_name(*key)
    ]
    return "".join(why)


def _facts(joined: Joined, items: int) -> TaskFacts:
    return TaskFacts(
        task=joined.task,
        items=items,
        shared=len(joined.ids),
        clusters=joined.n_clusters,
        only_base=joined.only_base,
        only_candidate=joined.only_candidate,
        changed=joined.changed,
        base_words=float(words_of(joined.base).mean()),
        candidate_words=float(words_of(joined.candidate).mean()),
    )


def _noise(base: RunFiles, repeats: Sequence[Run], joined: Joined, pair: Paired) -> Noise | None:
    """The spread of a metric's mean over the base and its repeats, on the items all have.

    Raises:
        UsageError: a repeat shares no item with the base.
    """
    if not repeats:
        return None
    metric = pair.metric
    columns = [pair.base]
    for run in repeats:
        files = RunFiles(run)
        again = join(base, files, joined.task)
        own = files.metrics(joined.task).get((metric.scorer, metric.metric), metric)
        values = item_values(files.scores(joined.task, metric.scorer), joined.ids, own)
        values[~np.isin(joined.ids, again.ids)] = np.nan
        columns.append(values)
    matrix = np.column_stack(columns)
    there = np.isfinite(matrix).all(1)
    means = matrix[there].mean(0)
    sd = float(means.std(ddof=1))
    return Noise(
        task=joined.task,
        scorer=metric.scorer,
        metric=metric.metric,
        runs=len(means),
        sd=sd,
        reach=quantile(0.975, len(means)) * sd * 2**0.5 if there.any() else None,
    )
