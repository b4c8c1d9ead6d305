"""What a comparison says, as records that JSON holds."""

from __future__ import annotations

import warnings
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from empeval.comparing.verdicts import Verdict
from empeval.marks import Marked
from empeval.records import Estimate

SCHEMA = 2
"""Version of the JSON of comparisons: 1 had a difference and its interval as flat fields."""


class Moved(msgspec.Struct, frozen=True):
    """A record whose flat fields of schema 1 are still read by their names, with a notice."""

    MOVED: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:  # a misspelt field stays a mistake

        def __getattr__(self, name: str) -> Any:
            path = self.MOVED.get(name)
            if path is None:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            warnings.warn(
                f"{type(self).__name__}.{name} is .{path} since schema {SCHEMA}; the old name goes "
                "with the next version.",
                DeprecationWarning,
                stacklevel=2,
            )
            return reduce(lambda at, step: getattr(at, step, None), path.split("."), self)


_CHANGE = {
    "difference": "change.value",
    "ci_low": "change.interval.low",
    "ci_high": "change.interval.high",
}
_COUNTS = {"n": "change.n", "n_clusters": "change.clusters"}


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of two runs in a metric.

    Attributes:
        mean: over the shared items with a value in both runs, or, where there is none, over those
            with one in this run; ``null`` where that has none either.
        failed: shared items without a value in it.
        items: all of the run's items, by its manifest.
        unscored: those of them without a score of their own, whatever a convention counts them
            as.
        uncompared: those with a score that the other run does not have, or has with other content.
    """

    mean: float | None = None
    failed: int = 0
    items: int = 0
    unscored: int = 0
    uncompared: int = 0


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """Both runs in a metric."""

    base: Side
    candidate: Side


class PValues(msgspec.Struct, frozen=True, kw_only=True):
    """Two-sided p values of a difference; ``null`` where a test does not apply.

    Attributes:
        bootstrap: of the resamples that the interval is of; ``null`` with fewer than 10 clusters
            or where nothing varies.
        sign_flips: of clusters; the one that decides where there is no bootstrap.
        t: the paired t test over clusters, a cross-check.
        mcnemar: exact, for yes/no metrics whose clusters are single items.
        holm: the one that decides, adjusted over the headline metrics, or over all pairs of three
            or more runs; ``null`` for other metrics.
    """

    bootstrap: float | None = None
    sign_flips: float | None = None
    t: float | None = None
    mcnemar: float | None = None
    holm: float | None = None

    @property
    def deciding(self) -> float | None:
        """The p by which verdicts are given, before it is adjusted."""
        return self.sign_flips if self.bootstrap is None else self.bootstrap


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How large a difference is beside the items' own spread.

    Attributes:
        size: mean over standard deviation of the items' differences.
        improved: probability that an item's value rose, ties counting half.
        correlation: of the two runs' item values.
        variance_saved: share of variance that pairing takes out of the difference.
    """

    size: float | None = None
    improved: float | None = None
    correlation: float | None = None
    variance_saved: float | None = None


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """What so many items can show.

    Attributes:
        detectable: the smallest true difference that would be found with 80 % power.
        needed: clusters that it takes to find the margin with 80 % power.
    """

    detectable: float | None = None
    needed: int | None = None


