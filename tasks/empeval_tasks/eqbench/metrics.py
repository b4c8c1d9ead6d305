"""The metrics of an EQ-Bench run: conventions, readable shares, reasons and reference points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from empeval import Metric, Scored, ValueCard, mean_metric
from empeval_tasks.eqbench.reasons import REASONS
from empeval_tasks.eqbench.scoring import best_constant, constant_scores, random_score
from empeval_tasks.eqbench.values import FIRST_PASS, LM_EVAL, REVISED, STRICT, references
from empeval_tasks.metrics import reference_point, share

SUCCESS = 100 * 5 / 6
"""Percent of answers that the official benchmark must be able to read, or the run has failed."""

_COMPARABLE = 0.95


def all_metrics(scored: Sequence[Scored]) -> list[Metric]:
    """Every metric of a run, the official score first. Scores are out of 100."""
    first = _mean(FIRST_PASS, scored, "eqbench_first_pass")
    revised = _mean(REVISED, scored, "eqbench_revised")
    critiqued = any(s.score.labels.get("form") == "revise" for s in scored)
    return [
        _official(first, revised, critiqued),
        _lm_eval(scored),
        _strict(scored),
        _parseable(scored, REVISED if _revised_wins(first, revised) else FIRST_PASS),
        *([first, revised] if critiqued else []),
        *_reference_points(scored),
        *_reasons(scored),
    ]


def _revised_wins(first: Metric, revised: Metric) -> bool:
    """EQ-Bench's choice: the revised scores, if not worse and not much less often readable."""
    if revised.value is None:
        return False
    return revised.value >= (first.value or 0.0) and revised.n >= _COMPARABLE * first.n


def _official(first: Metric, revised: Metric, critiqued: bool) -> Metric:
    chosen = revised if _revised_wins(first, revised) else first
    notes = []
    if critiqued:
        notes.append("revised scores" if chosen is revised else "first-pass scores")
    total = chosen.n + chosen.n_failed
    if total and 100 * chosen.n / total < SUCCESS:
        notes.append(
            f"failed by the official rule: {chosen.n} of {total} parsed, under {SUCCESS:.2f} %"
        )
    return msgspec.structs.replace(chosen, metric="eqbench_v2", note="; ".join(notes) or None)


def _lm_eval(scored: Sequence[Scored]) -> Metric:
    return _mean(
        LM_EVAL, scored, "eqbench_lm_eval", failed_as=0.0, note="answers not parsed count as 0"
    )


def _strict(scored: Sequence[Scored]) -> Metric:
    clamped = [count for s in scored if (count := s.score.values.get("clamped", 0.0))]
    note = "answers not read count as 0, the score of random ones"
    if clamped:
        note += f"; {sum(clamped):.0f} scores in {len(clamped)} answers were outside 0-10"
    return _mean(STRICT, scored, "eqbench_strict", failed_as=0.0, note=note)


def _parseable(scored: Sequence[Scored], value: ValueCard) -> Metric:
    return share("parseable", scored, lambda s: value.name in s.score.values, good=True)


def _reasons(scored: Sequence[Scored]) -> list[Metric]:
    counts = Counter(map(_reason, scored))
    return [
        share(
            f"unparsed_{reason}",
            scored,
            _is_unparsed_for(reason),
            good=False,
            note=f"{counts[reason]} of {len(scored)}: {meaning}",
        )
        for reason, meaning in REASONS.items()
        if counts[reason]
    ]


def _reason(scored: Scored) -> str | None:
    """The scorer's label; samples that never reached the scorer have none."""
    if scored.score.status == "ok":
        return None
    fallback = "missing" if scored.sample.response.status == "missing" else "error"
    return scored.score.labels.get("reason", fallback)


def _is_unparsed_for(reason: str) -> Callable[[Scored], bool]:
    return lambda scored: _reason(scored) == reason


def _reference_points(scored: Sequence[Scored]) -> list[Metric]:
    wanted = references(scored)
    if not wanted:
        return []
    constant = best_constant(wanted)
    return [
        reference_point(
            "reference_constant",
            scored,
            constant_scores(wanted, constant),
            scale=10,
            unit="points",
            high=10,
            note=f"answering {constant} for every emotion, the best constant on these items",
        ),
        reference_point(
            "chance",
            scored,
            [random_score(reference) for reference in wanted],
            scale=10,
            unit="points",
            high=10,
            note="expected from whole numbers 0-10 drawn evenly",
        ),
    ]


def _mean(
    value: ValueCard,
    scored: Sequence[Scored],
    name: str,
    *,
    failed_as: float | None = None,
    note: str | None = None,
) -> Metric:
    """Mean over the answers that have the value, whatever their status by the official parser."""
    return mean_metric(
        value, scored, metric=name, scale=10, failed_as=failed_as, any_status=True, note=note
    )
