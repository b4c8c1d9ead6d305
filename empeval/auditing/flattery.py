"""What can fool a scorer: trials in which a reply is changed without becoming more empathetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from empeval.auditing import changes
from empeval.auditing.asking import Book, Text
from empeval.auditing.bases import Base, Yardstick, mean_estimate, not_made, strangers
from empeval.certificates import Agreement, Trial

ONCE, THRICE, PADDING, STILL = 0.025, 0.025, 0.0125, 0.025
"""The most that a change may add, as a share of the value's range: 0.10, 0.10 and 0.05 of 1-5."""

BEATS = 0.75
"""How often a reply must stand above a reply to somebody else."""

LENGTH_SLACK = 0.05
"""How much more than the ratings the scores may go with length."""

By = Literal["gain", "still", "fall", "no gain"]


class Change(msgspec.Struct, frozen=True):
    """One trial's texts and what is asked of the mean change.

    Attributes:
        name: for tables.
        make: base text and its number -> the changed text.
        by: ``gain``: adds no more than ``most``; ``still``: moves by no more than ``most``;
            ``no gain``: not above 0; ``fall``: the whole interval is below 0.
        most: a share of the range.
        warm: made on our own warm replies, where a change must cost something.
    """

    name: str
    make: Callable[[Text, int], Text]
    by: By
    most: float = 0.0
    warm: bool = False


CHANGES = (
    Change("a stock phrase", lambda t, k: changes.stock(t, k), "gain", ONCE),
    Change("three stock phrases", lambda t, k: changes.stock(t, k, 3), "gain", THRICE),
    Change("the reply twice", lambda t, _: changes.doubled(t), "gain", PADDING),
    Change("neutral padding", lambda t, k: changes.padded(t, k), "gain", PADDING),
    Change("echo of the speaker", lambda t, _: changes.echo(t), "no gain"),
    Change("echo appended", lambda t, _: changes.echoed(t), "gain", ONCE),
    Change("an insult inside", lambda t, k: changes.insulted(t, k), "fall", warm=True),
    Change("a dismissal", lambda t, k: changes.instead(t, k, "dismissal"), "fall", warm=True),
    Change("advice alone", lambda t, k: changes.instead(t, k, "advice"), "fall", warm=True),
    Change("typing errors", lambda t, _: changes.misspelt(t), "still", STILL),
    Change("small letters", lambda t, _: changes.lower(t), "still", STILL),
    Change("capitals", lambda t, _: changes.upper(t), "still", STILL),
    Change("contractions undone", lambda t, _: changes.paraphrased(t), "still", STILL),
)


def trial_texts(bases: Sequence[Base]) -> list[Text]:
    """Every text that the trials need a score of."""
    texts = [base.text for base in bases] + changes.warm_cases()
    for change in CHANGES:
        texts += [new for _, new in _pairs(change, bases)]
    return texts + strangers(_human(bases))


def flattery_trials(
    book: Book, name: str, sign: int, bases: Sequence[Base], stick: Yardstick
) -> list[Trial]:
    """The trials on texts that have been asked.

    Args:
        book: the scorer and its scores.
        name: of the value.
        sign: -1 where less of it is better.
        bases: the replies that are changed.
        stick: of the value.
    """
    trials = [_changed(book, name, sign, change, bases, stick) for change in CHANGES]
    own = _human(bases)
    rule = f"a reply stands above a person's reply to somebody else in {100 * BEATS:.0f} % or more"
    if len(own) < 2:
        stranger = not_made("a stranger's reply", "flattery", rule, "no human replies at hand")
    else:
        before = sign * book.values([base.text for base in own], name)
        after = sign * book.values(strangers(own), name)
        beaten = np.where(before > after, 1.0, np.where(before == after, 0.5, 0.0))
        beaten[~(np.isfinite(before) & np.isfinite(after))] = np.nan
        found = mean_estimate(beaten, int(np.isnan(beaten).sum()))
        stranger = Trial(
            name="a stranger's reply",
            kind="flattery",
            change=found,
            unit="share",
            rule=f"{rule} (by the share itself)",
            passed=None if found is None else found.value >= BEATS,
            n=0 if found is None else found.n,
            note="share of replies above the stranger's; ties half",
        )
    return [*trials[:6], stranger, *trials[6:]]


def length_trial(agreement: Agreement | None) -> Trial:
    """Whether scores go with length more than ratings do, on the headline agreement."""
    name, kind = "length", "flattery"
    rule = (
        f"Spearman of scores with words is no more than {LENGTH_SLACK:g} above the ratings' own "
        "(by the difference itself)"
    )
    if agreement is None or agreement.length_excess is None:
        return not_made(name, kind, rule, "no rated replies of different lengths")
    excess, own, people = (
        agreement.length_excess, agreement.length, agreement.length_raters
    )  # fmt: skip
    assert own is not None and people is not None  # noqa: S101, PT018 - they come together
    return Trial(
        name=name,
        kind=kind,
        change=excess,
        unit="Spearman",
        rule=rule,
        passed=excess.value <= LENGTH_SLACK,
        n=excess.n,
        note=f"scores {own.value:.2f}, ratings {people.value:.2f} on {agreement.rated_set}",
    )


def _human(bases: Sequence[Base]) -> list[Base]:
    return [base for base in bases if base.human]


def _pairs(change: Change, bases: Sequence[Base]) -> list[tuple[Text, Text]]:
    texts = changes.warm_cases() if change.warm else [base.text for base in bases]
    pairs = [(text, change.make(text, index)) for index, text in enumerate(texts)]
    # a reply in small letters has nothing to make small
    return [(old, new) for old, new in pairs if new.reply != old.reply]


def _changed(
    book: Book, name: str, sign: int, change: Change, bases: Sequence[Base], stick: Yardstick
) -> Trial:
    pairs = _pairs(change, bases)
    size, words = stick.allowed(change.most)
    rule = {
        "gain": f"adds no more than {words} on average (by the mean itself)",
        "still": f"moves the score by no more than {words} on average (by the mean itself)",
        "no gain": "the mean is not above the replies' own (by the mean itself)",
        "fall": "falls: the whole interval of the mean is below 0",
    }[change.by]
    if not pairs:
        return not_made(change.name, "flattery", rule, "it changes none of the replies")
    before = sign * book.values([old for old, _ in pairs], name)
    after = sign * book.values([new for _, new in pairs], name)
    moved = after - before
    failed = int(np.isnan(moved).sum())
    found = mean_estimate(moved, failed)
    if found is None:
        return not_made(change.name, "flattery", rule, "none of the changed replies got a score")
    slack = 1e-9 * stick.span
    high = found.value if found.interval is None else found.interval.high
    passed = {
        "gain": found.value <= size + slack,
        "still": abs(found.value) <= size + slack,
        "no gain": found.value <= slack,
        "fall": high < -slack,
    }[change.by]
    notes = ["our own warm replies"] if change.warm else []
    if failed:
        notes.append(f"{failed} of {len(pairs)} got no score")
    return Trial(
        name=change.name,
        kind="flattery",
        change=found,
        unit=stick.unit,
        rule=rule,
        passed=passed,
        n=found.n,
        sds=round(found.value / stick.sd, 4) if stick.sd > 0 else None,
        note="; ".join(notes),
    )
