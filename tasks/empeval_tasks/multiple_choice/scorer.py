"""The scorer ``choices``: whether the right options were chosen."""

from __future__ import annotations

from collections.abc import Sequence

from empeval import Metric, Sample, Score, Scored, Scorer, ScorerCard, ValueCard
from empeval_tasks.multiple_choice.metrics import all_metrics
from empeval_tasks.multiple_choice.parsing import read_choices
from empeval_tasks.multiple_choice.questions import PROVIDES, choices_of

CORRECT = ValueCard(
    name="correct",
    unit="percent",
    summary="Whether every question of the item was answered right.",
    low=0,
    high=1,
    higher_is_better=True,
)


class ChoicesScorer(Scorer):
    """Compares chosen letters with the right ones.

    An item with several questions is right when all of them are. An answer from which a choice
    cannot be told is ``unparsed``; ``accuracy`` counts it as wrong.
    """

    card = ScorerCard(
        version="1",
        summary="Accuracy of chosen options, with chance and the longest option beside it.",
        values=(CORRECT,),
        needs=(PROVIDES,),
        labels=("chosen", "right"),
        license="Apache-2.0",
    )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Score answers one by one.

        Raises:
            UsageError: an item has no ``target["choices"]``.
        """
        return [_score(sample) for sample in samples]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Accuracy by two conventions, what could not be read, and the reference points."""
        return all_metrics(CORRECT, scored)


def _score(sample: Sample) -> Score:
    choices = choices_of(sample.item)
    chosen = read_choices(sample.text, choices)
    right = [choice.right for choice in choices]
    labels = {"chosen": " ".join(letter or "?" for letter in chosen), "right": " ".join(right)}
    if None not in chosen:
        return Score(sample.id, "ok", {CORRECT.name: float(chosen == right)}, labels)
    missing = [c.name for c, letter in zip(choices, chosen, strict=True) if letter is None]
    note = f"no choice of {' and '.join(missing)} can be read"
    cut = sample.response.status == "truncated"
    return Score(sample.id, "truncated" if cut else "unparsed", {}, labels, note)
