"""The scorer ``pairwise``: a language model says which of two replies is better."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from empeval import (
    Response,
    Run,
    Sample,
    Score,
    ScorerCard,
    UsageError,
    ValueCard,
    item_hash,
    response_of,
)
from empeval.toolkit import remarks, unusable
from empeval_judge.asking import COST, TOKENS, ModelJudge, failed, problems, taken_by, unread_status
from empeval_judge.prompts import compared, pair_prompt
from empeval_judge.reading import Judged, read_choices
from empeval_judge.rubrics import DEFAULT, Rubric, read_rubric

HUMAN = "human"
SAME = ValueCard(
    name="same_both_ways",
    unit="percent",
    summary="Whether both orders have the same winner, by the rubric's first scale.",
)
FIRST = ValueCard(
    name="first_shown",
    unit="share",
    summary="How often the reply that is shown first wins, a tie as a half: 0.5 is no bias.",
    low=0,
    high=1,
)
Heard = tuple[Judged, Response]


def card_of(rubric: Rubric, needs: Sequence[str]) -> ScorerCard:
    """The card of a judge of pairs that is asked by a rubric."""
    values = [
        ValueCard(
            name=f"{scale.name}_wins",
            unit="share",
            summary=f"How often it wins, a tie as a half. {' '.join(scale.question.split())}",
            low=0,
            high=1,
            higher_is_better=True,
        )
        for scale in compared(rubric)
    ]
    return ScorerCard(
        version="1",
        summary="Which of two replies is better, asked in both orders. By a language model: "
        "pairwise:MODEL?against=human, or against=RUN_FOLDER; see docs/judges.md.",
        values=(*values, SAME, FIRST, TOKENS, COST),
        needs=tuple(needs),
        citation=rubric.citation,
    )


class Pairwise(ModelJudge):
    """Asks a model which of two replies to the same item is better, with each of them first once.

    The other reply is the human one, or that of another run. Both orders must be read; the score
    of a scale is the mean over them of 1 for a win, a half for a tie and 0 for a loss.

    Args:
        target: ``MODEL_URI?against=human&...``, see ``settings.Settings``.

    Raises:
        UsageError: no model, nothing to compare with, or a rubric in which nothing is better.
        DataError: the rubric's file holds none.
        RunFolderError: the other run cannot be read.
    """

    card = card_of(read_rubric(DEFAULT), ("reply",))

    def __init__(self, target: str | None = None) -> None:
        super().__init__(target)
        against = self.settings.against
        if not against:
            raise UsageError(
                "'pairwise' needs what to compare with: against=human, or the folder of a run that "
                "answered the same items (pairwise:MODEL?against=empeval-runs/NAME)."
            )
        if self.settings.expected:
            raise UsageError(
                "The judge's option 'expected' goes with 'judge', not with 'pairwise'."
            )
        if not compared(self.rubric):
            raise UsageError(
                f"In the rubric '{self.rubric.name}' nothing is better than anything: none of its "
                "scales has 'higher_is_better'."
            )
        self._other = None if against == HUMAN else Run(Path(against).expanduser())
        human = self._other is None
        self.card = card_of(self.rubric, (self.rubric.of, *(("reference",) if human else ())))
        base = HUMAN if self._other is None else re.split(r"[/\\]", against.rstrip("/\\"))[-1]
        self.short = f"{self.short}-vs-{base[:16]}"

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Have each reply compared with the other one.

        Raises:
            UsageError: the judge cannot be asked at all (a wrong key, an unknown model).
            EmpevalError: it went away.
        """
        failures = [unusable(sample) for sample in samples]
        others = [
            self._opponent(sample) if failure is None else None
            for sample, failure in zip(samples, failures, strict=True)
        ]
        asked = [
            (pair_prompt(self.rubric, sample, other), pair_prompt(self.rubric, other, sample))
            if isinstance(other, Sample)
            else None
            for sample, other in zip(samples, others, strict=True)
        ]
        prompts = [messages for pair in asked if pair is not None for messages in pair]
        heard = [self._ask(prompts, number) for number in range(self.settings.repeats)]
        scores = []
        for sample, failure, other, pair in zip(samples, failures, others, asked, strict=True):
            if failure is not None:
                scores.append(failure)
            elif pair is None:
                scores.append(Score(sample.id, "unparsed", note=str(other)))
            else:
                both = [[answers[messages] for answers in heard] for messages in pair]
                scores.append(self._score(sample, both[0], both[1]))
        return scores

    def deciding(self) -> list[object]:
        """The prompt of pairs, and the other run's answers."""
        if self._other is None:
            return ["pairs 1", HUMAN]
        tasks = sorted(self._other.manifest.tasks)
        return ["pairs 1", [[task, self._other.answers_fingerprint(task)] for task in tasks]]

    def _opponent(self, sample: Sample) -> Sample | str:
        """The other reply to the same item, or why there is none."""
        if self._other is None:
            reply = sample.item.reference or ""
            other = Sample(sample.item, Response(sample.id, reply))
            return other if reply.strip() else "there is no human reply to compare with"
        name = self._other.path.name
        if sample.item.task not in self._other.manifest.tasks:
            return f"{name} has no answers to {sample.item.task}"
        line = self._other.responses(sample.item.task).by_id.get(sample.id)
        if line is None or line.item_hash != item_hash(sample.item):
            return f"{name} has no answer to this item"
        other = Sample(line.item, response_of(line))
        return f"{name} has no reply to this item" if unusable(other) else other

    def _score(
        self, sample: Sample, ahead: Sequence[Response], behind: Sequence[Response]
    ) -> Score:
        names = [scale.name for scale in compared(self.rubric)]
        orders = [[(failed(r, read_choices(names, r.response)), r) for r in o]
                  for o in (ahead, behind)]  # fmt: skip
        values = taken_by([*ahead, *behind])
        bad = [one for order in orders for one in order if not one[0].scores]
        if any(2 * len([one for one in o if one[0].scores]) <= len(o) for o in orders):
            return Score(sample.id, unread_status(bad), values, note=problems(bad))
        first, second = (_means(order, names) for order in orders)
        for name in names:
            values[f"{name}_wins"] = round((2 + first[name] - second[name]) / 4, 6)
        values[SAME.name] = float(_sign(first[names[0]]) == -_sign(second[names[0]]))
        leaning = statistics.fmean(order[name] for order in (first, second) for name in names)
        values[FIRST.name] = round((1 + leaning) / 2, 6)
        reasons = [next((j.reason for j, _ in o if j.reason), "") for o in orders]
        notes = [*remarks(sample)]
        notes += [
            f"judge, with it {position}: {reason}"
            for position, reason in zip(("first", "second"), reasons, strict=True)
            if reason
        ]
        return Score(sample.id, values=values, note="; ".join(notes) or None)


def _means(heard: Sequence[Heard], names: Sequence[str]) -> dict[str, float]:
    """By each name how far A is preferred, from -1 to 1, over the judgements that were read."""
    return {name: statistics.fmean(j.scores[name] for j, _ in heard if j.scores) for name in names}


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
