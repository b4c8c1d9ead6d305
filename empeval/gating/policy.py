"""``gate.toml``: what a release must hold, written down before anybody looks."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from empeval.comparing.resampling import FEWEST_RESAMPLES, MOST_RESAMPLES
from empeval.comparing.unscored import MAX_UNSCORED
from empeval.errors import UsageError
from empeval.files import open_regular


class Headline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A metric that must not get worse.

    Attributes:
        metric: ``metric``, ``scorer.metric`` or ``task.scorer.metric``.
        margin: the smallest difference that matters, in the metric's unit, above 0.
        must: ``hold``: not be worse by the margin or more (non-inferiority); ``improve``: be
            better.
    """

    metric: str
    margin: float
    must: Literal["hold", "improve"] = "hold"


class SliceLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No part of the items may fall too far, whatever the whole does.

    Attributes:
        by: the property of the items that makes the parts: ``emotion``, ``turn``, whatever their
            ``target`` and ``metadata`` hold (``origin.form`` for what lies deeper).
        margin: the largest fall of a headline metric in a part, above 0.
        least: parts with fewer items are not looked at, and named.
    """

    by: str
    margin: float
    least: int = 10


class FailureLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often answers may fail.

    Attributes:
        kind: ``unparsed``: without a score by one of the scorers, in whatever way (refused, cut,
            unreadable, missing, failed); ``truncated``, ``empty``, ``missing``, ``error``,
            ``repeated``, or ``SCORER: STATUS`` such as ``politeness: unparsed``.
        most: percent of the candidate's answers; 100 alone would let anything pass.
        rise: percent points more than the base's; ``null``: not looked at.
    """

    kind: str
    most: float = 100.0
    rise: float | None = None


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A metric that must not be paid for with another.

    Attributes:
        metric: the metric that must not fall
        margin: by so much or more,
        rises: while this one rises.
    """

    metric: str
    margin: float
    rises: str


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gate's policy.

    Attributes:
        headline: metrics that decide.
        slices: limits for parts of the items.
        failures: limits for failing answers.
        guardrails: pairs of metrics.
        max_unscored: the share of either run's items, 0 to 1, that a headline metric may lack
            the score of; with more it cannot hold, and that blocks.
        inconclusive: whether "not shown either way" blocks.
        require_audit: a headline metric by a scorer whose agreement with people is not known
            cannot be told, and that blocks. A formula of a task's own needs no audit.
        resamples, seed: of intervals and tests.
    """

    headline: list[Headline]
    slices: list[SliceLimit] = []
    failures: list[FailureLimit] = []
    guardrails: list[Guardrail] = []
    max_unscored: float = MAX_UNSCORED
    inconclusive: Literal["block", "pass"] = "block"
    require_audit: bool = False
    resamples: int = 10_000
    seed: int = 0


def read_policy(path: Path) -> Policy:
    """A policy from a TOML file.

    Raises:
        UsageError: the file cannot be read, does not fit the schema (``empeval schema policy``),
            or has a margin that makes no sense; the line is named.
    """
    try:
        with open(open_regular(path, follow=True), encoding="utf-8-sig") as file:
            text = file.read()
        policy = msgspec.convert(tomllib.loads(text), Policy)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except RecursionError as error:
        raise UsageError(f"{path} is no TOML file that can be read: nested too deeply.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}.") from error
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{path} is no policy: {error}. 'empeval schema policy' prints what it may hold."
        ) from error
    check_policy(policy, str(path))
    return policy


def check_policy(policy: Policy, where: str) -> None:
    """Refuse limits that make no sense.

    Raises:
        UsageError: no headline, one named twice, a margin that is not above 0, a share outside
            0-100, a guardrail of a metric against itself.
    """
    if not policy.headline:
        raise UsageError(f"{where}: a policy needs one [[headline]] or more.")
    names = [one.metric for one in policy.headline]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageError(f"{where}: the headline '{doubled[0]}' is named twice.")
    margins = [
        *((f"headline {h.metric}", h.margin) for h in policy.headline),
        *((f"slices by {s.by}", s.margin) for s in policy.slices),
        *((f"guardrail {g.metric}", g.margin) for g in policy.guardrails),
    ]
    for name, margin in margins:
        if not 0 < margin < float("inf"):
            raise UsageError(
                f"{where}, {name}: the margin is {margin:g}; it must be above 0. A margin is how "
                "far a metric may fall, written without a sign."
            )
    for guard in policy.guardrails:
        if guard.metric == guard.rises:
            raise UsageError(f"{where}: {against_itself(guard)}")
    for limit in policy.failures:
        if not 0 <= limit.most <= 100 or not 0 <= (limit.rise or 0) <= 100:
            raise UsageError(f"{where}, failures {limit.kind}: limits are percents from 0 to 100.")
        if limit.most == 100 and limit.rise in (None, 100):
            raise UsageError(
                f"{where}, failures {limit.kind}: nothing could fail; give it 'most' below 100, or "
                "a 'rise'."
            )
    if not 0 <= policy.max_unscored <= 1:
        raise UsageError(
            f"{where}: max_unscored is {policy.max_unscored:g}; it is a share from 0 to 1 (0.05 "
            "for 5 %)."
        )
    if not FEWEST_RESAMPLES <= policy.resamples <= MOST_RESAMPLES:
        raise UsageError(
            f"{where}: resamples is {policy.resamples}; it must be from {FEWEST_RESAMPLES} to "
            f"{MOST_RESAMPLES:,}."
        )
    if policy.seed < 0:
        raise UsageError(f"{where}: seed is {policy.seed}; it must be 0 or more.")


def against_itself(guard: Guardrail) -> str:
    """What to say of a guardrail that has one metric on both sides."""
    return (
        f"the guardrail {guard.metric} could never fire: it watches whether a metric falls while "
        "it rises itself. Name another metric in 'rises', or make it a [[headline]]."
    )
