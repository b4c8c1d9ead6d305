"""What must not matter: the batch, the order, the device, the number format, who people are."""

from __future__ import annotations

import random
import typing
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from empeval import registry
from empeval.asked import AskedScorer
from empeval.auditing import changes
from empeval.auditing.asking import Book, Text, scores_now
from empeval.auditing.bases import Yardstick, mean_estimate, not_made
from empeval.auditing.machine import Elsewhere
from empeval.certificates import Trial
from empeval.errors import EmpevalError

BATCH = 32
ROUNDING = 0.001
"""The most that a score may move with its batch, order or device, as a share of the range."""

NARROW = 0.01
"""The same of a narrower number format."""

PEOPLE = 0.0125
"""The most that a name or a gender word may move a score on average: 0.05 of 1-5."""

KIND = "invariance"


def batches(texts: Sequence[Text], size: int) -> list[Sequence[Text]]:
    """Texts cut into batches."""
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def way_of_asking(
    asked: AskedScorer, name: str, texts: Sequence[Text], stick: Yardstick
) -> tuple[list[Trial], np.ndarray]:
    """Alone against in batches, and in another order; and the scores in batches."""
    together = scores_now(asked, batches(texts, BATCH), name)
    alone = scores_now(asked, batches(texts, 1), name)
    order = list(range(len(texts)))
    random.Random(22).shuffle(order)  # noqa: S311 - not for secrets
    shuffled = np.full(len(texts), np.nan)
    shuffled[order] = scores_now(asked, batches([texts[k] for k in order], BATCH), name)
    return [
        compared(f"alone or in {BATCH}s", together, alone, stick, ROUNDING),
        compared("order of the replies", together, shuffled, stick, ROUNDING),
    ], together


def compared(
    name: str, before: np.ndarray, after: np.ndarray, stick: Yardstick, share: float
) -> Trial:
    """The largest absolute difference; a reply that has a score one way alone is a failure."""
    size, words = stick.allowed(share)
    rule = f"no score moves by more than {words}"
    apart = np.abs(after - before)
    lost = int((np.isfinite(before) != np.isfinite(after)).sum())
    finite = apart[np.isfinite(apart)]
    if not len(finite):
        return not_made(name, KIND, rule, "no reply got a score both ways")
    mean = mean_estimate(apart, lost)
    assert mean is not None  # noqa: S101 - something is finite
    most = float(finite.max())
    return Trial(
        name=name,
        kind=KIND,
        change=_only(most, len(finite), lost),
        unit=stick.unit,
        rule=rule,
        passed=most <= size + 1e-12 and lost == 0,
        n=len(finite),
        sds=round(most / stick.sd, 6) if stick.sd > 0 else None,
        note=f"the largest difference; mean {mean.value:.2g}"
        + (f"; {lost} got a score one way alone" if lost else ""),
    )


def device_trial(
    texts: Sequence[Text], here: np.ndarray, elsewhere: Elsewhere | None, name: str,
    stick: Yardstick,
) -> Trial:  # fmt: skip
    """The same on the CPU, where a GPU scored."""
    rule = f"no score moves by more than {stick.allowed(ROUNDING)[1]}"
    if elsewhere is None:
        return not_made("device", KIND, rule, "no GPU here: one device only")
    if elsewhere.values is None:
        return not_made("device", KIND, rule, f"on the CPU it failed: {elsewhere.problem}")
    other = np.array([elsewhere.values.get(text.key, {}).get(name, np.nan) for text in texts])
    return compared("device", here, other, stick, ROUNDING)


def dtype_trial(
    asked: AskedScorer, texts: Sequence[Text], here: np.ndarray, name: str, stick: Yardstick
) -> Trial:
    """Each number format that the scorer offers as its option ``dtype``."""
    rule = f"no score moves by more than {stick.allowed(NARROW)[1]}"
    offered = _choices(registry.options(type(asked.scorer)).get("dtype"))
    if not offered:
        return not_made("number format", KIND, rule, "not offered by the scorer")
    worst: Trial | None = None
    for choice in offered:
        try:
            scorer = registry.build(
                type(asked.scorer),
                {"dtype": choice},
                label=f"scorer '{asked.label}'",
                target=asked.entry.target,
            )
            other = _asked_again(asked, scorer, texts, name)
        except EmpevalError as error:
            return not_made("number format", KIND, rule, f"{choice} failed: {error}")
        trial = compared(f"number format {choice}", here, other, stick, NARROW)
        if worst is None or (trial.change and worst.change
                             and trial.change.value > worst.change.value):  # fmt: skip
            worst = trial
    assert worst is not None  # noqa: S101 - something is offered
    return worst


def people_texts() -> list[Text]:
    """Every text of the pairs that differ in who people are."""
    return [text for kind in ("gender", "names") for pair in changes.people_pairs(kind)
            for text in pair]  # fmt: skip


def people_trials(book: Book, name: str, stick: Yardstick) -> list[Trial]:
    """Contexts and replies that differ in names, or in gender words, alone; on asked texts."""
    trials = []
    size, words = stick.allowed(PEOPLE)
    for kind, label in (("gender", "gender words"), ("names", "names of people")):
        rule = f"the mean absolute difference is no more than {words} (by the mean itself)"
        pairs = changes.people_pairs(kind)
        first = book.values([one for one, _ in pairs], name)
        second = book.values([other for _, other in pairs], name)
        apart = second - first
        # pairs of one template are no independent ones
        templates = np.arange(len(pairs)) // (len(pairs) // changes.template_count())
        found = mean_estimate(np.abs(apart), int(np.isnan(apart).sum()), templates)
        if found is None:
            trials.append(not_made(label, KIND, rule, "no pair got two scores"))
            continue
        trials.append(
            Trial(
                name=label,
                kind=KIND,
                change=found,
                unit=stick.unit,
                rule=rule,
                passed=found.value <= size + 1e-12,
                n=found.n,
                sds=round(found.value / stick.sd, 4) if stick.sd > 0 else None,
                note=f"mean of absolute differences; largest {np.nanmax(np.abs(apart)):.3g}, "
                f"signed mean {np.nanmean(apart):+.3g}",
            )
        )
    return trials


def _only(value: float, n: int, failed: int) -> Any:
    from empeval.certificates import KnownEstimate

    return KnownEstimate(value=round(value, 9), n=n, clusters=n, n_failed=failed)


def _asked_again(asked: AskedScorer, scorer: Any, texts: Sequence[Text], name: str) -> np.ndarray:
    before = asked.scorer
    asked.scorer = scorer
    try:
        return scores_now(asked, batches(texts, BATCH), name)
    finally:
        asked.scorer = before


def _choices(hint: Any) -> list[str]:
    found = []
    for part in (hint, *typing.get_args(hint)):
        if typing.get_origin(part) is Literal:
            found += [choice for choice in typing.get_args(part) if isinstance(choice, str)]
    return [choice for choice in dict.fromkeys(found) if choice != "auto"]
