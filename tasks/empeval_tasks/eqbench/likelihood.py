"""EQ-Bench without writing: the form is filled by how likely the model finds each intensity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from empeval import (
    Blank,
    Metric,
    Sample,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    TaskCard,
    ValueCard,
    mean_metric,
)
from empeval_tasks.eqbench.scoring import item_score
from empeval_tasks.eqbench.values import target_of

Mode = Literal["generate", "likelihood"]

PROVIDES = "eqbench-likelihood"
INTENSITIES = range(11)
NUMBERS = tuple(f" {number}" for number in INTENSITIES)

EXPECTED = ValueCard(
    name="expected",
    unit="points",
    summary="Item score of the intensities that the model expects: the means of its shares.",
    low=-20,
    high=10,
    higher_is_better=True,
)
LIKELIEST = ValueCard(
    name="likeliest",
    unit="points",
    summary="Item score of the intensities that the model finds likeliest.",
    low=-20,
    high=10,
    higher_is_better=True,
)


def blanks(emotions: Iterable[str]) -> tuple[Blank, ...]:
    """The lines of the form, each asked as the first: a number from 0 to 10 behind an emotion."""
    return tuple(Blank(name, f"{name}:", NUMBERS) for name in emotions)


def with_likelihood(card: TaskCard) -> TaskCard:
    """The card of a task whose items have these blanks.

    Their scorer is the first, so that runs are compared by ``eqbench_expected``: the likeliest
    number, which the others score, may change by rounding alone.
    """
    made: TaskCard = msgspec.structs.replace(
        card, provides=(*card.provides, PROVIDES), scorers=(PROVIDES, *card.scorers)
    )
    return made


class LikelihoodScorer(Scorer):
    """Compares the intensities that a model expects, and those it finds likeliest, with a person's.

    There is nothing to parse and nothing is left out, so base models can be scored, too.
    """

    card = ScorerCard(
        version="1",
        summary="EQ-Bench v2's score of a model's probabilities of the intensities 0-10.",
        values=(EXPECTED, LIKELIEST),
        needs=(PROVIDES,),
        license="Apache-2.0",
    )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Score items one by one; one without probabilities has status ``error``.

        Raises:
            UsageError: an item has no ``target["eqbench"]``.
        """
        return [_score(sample) for sample in samples]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Both scores, out of 100."""
        return [
            mean_metric(value, scored, metric=f"eqbench_{value.name}", scale=10, note=value.summary)
            for value in self.card.values
        ]


def _score(sample: Sample) -> Score:
    reference, _, _ = target_of(sample.item)
    given = sample.response.likelihoods
    if any(len(given.get(name, ())) != len(NUMBERS) for name in reference):
        return Score(sample.id, "error", note="the answer has no probabilities of 0 to 10")
    expected = {
        name: sum(number * share for number, share in zip(INTENSITIES, given[name], strict=True))
        for name in reference
    }
    likeliest = {name: float(max(INTENSITIES, key=given[name].__getitem__)) for name in reference}
    values = {
        EXPECTED.name: item_score(expected, reference),
        LIKELIEST.name: item_score(likeliest, reference),
    }
    return Score(sample.id, "ok", values)
