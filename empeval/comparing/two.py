"""Two runs compared: the whole of ``empeval compare BASE CANDIDATE``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np

from empeval.comparing.adjusting import benjamini_hochberg, holm
from empeval.comparing.estimating import (
    MarginOf,
    Paired,
    estimate,
    headline_of,
    names_of,
    paired_figures,
    with_values,
)
from empeval.comparing.joined import (
    Answer,
    Joined,
    RunFiles,
    item_values,
    join,
    misfits,
    notices_of,
    remarks,
    shared_tasks,
)
from empeval.comparing.parts import slices, with_adjusted
from empeval.comparing.rates import rates
from empeval.comparing.records import Comparison, Difference, Noise, Slice, TaskFacts
from empeval.comparing.resampling import RESAMPLES
from empeval.comparing.unscored import MAX_UNSCORED, with_unscored_rule
from empeval.errors import UsageError, nearest
from empeval.marks import marks_of
from empeval.records import Source
from empeval.runs import Run

ALPHA = 0.05

Margins = float | Mapping[str, float]
"""One margin for every headline figure, or margins by the figures' names."""


def compare(
    base: Run | str | os.PathLike[str],
    candidate: Run | str | os.PathLike[str],
    *,
    margins: Margins | None = None,
    metrics: Sequence[str] | None = None,
    repeats: Sequence[Run | str | os.PathLike[str]] = (),
    force: bool = False,
    partial: bool = False,
    max_unscored: float = MAX_UNSCORED,
    slice_by: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two runs on the items that both have.

    Args:
        base: the run to hold against, or its folder.
        candidate: the run in question, or its folder.
        margins: the smallest differences that matter, fixed beforehand, in the figures' units.
        metrics: the headline figures: ``metric``, ``scorer.metric`` or ``task.scorer.metric``; by
            default the first figure of each task that has a direction.
        repeats: runs that repeat the base with other seeds, for the noise floor.
        force: compare what differs in version, data or scorer; the result says so.
        partial: take unfinished runs as they are.
        max_unscored: the share of either side's items, 0 to 1, that a figure may lack; with more
            the verdict is by the worst case.
        slice_by: properties of the items that make parts however many values they have.
        resamples: of intervals and sign flips.
        seed: of both.

    Raises:
        UsageError: runs that cannot be compared, with what differs; a name or margin that makes
            no sense.
        RunFolderError: a folder that cannot be read.
    """
    one, other, *others = (r if isinstance(r, Run) else Run(r) for r in (base, candidate, *repeats))
    return compare_files(
        RunFiles(one, partial),
        RunFiles(other, partial),
        margins=margins,
        metrics=metrics,
        repeats=others,
        force=force,
        max_unscored=max_unscored,
        slice_by=slice_by,
        resamples=resamples,
        seed=seed,
    )


def compare_files(
    one: RunFiles,
    other: RunFiles,
    *,
    margins: Margins | None,
    metrics: Sequence[str] | None,
    repeats: Sequence[Run] = (),
    force: bool,
    max_unscored: float = MAX_UNSCORED,
    slice_by: Sequence[str] = (),
    only: Mapping[str, Collection[str]] | None = None,
    resamples: int,
    seed: int,
) -> Comparison:
    """What ``compare`` does, on folders that keep what was read of them for the next pair.

    ``only`` has, by task, the ids of the items to compare; ``None``: all that both have.
    """
    if resamples < 100:
        raise UsageError(f"--resamples is {resamples}; it must be 100 or more.")
    if not 0 <= max_unscored <= 1:
        raise UsageError(
            f"max_unscored is {max_unscored:g}; it is a share from 0 to 1 (0.05 for 5 %)."
        )
    base, candidate, files = one.run, other.run, (one, other)
    tasks = shared_tasks(*files)
    problems = misfits(*files, tasks)
    if problems and not force:
        raise UsageError(
            f"{base.path} and {candidate.path} cannot be compared: {'; '.join(problems)}. "
            "--force compares them all the same and says so."
        )
    margin_of = margins_of(margins)
    by = tuple(slice_by)
    found: list[Difference] = []
    parts: list[Slice] = []
    failures, noise, facts = [], [], []
    known: set[str] = set()
    for task in tasks:
        joined = join(*files, task, None if only is None else only.get(task))
        facts.append(_facts(joined, max(side.items(task) for side in files)))
        pairs = with_values(paired_figures(*files, joined), metrics)
        known |= {name for pair in pairs for name in names_of(pair.metric)}
        headlines = headline_of(pairs, metrics)
        every = estimate(pairs, joined, headlines, margin_of, resamples=resamples, seed=seed)
        found += [_judged(with_unscored_rule(d, max_unscored)) for d in every]
        parts += [s for n in sorted(headlines) for s in slices(pairs[n], joined, by)]
        failures += rates(*files, joined)
        noise += [_noise(files[0], repeats, joined, pairs[n]) for n in sorted(headlines)]
    _check_names(metrics, margins, known)
    return Comparison(
        base=str(base.path),
        candidate=str(candidate.path),
        base_model=base.manifest.model.title,
        candidate_model=candidate.manifest.model.title,
        tasks=facts,
        differences=_with_holm(found),
        slices=with_adjusted(parts, benjamini_hochberg([s.p for s in parts if s.p is not None])),
        rates=failures,
        noise=[one for one in noise if one is not None],
        forced=problems,
        remarks=remarks(*files, tasks),
        resamples=resamples,
        seed=seed,
        audits=[*marks_of(base, tasks), *marks_of(candidate, tasks)],
        notices=notices_of(files),
    )


def margins_of(margins: Margins | None) -> MarginOf:
    """The margin of a figure: its own, or the one for all headline figures.

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


def _check_names(metrics: Sequence[str] | None, margins: Margins | None, known: set[str]) -> None:
    asked = [*(metrics or []), *(margins if isinstance(margins, Mapping) else [])]
    for name in asked:
        if name not in known:
            plain = {n for n in known if "." not in n}
            raise UsageError(f"No figure '{name}' can be compared here.{nearest(name, plain)}")


def _with_holm(found: Sequence[Difference]) -> list[Difference]:
    """Headline figures first, with p adjusted over them."""
    headlines = [d for d in found if d.headline]
    adjusted = iter(holm([d.p for d in headlines if d.p is not None]))
    first = [d if d.p is None else adjusted_verdict(d, next(adjusted)) for d in headlines]
    return [*first, *(d for d in found if not d.headline)]


def _judged(d: Difference) -> Difference:
    """The difference as it is for a headline figure, and without a verdict for any other."""
    if d.headline:
        return d
    bare: Difference = msgspec.structs.replace(d, verdict=None, not_worse_by_margin=None)
    return bare


def adjusted_verdict(d: Difference, p_holm: float) -> Difference:
    """A difference with its adjusted p; *better* and *worse* take one under 0.05.

    A verdict by the worst case stays: it does not rest on a test.
    """
    lost = d.verdict in ("better", "worse") and p_holm >= ALPHA and not d.too_unscored
    made: Difference = msgspec.structs.replace(
        d, p_holm=p_holm, verdict="inconclusive" if lost else d.verdict
    )
    return made


def _facts(joined: Joined, items: int) -> TaskFacts:
    def words(answers: Sequence[Answer]) -> float:
        return float(np.mean([len(a.response.split()) for a in answers]))

    return TaskFacts(
        task=joined.task,
        items=items,
        shared=len(joined.ids),
        clusters=joined.n_clusters,
        only_base=joined.only_base,
        only_candidate=joined.only_candidate,
        changed=joined.changed,
        base_words=words(joined.base),
        candidate_words=words(joined.candidate),
    )


def _noise(base: RunFiles, repeats: Sequence[Run], joined: Joined, pair: Paired) -> Noise | None:
    """The spread of a figure's mean over the base and its repeats, on the items all have.

    Raises:
        UsageError: a repeat shares no item with the base.
    """
    if not repeats:
        return None
    from scipy.special import stdtrit

    metric = pair.metric
    columns = [pair.base]
    for run in repeats:
        files = RunFiles(run)
        again = join(base, files, joined.task)
        own = files.metrics(joined.task).get((metric.scorer, metric.metric), metric)
        scores = files.scores(joined.task, metric.scorer)
        values = item_values(scores, joined.ids, own.source or Source(metric.metric))
        values[~np.isin(joined.ids, again.ids)] = np.nan
        columns.append(100 * values if metric.unit == "percent" else values)
    matrix = np.column_stack(columns)
    there = np.isfinite(matrix).all(1)
    means = matrix[there].mean(0)
    sd = float(means.std(ddof=1))
    reach = float(stdtrit(len(means) - 1, 0.975)) * sd * 2**0.5
    return Noise(
        task=joined.task,
        scorer=metric.scorer,
        metric=metric.metric,
        runs=len(means),
        sd=sd,
        reach=reach if there.any() else None,
    )
