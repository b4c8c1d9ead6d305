"""Applies a policy to a comparison: checks one by one, and what follows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from empeval.amounts import amount, interval
from empeval.comparing.adjusting import ALPHA
from empeval.comparing.joined import opened
from empeval.comparing.metrics import names_of
from empeval.comparing.rates import FAILURES, STATUSES, UNPARSED
from empeval.comparing.records import Comparison, Difference, Rate
from empeval.comparing.two import compare
from empeval.comparing.unscored import over_limit
from empeval.comparing.verdicts import check_margin
from empeval.comparing.words import sentence
from empeval.errors import UnknownNameError, UsageError
from empeval.gating.audited import audit_gaps
from empeval.gating.checks import WORST_FIRST as WORST_FIRST
from empeval.gating.checks import Check as Check
from empeval.gating.checks import Outcome as Outcome
from empeval.gating.checks import find as find
from empeval.gating.lost import Lost
from empeval.gating.parts import part_checks
from empeval.gating.policy import (
    FailureLimit,
    Guardrail,
    Headline,
    Policy,
    against_itself,
)
from empeval.runs import Run, is_copy

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "regression": 3, "inconclusive": 4}
"""1 is a runtime failure and 2 invalid input, as everywhere in empeval."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says.

    Attributes:
        outcome: of the whole: a regression anywhere is one; an inconclusive check makes it
            inconclusive when the policy says that this blocks, or the check does (see ``Check``).
        exit_code: 0 pass, 3 regression, 4 inconclusive.
        checks: one by one.
        comparison: behind them.
    """

    schema: Literal[2] = 2
    outcome: Outcome
    exit_code: int
    checks: list[Check]
    comparison: Comparison


def gate(
    candidate: Run, base: Run, policy: Policy, *, force: bool = False, partial: bool = False
) -> Verdict:
    """Whether the candidate may replace the base.

    Args:
        candidate: the run in question.
        base: the run to hold against.
        policy: what must hold.
        force: gate runs that differ in version, data or scorer.
        partial: take unfinished runs as they are.

    Raises:
        UsageError: runs that cannot be compared or are one run, a metric or property that they do
            not have, or two headlines that are one metric.
        RunFolderError: a folder that cannot be read.
    """
    if is_copy(candidate, base):
        raise UsageError(
            f"{candidate.path} and {base.path} are one run: a run held against itself always "
            "passes. Name another baseline."
        )
    names = [one.metric for one in policy.headline]
    margins = {one.metric: one.margin for one in policy.headline}
    files = opened(base, partial), opened(candidate, partial)
    comparison = compare(
        *files,
        margins=margins,
        metrics=names,
        force=force,
        partial=partial,
        max_unscored=policy.max_unscored,
        slice_by=[limit.by for limit in policy.slices],
        resamples=policy.resamples,
        seed=policy.seed,
    )
    _check_twice(comparison, names)
    _check_margins(comparison, policy)
    lost = Lost(*files, comparison)
    headlines = [
        _whole(_headline(comparison, one, lost.added(one.metric)), lost, one.metric)
        for one in policy.headline
    ]
    if policy.require_audit:
        gaps = [audit_gaps(candidate, comparison, find(comparison, n, "headline")) for n in names]
        headlines = [
            _demoted(check, "The policy requires an audit:", found)
            for check, found in zip(headlines, gaps, strict=True)
        ]
    checks = [
        *headlines,
        *(
            check
            for limit in policy.slices
            for check in part_checks(files, comparison, limit, policy.max_unscored)
        ),
        *_failures(comparison, policy, lost),
        *(_guardrail(comparison, one, lost) for one in policy.guardrails),
    ]
    outcomes = {check.outcome for check in checks}
    outcome: Outcome = "pass"
    if "regression" in outcomes:
        outcome = "regression"
    elif any(
        check.outcome == "inconclusive" and (check.blocks or policy.inconclusive == "block")
        for check in checks
    ):
        outcome = "inconclusive"
    return Verdict(
        outcome=outcome, exit_code=EXIT_CODES[outcome], checks=checks, comparison=comparison
    )


def _headline(comparison: Comparison, wanted: Headline, added: Sequence[str]) -> Check:
    """A name that stands for metrics of several tasks asks all of them; the worst one counts."""
    every = find(comparison, wanted.metric, "headline")
    parts = [_judged(d, wanted) for d in every]
    new = [f"The base has no {'; '.join(added)}: nothing is said of that."] if added else []
    return Check(
        kind="headline",
        name=wanted.metric,
        outcome=min((outcome for outcome, _ in parts), key=WORST_FIRST.index),
        said=" ".join([*(text for _, text in parts), *new]),
        blocks=any(d.too_unscored or d.higher_is_better is None for d in every),
    )


def _check_twice(comparison: Comparison, names: Sequence[str]) -> None:
    """Refuse two names of one metric: it has one margin.

    Raises:
        UsageError: with the names.
    """
    for d in comparison.differences:
        own = [name for name in names if name in names_of(d)]
        if len(own) > 1:
            raise UsageError(
                f"The headlines {' and '.join(own)} are one metric ({d.task}.{d.scorer}."
                f"{d.metric}); leave one."
            )


def _without(check: Check, lost: Sequence[str]) -> Check:
    """A check as it is when the candidate lacks what it is about."""
    return _demoted(check, "The candidate lacks", lost)


def _whole(check: Check, lost: Lost, *names: str) -> Check:
    """A check as it is when metrics that it is about are lacking or cannot be compared."""
    every = dict.fromkeys(names)
    check = _without(check, [one for name in every for one in lost.metrics(name)])
    untold = [one for name in every for one in lost.untold(name)]
    return _demoted(check, "It cannot be told of", untold)


def _demoted(check: Check, what: str, which: Sequence[str]) -> Check:
    """A check that passed and may not rest on that cannot be told; what is worse stays."""
    if not which:
        return check
    made: Check = msgspec.structs.replace(
        check,
        outcome="inconclusive" if check.outcome == "pass" else check.outcome,
        said=f"{check.said} {what} {'; '.join(which)}.",
        blocks=True,
    )
    return made


def _judged(d: Difference, wanted: Headline) -> tuple[Outcome, str]:
    said = sentence(d)
    if d.higher_is_better is None:
        return "inconclusive", f"{said} A gate needs a metric with a direction."
    if wanted.must == "improve":
        if d.verdict == "better":
            return "pass", said
        return ("regression" if d.verdict == "worse" else "inconclusive"), said
    if d.not_worse_by_margin:
        return "pass", said
    return ("regression" if d.verdict == "worse" else "inconclusive"), said


def _check_margins(comparison: Comparison, policy: Policy) -> None:
    """Refuse margins of parts and guardrails that nothing could exceed; headlines' were checked.

    Raises:
        UsageError: with the width of the scale.
    """
    for limit in policy.slices:
        for d in comparison.differences:
            if d.headline:
                check_margin(f"parts by {limit.by} ({d.metric})", limit.margin, d.span)
    for guard in policy.guardrails:
        for d in find(comparison, guard.metric, "guardrail"):
            check_margin(f"the guardrail {guard.metric}", guard.margin, d.span)


def _failures(comparison: Comparison, policy: Policy, lost: Lost) -> Iterator[Check]:
    """A check for each kind and task; what is not there has no rate, so it cannot be told."""
    uncounted = [
        f"{t.items - t.shared} of {t.items} answers to {t.task}"
        for t in comparison.tasks
        if over_limit(t.items - t.shared, t.items, policy.max_unscored)
    ]
    for limit in policy.failures:
        sides = [(comparison.rates, True), (lost.alone(), False)]
        found = [(r, both) for rates, both in sides for r in rates if r.kind == limit.kind]
        checks = [_limited(rate, limit, both) for rate, both in found]
        lacking = [*lost.answers(limit.kind), *uncounted]
        if not found:
            _check_kind(limit.kind, comparison, lost)
            said = "no answer of either run."
            checks = [Check(kind="failures", name=limit.kind, outcome="pass", said=said)]
        yield from (_without(check, lacking) for check in checks)


def _limited(rate: Rate, limit: FailureLimit, both: bool) -> Check:
    high = rate.candidate > limit.most
    risen = limit.rise is not None and (rate.change.value or 0.0) > limit.rise
    before = f"base {rate.base:.1f} %" if both else "the base has none"
    said = f"{rate.candidate:.1f} % of the answers to {rate.task} ({before})"
    limits = f"at most {limit.most:g} %" + (
        "" if limit.rise is None else f", and {limit.rise:g} points more than the base"
    )
    return Check(
        kind="failures",
        name=limit.kind,
        outcome="regression" if high or risen else "pass",
        said=f"{said}; allowed: {limits}.",
    )


def _check_kind(kind: str, comparison: Comparison, lost: Lost) -> None:
    own = lost.base.run.manifest.scorers.values()
    scorers = {d.scorer for d in comparison.differences} | {s for labels in own for s in labels}
    known = {
        *STATUSES,
        "repeated",
        UNPARSED,
        *(f"{s}: {status}" for s in scorers for status in FAILURES),
    }
    if kind not in known:
        said = f"failures: unknown kind '{kind}'."
        raise UnknownNameError(said, kind="kind of failure", name=kind, known=known)


def _guardrail(comparison: Comparison, wanted: Guardrail, lost: Lost) -> Check:
    """Names that stand for metrics of several tasks ask all of them; the worst one counts.

    A metric is watched while those of its own task rise, or, where there is none, while any does.
    """
    kept = find(comparison, wanted.metric, "guardrail")
    rising = find(comparison, wanted.rises, "guardrail")
    pairs = [
        (one, other)
        for one in kept
        for other in [d for d in rising if d.task == one.task] or rising
    ]
    if any(one is other for one, other in pairs):
        raise UsageError(f"{wanted.metric} and {wanted.rises}: {against_itself(wanted)}")
    parts = [_guarded(*pair, wanted) for pair in pairs]
    check = Check(
        kind="guardrail",
        name=f"{wanted.metric} while {wanted.rises} rises",
        outcome=min((outcome for outcome, _ in parts), key=WORST_FIRST.index),
        said=" ".join(text for _, text in parts),
        blocks=any(d.too_unscored for pair in pairs for d in pair),
    )
    return _whole(check, lost, wanted.metric, wanted.rises)


def _guarded(kept: Difference, rising: Difference, wanted: Guardrail) -> tuple[Outcome, str]:
    for d in (kept, rising):
        if d.too_unscored:
            return "inconclusive", sentence(d)
    where = f"{kept.task}: "
    change, rise = kept.change.value, rising.change.value
    if change is None or rise is None:
        return "inconclusive", f"{where}no item has both runs' values of both metrics."
    up = -rise if rising.higher_is_better is False else rise
    down = change if kept.higher_is_better is False else -change
    if up <= 0:
        return "pass", f"{where}{wanted.rises} does not rise."
    known = f"95 % interval {interval(kept.change.interval)}"
    said = f"{where}{wanted.metric} changes by {amount(change)} ({known})"
    if down < wanted.margin:
        return "pass", f"{said}."
    shown = kept.p_values.deciding is not None and kept.p_values.deciding < ALPHA
    return "regression" if shown else "inconclusive", (
        f"{said}, {wanted.margin:g} or more the wrong way, while {wanted.rises} rises by "
        f"{amount(rise)}."
    )
