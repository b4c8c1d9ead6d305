"""Whether a part of the items falls too far, whatever the whole does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from empeval.amounts import amount, interval
from empeval.comparing.adjusting import ALPHA
from empeval.comparing.joined import Answer, RunFiles
from empeval.comparing.parts import FEWEST, MOST_VALUES, properties, shown
from empeval.comparing.records import Comparison, Slice
from empeval.comparing.unscored import over_limit
from empeval.errors import UnknownNameError, counted, some
from empeval.gating.checks import Check, Outcome
from empeval.gating.policy import SliceLimit


def part_checks(
    files: tuple[RunFiles, RunFiles], comparison: Comparison, limit: SliceLimit, share: float
) -> Iterator[Check]:
    """A check for each part that fell, and one for the others.

    A part regresses when its fall is significant after Benjamini-Hochberg and the margin is
    exceeded; a fall beyond the margin that is not significant is inconclusive, as is a part of
    which too many items have no score. Parts that are too small are named: that depends on the
    base's items, not on how many of them the candidate has a score of.

    Args:
        files: of base and candidate.
        comparison: of them.
        limit: what the policy says.
        share: of a part's items, 0 to 1, that may lack a score.

    Raises:
        UsageError: no item has the property.
    """
    own = [s for s in comparison.slices if s.name == limit.by]
    if not own:
        others = {s.name for s in comparison.slices}
        said = f"slices: {_why_none(files, limit.by)}"
        raise UnknownNameError(said, kind="property", name=limit.by, known=others)
    small = [s for s in own if s.items < limit.least or s.clusters < FEWEST]
    large = [s for s in own if s not in small]
    lacking = [s for s in large if s.too_small or _lacks(s, share)]
    parts = [(s, d) for s in large if s not in lacking and (d := s.change.value) is not None]
    turned = {
        (d.task, d.scorer, d.metric): -1 if d.higher_is_better is False else 1
        for d in comparison.differences
    }
    fallen: list[tuple[Slice, Outcome, str]] = []
    for part, difference in parts:
        if turned[(part.task, part.scorer, part.metric)] * difference <= -limit.margin:
            significant = part.p_adjusted is not None and part.p_adjusted < ALPHA
            known = (
                f"95 % interval {interval(part.change.interval)}, {counted(part.change.n, 'item')}"
            )
            said = f"{amount(difference)} ({known}); the limit is {amount(limit.margin)}."
            chance = "" if significant else " It may be chance."
            outcome: Outcome = "regression" if significant else "inconclusive"
            fallen.append((part, outcome, said + chance))
    for part in lacking:
        said = f"{part.change.n_failed} of its {part.items} items have no score in one of the runs."
        fallen.append((part, "inconclusive", said))
    for part, outcome, said in fallen:
        yield Check(
            kind="slice",
            name=f"{part.metric}, {part.name} = {part.value}",
            outcome=outcome,
            said=said,
            blocks=part in lacking,
        )
    left = "".join(f" {note}" for note in (*_too_small(small, limit), *_notes(files, own, limit.by,
                   comparison)))  # fmt: skip
    if not parts and not lacking:
        said = f"no part can be judged.{left}"
        yield Check(kind="slice", name=f"by {limit.by}", outcome="inconclusive", said=said)
    elif parts and (not fallen or left):
        worst, change = min(
            parts, key=lambda p: turned[(p[0].task, p[0].scorer, p[0].metric)] * p[1]
        )
        yield Check(
            kind="slice",
            name=f"by {limit.by}",
            outcome="pass",
            said=f"the worst of {counted(len(parts), 'part')} is {worst.value}: {amount(change)} "
            f"({worst.metric}); the limit is {amount(limit.margin)}.{left}",
        )


def _lacks(part: Slice, share: float) -> bool:
    """Whether more of its items have no score than may; a single one is always allowed."""
    lost = part.change.n_failed
    return lost > 1 and over_limit(lost, part.items, share)


def _too_small(small: Sequence[Slice], limit: SliceLimit) -> Iterator[str]:
    if small:
        least = f"{limit.least} items or {FEWEST} clusters"
        names = some([f"{s.value} ({s.items})" for s in small], most=MOST_VALUES)
        yield f"Too small to be looked at, with fewer than {least}: {names}."


def _notes(
    files: tuple[RunFiles, RunFiles], own: Sequence[Slice], by: str, comparison: Comparison
) -> Iterator[str]:
    """Tasks whose items do not have the property, and items of which the runs say it otherwise."""
    tasks = dict.fromkeys(d.task for d in comparison.differences if d.headline)
    without = [task for task in tasks if all(s.task != task for s in own)]
    if without:
        yield f"No item of {', '.join(without)} has it: of that no part is looked at."
    for task in tasks:
        ours, theirs = (one.answers(task) for one in files)
        both = [name for name in ours if name in theirs]
        sides = [_texts(lines.of(both), by) for lines in (ours, theirs)]
        if other := sum(one != two for one, two in zip(*sides, strict=True)):
            yield (
                f"The candidate says it otherwise of {counted(other, 'item')} of {task}: the "
                "base's counts."
            )


def _texts(answers: Sequence[Answer], by: str) -> list[str | None]:
    items = (answer.item for answer in answers)
    column = properties(items, len(answers), (by,)).get(by) or [None] * len(answers)
    return [None if value is None else shown(value) for value in column]


def _why_none(files: tuple[RunFiles, RunFiles], by: str) -> str:
    """Why no part can be made by a property."""
    found = [
        value
        for one in files
        for task in one.run.manifest.tasks
        for line in one.answers(task).values()
        if (value := _raw({**line.item.metadata, **line.item.target}, by)) is not None
    ]
    deeper = dict.fromkeys(f"{by}.{key}" for v in found if isinstance(v, Mapping) for key in v)
    if deeper:
        return f"'{by}' holds more than one value; name one of them: {some(list(deeper))}."
    if any(isinstance(value, list) for value in found):
        return f"'{by}' is a list, which makes no parts."
    if found:
        return f"the base's items have no property '{by}', and the candidate's do."
    return f"the items have no property '{by}'."


def _raw(values: Mapping[str, Any], name: str) -> Any:
    """What a property is, whatever its kind; ``None`` where there is none."""
    if name in values:
        return values[name]
    for key, value in values.items():
        if isinstance(value, Mapping) and name.startswith(f"{key}."):
            return _raw(value, name.removeprefix(f"{key}."))
    return None
