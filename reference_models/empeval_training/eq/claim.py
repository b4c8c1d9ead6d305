"""The claim tested: base, SFT, SFT and DPO on the same items, with paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from empeval import Run, UsageError, cluster_mean
from empeval_training.agreement import bracketed
from empeval_training.judges import grid

Reader = Callable[[Run], dict[tuple[str, str], tuple[float, str]]]
"""run -> (id, item hash) -> (value, cluster)."""


def _lm_eval(run: Run) -> dict[tuple[str, str], tuple[float, str]]:
    """EQ-Bench's item score times 10; an answer that cannot be read counts 0, as in lm-eval."""
    return _values(run, "eqbench", "eqbench", "lm_eval", scale=10, failed=0.0)


def _strict(run: Run) -> dict[tuple[str, str], tuple[float, str]]:
    """The item score of answers that hold exactly what was asked for, times 10, else 0."""
    return _values(run, "eqbench", "eqbench", "strict", scale=10, failed=0.0)


def _empathy(run: Run) -> dict[tuple[str, str], tuple[float, str]]:
    return _values(run, "ed-empathy", "mvc", "empathy")


def _eq(run: Run) -> dict[tuple[str, str], tuple[float, str]]:
    return _values(run, "ed-empathy", "eq", "eq")


def _eq_of_answers(run: Run) -> dict[tuple[str, str], tuple[float, str]]:
    return _values(run, "eqbench", "eq", "eq")


def _words(run: Run) -> dict[tuple[str, str], tuple[float, str]]:
    return _values(run, "ed-empathy", "surface", "words")


FIGURES: dict[str, Reader] = {
    "EQ-Bench (unread = 0)": _lm_eval,
    "EQ-Bench strict": _strict,
    "EQ-Bench EQ score": _eq_of_answers,
    "ED empathy (mvc)": _empathy,
    "ED EQ score": _eq,
    "ED words": _words,
}


def _values(
    run: Run, task: str, scorer: str, value: str, *, scale: float = 1, failed: float | None = None
) -> dict[tuple[str, str], tuple[float, str]]:
    entries = run.manifest.scorers.get(task, {})
    labels = [label for label, entry in entries.items() if entry.name == scorer]
    if not labels:
        return {}
    scores = {score.id: score for score in run.scores(task, labels[0])}
    found = {}
    for line in run.responses(task):
        score = scores.get(line.id)
        number = score.values.get(value) if score else None
        if failed is None and score is not None and score.status != "ok":
            number = None
        number = failed if number is None else scale * number
        if number is not None:
            found[(line.id, line.item_hash)] = number, line.item.cluster
    return found


def claim_tables(runs: Mapping[str, Run]) -> tuple[str, str]:
    """Means of each run, and paired differences of each two, as Markdown.

    A figure that only one of the runs has is left out; ``-`` stands where a run lacks one.

    Args:
        runs: name -> run folder, the base first.

    Raises:
        UsageError: the runs share no scored item.
    """
    read = {name: {run: reader(folder) for run, folder in runs.items()}
            for name, reader in FIGURES.items()}  # fmt: skip
    least = min(2, len(runs))
    read = {n: by_run for n, by_run in read.items() if sum(map(bool, by_run.values())) >= least}
    if not read:
        raise UsageError("The runs share no scored items; ask them eqbench and ed-empathy.")
    asked = any("eqbench" in folder.manifest.tasks for folder in runs.values())
    means = [
        [
            run,
            *([official(folder)] if asked else []),
            *(_estimate(list(by_run[run].values())) for by_run in read.values()),
        ]
        for run, folder in runs.items()
    ]
    differences = [
        [f"{later} - {earlier}", *(_difference(by_run[later], by_run[earlier])
                                   for by_run in read.values())]
        for earlier, later in combinations(runs, 2)
    ]  # fmt: skip
    headers = ["", *(["EQ-Bench v2, official"] if asked else []), *read]
    return grid(means, headers), grid(differences, ["", *read])


def official(run: Run) -> str:
    """EQ-Bench's official score, a mean over the answers that could be read, and how many."""
    for metric in run.metrics():
        if metric.metric == "eqbench_v2":
            read = f"{metric.n} of {metric.n + metric.n_failed} read"
            if metric.value is None:
                return f"- ({read})"
            return f"{bracketed(metric.value, metric.ci_low, metric.ci_high, 2)} ({read})"
    return "-"


def _difference(
    one: Mapping[tuple[str, str], tuple[float, str]],
    other: Mapping[tuple[str, str], tuple[float, str]],
) -> str:
    shared = sorted(set(one) & set(other))
    if not shared:
        return "-"
    pairs = [(one[key][0] - other[key][0], one[key][1]) for key in shared]
    return f"{_estimate(pairs)} (n {len(shared)})"


def _estimate(values: Sequence[tuple[float, str]]) -> str:
    if not values:
        return "-"
    return bracketed(*cluster_mean([v for v, _ in values], [c for _, c in values]))
