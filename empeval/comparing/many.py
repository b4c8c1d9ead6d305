"""Three or more runs: pairwise matrix, ranks with intervals, groups that cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np

from empeval.comparing.adjusting import holm
from empeval.comparing.joined import AskedItem, RunFiles, item_values, notices_of, numbered
from empeval.comparing.records import Comparison, Difference
from empeval.comparing.resampling import RESAMPLES, rank_samples
from empeval.comparing.two import ALPHA, Margins, adjusted_verdict, compare_files
from empeval.comparing.unscored import MAX_UNSCORED, by_worst_case
from empeval.errors import UsageError
from empeval.marks import Marked, marks_of
from empeval.records import Source
from empeval.runs import Run


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One run among many, by one figure.

    Attributes:
        run: its folder. model: its URI.
        mean: on the items that all runs share.
        rank: 1 is the best. rank_low, rank_high: its 95 % bootstrap interval over clusters.
        groups: letters; runs that share one could not be told apart.
    """

    run: str
    model: str
    mean: float
    rank: int
    rank_low: int
    rank_high: int
    groups: str


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """Two of many runs.

    Attributes:
        base, candidate: folders; the candidate has the better mean.
        difference: between them.
    """

    base: str
    candidate: str
    difference: Difference


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs of runs by one headline figure.

    Attributes:
        task, scorer, metric, unit: which figure.
        ranking: the runs, best first.
        items: that were asked, by the manifest that says most.
        shared: items that all runs have a value for.
        pairs: every two of them; ``p_holm`` is over all pairs.
    """

    task: str
    scorer: str
    metric: str
    unit: str
    ranking: list[Ranked]
    shared: int
    pairs: list[Pairing]
    items: int = 0


class ManyRuns(msgspec.Struct, frozen=True, kw_only=True):
    """What ``compare_many`` found: a matrix for each headline figure.

    ``audits`` is what each run folder says of its scorers' agreement with people.
    """

    matrices: list[Matrix]
    forced: list[str]
    remarks: list[str]
    audits: list[Marked] = []
    notices: list[str] = []


def compare_many(
    runs: Sequence[Run],
    *,
    margins: Margins | None = None,
    metrics: Sequence[str] | None = None,
    force: bool = False,
    partial: bool = False,
    max_unscored: float = MAX_UNSCORED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ManyRuns:
    """Compare every two of at least three runs by their headline figures.

    Each table rests on one set of items, those of which every run has a value: means, ranks,
    letters and pairs.

    Args and errors as of ``two.compare``.
    """
    found: dict[tuple[str, str, str], list[tuple[int, int, Difference]]] = {}
    forced: list[str] = []
    remarks: list[str] = []
    files = [RunFiles(run, partial) for run in runs]

    def pair(one: int, other: int, only: Mapping[str, Collection[str]] | None = None) -> Comparison:
        return compare_files(
            files[one],
            files[other],
            margins=margins,
            metrics=metrics,
            force=force,
            max_unscored=max_unscored,
            only=only,
            resamples=resamples,
            seed=seed,
        )

    for one in range(len(runs)):
        for other in range(one + 1, len(runs)):
            result = pair(one, other)
            forced += result.forced
            remarks += result.remarks
            for difference in result.differences:
                if difference.headline:
                    key = difference.task, difference.scorer, difference.metric
                    found.setdefault(key, []).append((one, other, difference))
    everything = len(runs) * (len(runs) - 1) // 2
    matrices = []
    for key, pairs in found.items():
        if len(pairs) != everything:
            continue
        values, ids, items = _shared(files, *key)
        common = [
            (one, other, d if d.n == len(ids) else _same(pair(one, other, {key[0]: ids}), d))
            for one, other, d in pairs
        ]
        matrices.append(_matrix(files, *key, common, values, items, seed))
    if not matrices:
        raise UsageError("The runs have no headline figure in common; name some with --metrics.")
    return ManyRuns(
        matrices=matrices,
        forced=list(dict.fromkeys(forced)),
        remarks=list(dict.fromkeys(remarks)),
        notices=notices_of(files),
        audits=[mark for one in files for mark in marks_of(one.run, {m.task for m in matrices})],
    )


def _same(result: Comparison, d: Difference) -> Difference:
    """The figure of a difference in another comparison."""
    key = d.task, d.scorer, d.metric
    return next(o for o in result.differences if (o.task, o.scorer, o.metric) == key)


def _matrix(
    files: Sequence[RunFiles],
    task: str,
    scorer: str,
    metric: str,
    pairs: Sequence[tuple[int, int, Difference]],
    values: np.ndarray,
    items: Sequence[AskedItem],
    seed: int,
) -> Matrix:
    first = pairs[0][2]
    sign = -1 if first.higher_is_better is False else 1
    means = values.mean(0) if len(values) else np.full(len(files), np.nan)
    order = [int(n) for n in np.argsort(-sign * means, kind="stable")]
    drawn = rank_samples(sign * values, numbered([i.cluster for i in items]), seed=seed + 2)
    bounds = np.quantile(drawn, [0.025, 0.975], axis=0, method="inverted_cdf").astype(int)
    tested = [(one, other, d) for one, other, d in pairs if d.p is not None]
    adjusted = holm([d.p for _, _, d in tested if d.p is not None])
    kept = {
        (one, other): adjusted_verdict(d, p)
        for (one, other, d), p in zip(tested, adjusted, strict=True)
    }
    apart = {
        pair
        for pair, d in kept.items()
        if d.p_holm is not None and d.p_holm < ALPHA and not d.too_unscored
    }
    letters = groups(order, apart)
    place = {run: rank for rank, run in enumerate(order)}
    ranking = [
        Ranked(
            run=str(files[n].run.path),
            model=files[n].run.manifest.model.title,
            mean=float(means[n]),
            rank=rank + 1,
            rank_low=int(bounds[0][n]),
            rank_high=int(bounds[1][n]),
            groups=letters[n],
        )
        for rank, n in enumerate(order)
    ]
    shown = [
        _pairing(files, one, other, d)
        if place[other] < place[one]
        else _pairing(files, other, one, _turned(d))
        for (one, other), d in kept.items()
    ]
    return Matrix(
        task=task,
        scorer=scorer,
        metric=metric,
        unit=first.unit,
        ranking=ranking,
        shared=len(values),
        items=max(one.items(task) for one in files),
        pairs=shown,
    )


def _pairing(files: Sequence[RunFiles], base: int, candidate: int, d: Difference) -> Pairing:
    return Pairing(
        base=str(files[base].run.path), candidate=str(files[candidate].run.path), difference=d
    )


def groups(order: Sequence[int], apart: set[tuple[int, int]]) -> dict[int, str]:
    """Letters for runs: two share one if and only if they were not found different.

    Piepho's (2004) insert-and-absorb: one letter for all; each difference splits every letter
    that both runs have; a letter whose runs all have another one goes.

    Args:
        order: numbers of the runs, best first.
        apart: pairs of runs, in either order, that differ significantly.
    """
    sets = [frozenset(order)]
    for pair in sorted(apart):
        split = [part - {run} for part in sets if part.issuperset(pair) for run in pair]
        found = [part for part in sets if not part.issuperset(pair)] + split
        sets = [
            part for n, part in enumerate(found)
            if not any(part < other for other in found) and part not in found[:n]
        ]  # fmt: skip
    place = {run: number for number, run in enumerate(order)}
    ranked = sorted(sets, key=lambda part: sorted(place[run] for run in part))
    letters = dict.fromkeys(order, "")
    for number, members in enumerate(ranked):
        for run in members:
            letters[run] += chr(ord("a") + number) if number < 26 else f"({number + 1})"
    return letters


def _shared(
    files: Sequence[RunFiles], task: str, scorer: str, metric: str
) -> tuple[np.ndarray, list[str], list[AskedItem]]:
    """Values of the items that count in every run, shape (items, runs), their ids, and they."""
    first = files[0].answers(task)
    ids = [
        name
        for name, answer in first.items()
        if all(
            (other := one.answers(task).get(name)) and other.item_hash == answer.item_hash
            for one in files[1:]
        )
    ]
    columns = []
    for one in files:
        figure = one.metrics(task).get((scorer, metric))
        if figure is None:
            raise UsageError(
                f"No item of {task} has a value of {metric} in {one.run.path}; leave it out."
            )
        source = figure.source or Source(metric)
        values = item_values(one.scores(task, scorer), ids, source)
        columns.append(100 * values if figure.unit == "percent" else values)
    matrix = np.column_stack(columns)
    there = np.isfinite(matrix).all(1)
    if not there.any():
        raise UsageError(f"No item of {task} has a value of {metric} in every run.")
    kept = [name for name, ok in zip(ids, there, strict=True) if ok]
    return matrix[there], kept, [first[name].item for name in kept]


def _turned(d: Difference) -> Difference:
    """The same pair with base and candidate exchanged."""
    verdicts = {"better": "worse", "worse": "better"}

    def negative(value: float | None) -> float | None:
        return None if value is None else -value

    turned: Difference = msgspec.structs.replace(
        d,
        base=d.candidate,
        candidate=d.base,
        difference=negative(d.difference),
        ci_low=negative(d.ci_high),
        ci_high=negative(d.ci_low),
        effect_size=negative(d.effect_size),
        improved=None if d.improved is None else 1 - d.improved,
        base_failed=d.candidate_failed,
        candidate_failed=d.base_failed,
        base_items=d.candidate_items,
        candidate_items=d.base_items,
        base_unscored=d.candidate_unscored,
        candidate_unscored=d.base_unscored,
        worst_case=negative(d.worst_case),
        verdict=verdicts.get(str(d.verdict), d.verdict),
        not_worse_by_margin=None if d.margin is None or d.ci_high is None
        else (-d.ci_high > -d.margin),
        length_adjusted=negative(d.length_adjusted),
        adjusted_low=negative(d.adjusted_high),
        adjusted_high=negative(d.adjusted_low),
    )  # fmt: skip
    return by_worst_case(turned) if d.too_unscored else turned
