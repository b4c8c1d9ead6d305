"""The metrics of a run of questions with options."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from empeval import Metric, Scored, ValueCard, mean_metric
from empeval_tasks.metrics import reference_point, share
from empeval_tasks.multiple_choice.questions import Choice, choices_of


def all_metrics(correct: ValueCard, scored: Sequence[Scored]) -> list[Metric]:
    """Every metric, in percent: accuracy, what guessing would give, shares by part and category.

    Args:
        correct: the value that says whether an item was answered right.
        scored: all samples.
    """
    return [
        mean_metric(
            correct,
            scored,
            metric="accuracy",
            failed_as=0.0,
            note="answers not read count as wrong",
        ),
        mean_metric(
            correct, scored, metric="accuracy_read", note="of the answers that could be read"
        ),
        share("parseable", scored, lambda s: correct.name in s.score.values, good=True),
        *(_reference_points(scored) if scored else []),
        *_parts(scored),
        *_categories(correct, scored),
    ]


def _reference_points(scored: Sequence[Scored]) -> list[Metric]:
    guessed = [
        math.prod(1 / len(choice.options) for choice in choices_of(s.sample.item)) for s in scored
    ]
    return [
        reference_point(
            "chance",
            scored,
            guessed,
            scale=100,
            unit="percent",
            note="expected of guessing",
            low=0,
            high=1,
        ),
        share(
            "reference_longest",
            scored,
            lambda s: all(map(_longest_is_right, choices_of(s.sample.item))),
            good=None,
            note="choosing the longest option every time",
        ),
    ]


def _longest_is_right(choice: Choice) -> bool:
    lengths = [len(option) for option in choice.options]
    return choice.letters()[lengths.index(max(lengths))] == choice.right


def _parts(scored: Sequence[Scored]) -> list[Metric]:
    """The accuracy of each question, where an item asks several."""
    names = {tuple(c.name for c in choices_of(s.sample.item)) for s in scored}
    if len(names) != 1 or len(next(iter(names))) < 2:
        return []
    return [
        share(f"accuracy_{name}", scored, _part_is_right(index), good=True)
        for index, name in enumerate(next(iter(names)))
    ]


def _part_is_right(index: int) -> Callable[[Scored], bool]:
    def hit(scored: Scored) -> bool:
        chosen = scored.score.labels.get("chosen", "").split()
        right = choices_of(scored.sample.item)[index].right
        return len(chosen) > index and chosen[index] == right

    return hit


def _categories(correct: ValueCard, scored: Sequence[Scored]) -> list[Metric]:
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        if category := str(one.sample.item.metadata.get("category") or ""):
            groups.setdefault(category, []).append(one)
    if len(groups) < 2:
        return []
    return [
        share(
            f"accuracy_{category}",
            group,
            lambda s: s.score.status == "ok" and s.score.values.get(correct.name) == 1.0,
            good=True,
        )
        for category, group in sorted(groups.items())
    ]
