"""The scorer ``judge``: a language model rates replies by a rubric."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from empeval import Blank, Message, Response, Sample, Score, ScorerCard, UsageError, ValueCard
from empeval.toolkit import remarks, unusable
from empeval_judge import prompts
from empeval_judge.asking import COST, TOKENS, ModelJudge, failed, problems, taken_by, unread_status
from empeval_judge.reading import read
from empeval_judge.rubrics import DEFAULT, Rubric, Scale, read_rubric


def card_of(rubric: Rubric, repeats: int = 1) -> ScorerCard:
    """The card of a judge that is asked by a rubric."""
    values = [_mean(rubric, name) for name in rubric.means]
    values += [_value(scale) for scale in rubric.scales]
    if repeats > 1:
        values += [_variance(scale) for scale in rubric.scales]
    return ScorerCard(
        version="1",
        summary=f"{rubric.summary.strip()} By a language model: judge:MODEL, see docs/judges.md.",
        values=(*values, TOKENS, COST),
        needs=(rubric.of,),
        citation=rubric.citation,
    )


def _value(scale: Scale) -> ValueCard:
    return ValueCard(
        name=scale.name,
        unit=_unit(scale),
        summary=" ".join(scale.question.split()),
        low=scale.low,
        high=scale.high,
        higher_is_better=scale.higher_is_better,
    )


def _mean(rubric: Rubric, name: str) -> ValueCard:
    of = rubric.means[name]
    one = next(scale for scale in rubric.scales if scale.name == of[0])
    return ValueCard(
        name=name,
        unit=_unit(one),
        summary=f"The mean of {', '.join(of)}.",
        low=one.low,
        high=one.high,
        higher_is_better=one.higher_is_better,
    )


def _variance(scale: Scale) -> ValueCard:
    return ValueCard(
        name=f"{scale.name}_variance",
        unit=f"({_unit(scale)})²",
        summary=f"Sample variance of {scale.name} over the judgements of one reply.",
        low=0,
    )


def _unit(scale: Scale) -> str:
    return f"score {scale.low}-{scale.high}"


def blanks_of(rubric: Rubric) -> tuple[Blank, ...]:
    """A blank for each scale: a line of the form, and its numbers."""
    return tuple(
        Blank(
            scale.name, f"{scale.name}:", tuple(f" {n}" for n in range(scale.low, scale.high + 1))
        )
        for scale in rubric.scales
    )


def expected_value(scale: Scale, response: Response) -> float:
    """The mean of a scale's numbers, each as likely as the judge finds it among them."""
    shares = (response.likelihoods or {})[scale.name]
    return sum(n * share for n, share in zip(range(scale.low, scale.high + 1), shares, strict=True))


class Judge(ModelJudge):
    """Asks a model to rate each reply, and reads the numbers that it plainly gives.

    A judgement that cannot be read is no number: the reply's score has status ``unparsed``, or
    ``refused`` where the judge declines, or ``error`` where it could not be asked. Of several
    judgements more than half must have been read; the score is their mean.

    Args:
        target: ``MODEL_URI?option=value&...``, see ``settings.Settings``.

    Raises:
        UsageError: no model, an unknown rubric, or options that make no sense.
        DataError: the rubric's file holds none.
    """

    card = card_of(read_rubric(DEFAULT))

    def __init__(self, target: str | None = None) -> None:
        super().__init__(target)
        if self.settings.against:
            raise UsageError("The judge's option 'against' goes with 'pairwise', not with 'judge'.")
        self.card = card_of(self.rubric, self.settings.repeats)

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Have each reply judged; equal replies to equal contexts are judged once.

        Raises:
            UsageError: the judge cannot be asked at all (a wrong key, an unknown model).
            EmpevalError: it went away.
        """
        failures = [unusable(sample) for sample in samples]
        asked = [
            self._prompt(sample) if failure is None else ()
            for sample, failure in zip(samples, failures, strict=True)
        ]
        blanks = blanks_of(self.rubric) if self.settings.expected else ()
        heard = [
            self._ask([messages for messages in asked if messages], number, blanks)
            for number in range(self.settings.repeats)
        ]
        return [
            failure or self._score(sample, [answers[messages] for answers in heard])
            for sample, failure, messages in zip(samples, failures, asked, strict=True)
        ]

    def deciding(self) -> list[object]:
        """Whether probabilities are read."""
        return ["expected values 1"] if self.settings.expected else []

    def _prompt(self, sample: Sample) -> tuple[Message, ...]:
        return prompts.prompt(self.rubric, sample, examples=self.settings.examples)

    def _score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        judged = [failed(r, read(self.rubric, r.response)) for r in responses]
        good = [one for one in judged if one.scores]
        values = taken_by(responses)
        if 2 * len(good) <= len(judged):
            bad = [(one, r) for one, r in zip(judged, responses, strict=True) if not one.scores]
            return Score(sample.id, unread_status(bad), values, note=problems(bad))
        for scale in self.rubric.scales:
            numbers: list[float] = [one.scores[scale.name] for one in good]
            if self.settings.expected:
                numbers = [expected_value(scale, response) for response in responses]
            values[scale.name] = round(statistics.fmean(numbers), 6)
            if len(numbers) > 1:
                values[f"{scale.name}_variance"] = round(statistics.variance(numbers), 6)
        for name, of in self.rubric.means.items():
            values[name] = round(statistics.fmean(values[one] for one in of), 6)
        notes = [*remarks(sample)]
        if len(good) < len(judged):
            notes.append(f"{len(good)} of {len(judged)} judgements could be read")
        if good[0].reason:
            notes.append(f"judge: {good[0].reason}")
        return Score(sample.id, values=values, note="; ".join(notes) or None)
