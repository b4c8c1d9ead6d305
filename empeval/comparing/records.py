"""What a comparison says, as records that JSON holds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from empeval.comparing.verdicts import Verdict
from empeval.marks import Marked


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two runs on the same items.

    Attributes:
        task, scorer, metric, unit, higher_is_better: which figure, as in ``metrics.json``.
        base, candidate: means over the shared items with a value in both runs. Where there is
            none, ``difference`` is ``null``, and so is the mean of a run without any value.
        difference: candidate less base.
        ci_low, ci_high: its 95 % interval; ``null`` with fewer than two clusters.
        method: ``bootstrap-t`` over clusters, or ``t`` where that is unstable or nothing varies.
        p: two-sided, by sign flips of clusters.
        p_t: by the paired t test over clusters, a cross-check.
        p_mcnemar: exact, for yes/no figures whose clusters are single items.
        p_holm: adjusted over the headline figures; ``null`` for others.
        headline: whether it is one.
        effect_size: mean over standard deviation of the items' differences.
        improved: probability that an item's value rose, ties counting half.
        correlation: of the two runs' item values.
        variance_saved: share of variance that pairing takes out of the difference.
        detectable: the smallest true difference that would be found with 80 % power.
        margin: the smallest difference that matters, fixed beforehand; ``null``: none was.
        needed: clusters that it takes to find the margin with 80 % power.
        verdict: of a headline figure, in one word; see ``verdicts.decide``. ``null`` for others:
            among many figures some fall by chance, and nothing is decided by them.
        not_worse_by_margin: of a headline figure, whether non-inferiority is shown; ``null``
            without a margin.
        n, n_clusters: shared items with a value in both runs.
        base_failed, candidate_failed: shared items without a value in one.
        base_items, candidate_items: each run's items, by its manifest.
        base_unscored, candidate_unscored: those of them without a score of their own, whatever a
            convention counts them as.
        too_unscored: whether more of them than allowed have none, on either side: the figure then
            does not hold, whatever the scored items say; see ``unscored.with_unscored_rule``.
        worst_case: the difference when shared items without a value count as the worst value: the
            end of the value's range, or the worst one of both runs where that is open; ``null``
            where none is without.
        per_word, length_adjusted, adjusted_low, adjusted_high: slope of the item differences on
            the difference of the replies' lengths, and the difference at equal length with its
            95 % interval; ``null`` where lengths do not differ.
    """

    task: str
    scorer: str
    metric: str
    unit: str
    higher_is_better: bool | None
    base: float | None
    candidate: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    method: Literal["bootstrap-t", "t"]
    p: float | None
    p_t: float | None
    p_mcnemar: float | None = None
    p_holm: float | None = None
    headline: bool = False
    effect_size: float | None = None
    improved: float | None = None
    correlation: float | None = None
    variance_saved: float | None = None
    detectable: float | None = None
    margin: float | None = None
    needed: int | None = None
    verdict: Verdict | None = None
    not_worse_by_margin: bool | None = None
    n: int = 0
    n_clusters: int = 0
    base_failed: int = 0
    candidate_failed: int = 0
    base_items: int = 0
    candidate_items: int = 0
    base_unscored: int = 0
    candidate_unscored: int = 0
    too_unscored: bool = False
    worst_case: float | None = None
    per_word: float | None = None
    length_adjusted: float | None = None
    adjusted_low: float | None = None
    adjusted_high: float | None = None


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A headline figure on the items that share a property.

    Attributes:
        task, scorer, metric: which figure.
        name, value: the property (``emotion``, ``sad``; ``eqbench.form``, ``plain``).
        difference, ci_low, ci_high: candidate less base, with its 95 % t interval over clusters;
            ``null`` for a part that is too small, as are the p values.
        p, p_adjusted: of the paired t test, raw and by Benjamini-Hochberg over all slices.
        n, n_clusters: items with a value in both runs.
        items: those that have the property, with or without a value.
        too_small: whether there are too few clusters of them for an interval.
    """

    task: str
    scorer: str
    metric: str
    name: str
    value: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None
    n: int
    n_clusters: int
    items: int = 0
    too_small: bool = False


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How often answers of a task are of a kind.

    Attributes:
        task, kind: ``unparsed`` (no score by one of the scorers, in whatever way), ``truncated``,
            ``empty``, ``missing``, ``error``, ``repeated`` (another item of the run has the very
            same answer), or ``SCORER: STATUS`` (``eqbench: unparsed``).
        base, candidate: percent of the shared items.
        difference, ci_low, ci_high: in percent points.
        p: exact McNemar over items where clusters are single items, else the paired t test.
    """

    task: str
    kind: str
    base: float
    candidate: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float | None


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How much a figure moves when the base is run again.

    Attributes:
        task, scorer, metric: which figure.
        runs: the base and its repeats.
        sd: standard deviation of their means on the shared items.
        reach: half of the range in which the difference of two repeats lies 95 % of the time;
            ``null`` when it cannot be known.
    """

    task: str
    scorer: str
    metric: str
    runs: int
    sd: float
    reach: float | None


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How two runs overlap on a task, and how long their answers are.

    Attributes:
        items: that were asked, by the manifest that says more.
        shared, clusters: items in both, and what they were cut from.
        only_base, only_candidate: items in one.
        changed: items of one id with another content, left out.
        base_words, candidate_words: mean words of an answer.
    """

    task: str
    shared: int
    clusters: int
    only_base: int
    only_candidate: int
    changed: int
    base_words: float
    candidate_words: float
    items: int = 0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs compared.

    Attributes:
        base, candidate: paths of the folders.
        base_model, candidate_model: URIs, and the adapter on them.
        tasks: overlap by task.
        differences: every figure that is a plain mean of item values, the headline ones first.
        slices, rates, noise: see their records.
        forced: what would have refused the comparison, had it not been forced.
        notices: what should stand above every figure: what a folder lacks, what was cut or
            failed; see ``counts.notices``.
        remarks: what a reader should know.
        resamples, seed: of the intervals.
        audits: what each run folder says of its scorers' agreement with people.
    """

    schema: Literal[1] = 1
    base: str
    candidate: str
    base_model: str
    candidate_model: str
    tasks: list[TaskFacts]
    differences: list[Difference]
    slices: list[Slice]
    rates: list[Rate]
    noise: list[Noise]
    forced: list[str]
    remarks: list[str]
    resamples: int
    seed: int
    audits: list[Marked] = []
    notices: list[str] = []

    def to_pandas(self) -> Any:
        """A table with a row for each figure; see ``frames.comparison_frame``."""
        from empeval.frames import comparison_frame

        return comparison_frame(self)
