"""The scorer ``judge``: a language model rates replies by a rubric."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from empeval import (
    Generator,
    Item,
    Message,
    Metric,
    Response,
    Sample,
    Sampling,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    UsageError,
    ValueCard,
    ask,
    mean_metric,
    open_model,
)
from empeval.replies import remarks, unusable
from empeval_judge import prompts
from empeval_judge.reading import Judged, read
from empeval_judge.rubrics import DEFAULT, Rubric, Scale, read_rubric
from empeval_judge.settings import Settings, read_settings

TOKENS = ValueCard(
    name="judge_tokens",
    unit="tokens",
    summary="What the judgements of a reply took: prompts and answers, as the judge counts them.",
    low=0,
)
COST = ValueCard(
    name="judge_cost",
    unit="USD",
    summary="The same in US dollars, where the price is known.",
    low=0,
)


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


class Judge(Scorer):
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
        self.target = target
        self.settings: Settings = read_settings(target)
        self.rubric = read_rubric(self.settings.rubric)
        self.card = card_of(self.rubric, self.settings.repeats)
        self.short = _short(self.settings, self.rubric)
        self._generator: Generator | None = None
        self._identity: str | None = None

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
        heard = [
            self._ask([messages for messages in asked if messages], number)
            for number in range(self.settings.repeats)
        ]
        return [
            failure or self._score(sample, [answers[messages] for answers in heard])
            for sample, failure, messages in zip(samples, failures, asked, strict=True)
        ]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Means of the scales, of the variances between repeats, and of what it took."""
        taken = Counter[str]()
        unread = Counter[str]()
        for one in scored:
            unread[one.score.status] += 1
            for value in (TOKENS, COST):
                if value.name in one.score.values:
                    taken[value.name] += one.score.values[value.name]  # type: ignore[assignment]
        lost = ", ".join(f"{n} {status}" for status, n in sorted(unread.items()) if status != "ok")
        figures = []
        for value in self.card.values:
            note = f"no score: {lost}" if lost else None
            if value in (TOKENS, COST):
                if value.name not in taken:
                    continue
                dollars = value is COST
                total = f"{taken[value.name]:.4f}" if dollars else f"{taken[value.name]:,.0f}"
                note = f"in all: {total} {value.unit}"
            any_status = value in (TOKENS, COST)
            figures.append(mean_metric(value, scored, any_status=any_status, note=note))
        return figures

    def fingerprint(self) -> str:
        """The judge's model, the rubric's hash, and a hash of everything else that decides."""
        if self._identity is None:
            who, rubric = self._who, self.rubric
            facts = [who, prompts.VERSION, rubric.hash, self.settings.examples]
            sampling = msgspec.to_builtins(self._sampling(0))
            asked = _hash([facts, self.settings.repeats, sampling])[:12]
            self._identity = f"{who[0]} rubric:{rubric.name}@{rubric.hash} asked:{asked}"
        return self._identity

    @property
    def _judge(self) -> Generator:
        if self._generator is None:
            generator = open_model(self.settings.model, self.settings.model_args)
            if not generator.reads_prompts:
                raise UsageError(
                    f"'{self.settings.model}' does not read what it is asked; a judge must."
                )
            self._generator = generator
        return self._generator

    @property
    def _who(self) -> tuple[str, dict[str, object], dict[str, str]]:
        """What decides the answers of the judge's model: as a run tells its own model."""
        judge = self._judge
        arguments = self.settings.model_args
        deciding = {k: v for k, v in arguments.items() if k not in judge.operational}
        return judge.card.fingerprint, dict(judge.card.details), deciding

    def _prompt(self, sample: Sample) -> tuple[Message, ...]:
        return prompts.prompt(self.rubric, sample, examples=self.settings.examples)

    def _sampling(self, number: int) -> Sampling:
        settings = self.settings
        return Sampling(
            max_tokens=settings.max_tokens,
            temperature=settings.warmth,
            seed=settings.seed + number,
        )

    def _ask(
        self, prompts: Sequence[tuple[Message, ...]], number: int
    ) -> Mapping[tuple[Message, ...], Response]:
        """What the judge says to each prompt, asked the ``number``-th time."""
        if not prompts:
            return {}
        sampling = self._sampling(number)
        asked = [self._who, msgspec.to_builtins(sampling)]
        keys = {messages: _hash([asked, msgspec.to_builtins(messages)]) for messages in prompts}
        items = [Item(key, messages, cluster=key) for messages, key in keys.items()]
        answers = ask(self._judge, items, sampling, self.judgements)
        return {messages: answers[key] for messages, key in keys.items()}

    def _score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        judged = [_judged(self.rubric, response) for response in responses]
        good = [one for one in judged if one.scores]
        values = _taken(responses)
        if 2 * len(good) <= len(judged):
            bad = [(one, r) for one, r in zip(judged, responses, strict=True) if not one.scores]
            return Score(sample.id, _status(bad), values, note=_problems(bad))
        for scale in self.rubric.scales:
            numbers = [one.scores[scale.name] for one in good]
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


def _short(settings: Settings, rubric: Rubric) -> str:
    """The model's name and the rubric's; with other options given, a mark that tells them apart."""
    name = re.split(r"[:/]", settings.model.rstrip("/"))[-1]
    plain = Settings(model=settings.model, rubric=settings.rubric)
    mark = "" if settings == plain else f"-{_hash(msgspec.to_builtins(settings))[:4]}"
    return f"{name[-24:]}-{rubric.name[:10]}{mark}"


def _judged(rubric: Rubric, response: Response) -> Judged:
    if response.status in ("error", "missing"):
        return Judged(problem=f"the judge failed: {response.note or response.status}")
    declined = response.stop in ("content_filter", "refusal")
    judged = read(rubric, response.response)
    if judged.scores or judged.refused:
        return judged
    if declined:
        return Judged(problem=response.note or "the judge's server filters", refused=True)
    if response.status == "truncated":
        return Judged(problem=f"{judged.problem}; the judge was cut at its token limit")
    return judged


def _status(bad: Sequence[tuple[Judged, Response]]) -> str:
    """What most of the unread judgements are; a refusal before a form that was not kept."""
    kinds = Counter(
        "error" if response.status in ("error", "missing")
        else "refused" if judged.refused else "unparsed"
        for judged, response in bad
    )  # fmt: skip
    return max(("refused", "unparsed", "error"), key=lambda kind: kinds[kind])


def _problems(bad: Sequence[tuple[Judged, Response]]) -> str:
    problems = dict.fromkeys(judged.problem for judged, _ in bad)
    heard = next((r.response for j, r in bad if r.response.strip()), "")
    said = f'; it said: "{" ".join(heard.split())[:120]}"' if heard else ""
    return "; ".join(problems) + said


def _taken(responses: Sequence[Response]) -> dict[str, float]:
    """Tokens and cost, each only where every judgement states it."""
    tokens = [(r.prompt_tokens, r.completion_tokens) for r in responses]
    taken: dict[str, float] = {}
    if all(p is not None and c is not None for p, c in tokens):
        taken[TOKENS.name] = float(sum((p or 0) + (c or 0) for p, c in tokens))
    costs = [r.cost for r in responses if r.cost is not None]
    if costs and len(costs) == len(responses):
        taken[COST.name] = sum(costs)
    return taken


def _hash(facts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()[:32]