class AtEqualLength(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a difference when the answers' lengths are taken out.

    Attributes:
        change: the difference at equal length.
        per_word: slope of the items' differences on words more.
    """

    change: Estimate
    per_word: float


class Difference(Moved, frozen=True, kw_only=True):
    """One metric of two runs on the same items.

    Attributes:
        task, scorer, metric, unit, higher_is_better: which metric, as in ``metrics.json``.
        headline: whether it is one.
        span: how far the ends of its scale are apart, in its unit; ``null``: the scale is open.
        margin: the smallest difference that matters, fixed beforehand; ``null``: none was.
        verdict: of a headline metric, in one word; see ``verdicts.decide``. ``null`` for others:
            among many metrics some fall by chance, and nothing is decided by them.
        not_worse_by_margin: of a headline metric, whether non-inferiority is shown; ``null``
            without a margin.
        too_unscored: whether more items than allowed have no score on either side: the metric then
            does not hold, whatever the scored items say; see ``unscored.with_unscored_rule``.
        change: candidate less base, over shared items with a value in both; its interval is a
            ``bootstrap-t`` over clusters, or ``t`` where that is unstable or nothing varies.
        worst_case: the difference when shared items without a value count as the worst value: the
            end of the value's range, or the worst one of both runs where that is open; ``null``
            where none is without.
        sides: the two runs. p_values: by test. effect: how large it is. power: what could be seen.
        at_equal_length: ``null`` where lengths do not differ.
    """

    MOVED: ClassVar[dict[str, str]] = {
        **_CHANGE,
        **_COUNTS,
        "method": "change.interval.method",
        "base": "sides.base.mean",
        "candidate": "sides.candidate.mean",
        **{
            f"{side}_{name}": f"sides.{side}.{name}"
            for side in ("base", "candidate")
            for name in ("failed", "items", "unscored")
        },
        "p": "p_values.deciding",
        "p_t": "p_values.t",
        "p_mcnemar": "p_values.mcnemar",
        "p_holm": "p_values.holm",
        "effect_size": "effect.size",
        "improved": "effect.improved",
        "correlation": "effect.correlation",
        "variance_saved": "effect.variance_saved",
        "detectable": "power.detectable",
        "needed": "power.needed",
        "per_word": "at_equal_length.per_word",
        "length_adjusted": "at_equal_length.change.value",
        "adjusted_low": "at_equal_length.change.interval.low",
        "adjusted_high": "at_equal_length.change.interval.high",
    }

    task: str
    scorer: str
    metric: str
    unit: str
    higher_is_better: bool | None
    headline: bool = False
    span: float | None = None
    margin: float | None = None
    verdict: Verdict | None = None
    not_worse_by_margin: bool | None = None
    too_unscored: bool = False
    change: Estimate
    worst_case: float | None = None
    sides: Sides
    p_values: PValues = PValues()
    effect: Effect = Effect()
    power: Power = Power()
    at_equal_length: AtEqualLength | None = None


class Slice(Moved, frozen=True, kw_only=True):
    """A headline metric on the items that share a property.

    Attributes:
        task, scorer, metric: which metric.
        name, value: the property (``emotion``, ``sad``; ``origin.form``, ``plain``); ``(none)`` is
            the part of the items that lack one which a policy names.
        change: candidate less base, with its t interval over clusters; of a part that is too small
            there are the counts alone.
        p, p_adjusted: of the paired t test, raw and by Benjamini-Hochberg over all slices.
        items: the base's items that have the property, with or without a value of the metric.
        clusters: of them.
        too_small: whether there are too few clusters with a value for an interval.
    """

    MOVED: ClassVar[dict[str, str]] = {**_CHANGE, **_COUNTS}

    task: str
    scorer: str
    metric: str
    name: str
    value: str
    change: Estimate
    p: float | None = None
    p_adjusted: float | None = None
    items: int = 0
    clusters: int = 0
    too_small: bool = False


class Rate(Moved, frozen=True, kw_only=True):
    """How often answers of a task are of a kind.

    Attributes:
        task, kind: ``unparsed`` (no score by one of the scorers, in whatever way), ``truncated``,
            ``empty``, ``missing``, ``error``, ``repeated`` (another item of the run has the very
            same answer), or ``SCORER: STATUS`` (``politeness: unparsed``).
        base, candidate: percent of the shared items.
        change: in percent points.
        p: exact McNemar over items where clusters are single items, else the paired t test.
    """

    MOVED: ClassVar[dict[str, str]] = _CHANGE

    task: str
    kind: str
    base: float
    candidate: float
    change: Estimate
    p: float | None


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How much a metric moves when the base is run again.

    Attributes:
        task, scorer, metric: which metric.
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
        schema: version of this record.
        base, candidate: paths of the folders.
        base_model, candidate_model: URIs, and the adapter on them.
        tasks: overlap by task.
        differences: every metric that is a plain mean of item values, the headline ones first.
        slices, rates, noise: see their records.
        forced: what would have refused the comparison, had it not been forced.
        notices: what should stand above every metric: what a folder lacks, what was cut or
            failed; see ``counts.notices``.
        remarks: what a reader should know.
        resamples, seed: of the intervals.
        audits: what each run folder says of its scorers' agreement with people.
    """

    schema: Literal[2] = 2
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
        """A table with a row for each metric; see ``frames.comparison_frame``."""
        from empeval.frames import comparison_frame

        return comparison_frame(self)
