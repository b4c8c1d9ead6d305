"""What scorers that ask a model share: the model, its identity, what it took, what was unread."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from empeval import (
    Blank,
    Generator,
    Item,
    Message,
    Metric,
    Response,
    Sampling,
    Scored,
    Scorer,
    UnknownNameError,
    UsageError,
    ValueCard,
    ask,
    mean_metric,
    open_model,
)
from empeval_judge import prompts
from empeval_judge.reading import Judged
from empeval_judge.rubrics import Rubric, read_rubric
from empeval_judge.settings import NEWER, OWN, Settings, read_settings

Unread = Literal["refused", "unparsed", "error"]
"""Why judgements could not be read, what says most first."""

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


class ModelJudge(Scorer):
    """A scorer that asks a model by a rubric.

    Args:
        target: ``MODEL_URI?option=value&...``, see ``settings.Settings``.

    Raises:
        UsageError: no model, an unknown rubric, or options that make no sense.
        DataError: the rubric's file holds none.
    """

    asks = True

    def __init__(self, target: str | None = None) -> None:
        self.target = target
        self.settings: Settings = read_settings(target)
        self.rubric = read_rubric(self.settings.rubric)
        self.short = short_name(self.settings, self.rubric)
        self._generator: Generator | None = None
        self._identity: str | None = None

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
        metrics = []
        for value in self.card.values:
            note = f"no score: {lost}" if lost else None
            if value in (TOKENS, COST):
                if value.name not in taken:
                    continue
                dollars = value is COST
                total = f"{taken[value.name]:.4f}" if dollars else f"{taken[value.name]:,.0f}"
                note = f"in all: {total} {value.unit}"
            any_status = value in (TOKENS, COST)
            metrics.append(mean_metric(value, scored, any_status=any_status, note=note))
        return metrics

    def fingerprint(self) -> str:
        """The judge's model, the rubric's hash, and a hash of everything else that decides."""
        if self._identity is None:
            who, rubric = self._who, self.rubric
            facts = [who, prompts.VERSION, rubric.hash, self.settings.examples, *self.deciding()]
            sampling = msgspec.to_builtins(self._sampling(0))
            asked = hashed([facts, self.settings.repeats, sampling])[:12]
            self._identity = f"{who[0]} rubric:{rubric.name}@{rubric.hash} asked:{asked}"
        return self._identity

    @property
    def charges(self) -> bool:
        """Whether the judge's answers may cost money."""
        return self._judge.charges

    def deciding(self) -> list[object]:
        """What else decides the scores."""
        return []

    @property
    def _judge(self) -> Generator:
        if self._generator is None:
            try:
                generator = open_model(self.settings.model, self.settings.model_args)
            except UnknownNameError as error:
                if error.kind != "option":
                    raise
                raise UnknownNameError(
                    f"Unknown option '{error.name}' of a judge, or of a model like "
                    f"'{self.settings.model}'.",
                    kind="option",
                    name=error.name,
                    known=[*error.known, *OWN],
                ) from None
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

    def _sampling(self, number: int) -> Sampling:
        settings = self.settings
        return Sampling(
            max_tokens=settings.max_tokens,
            temperature=settings.warmth,
            seed=settings.seed + number,
        )

    def _ask(
        self,
        prompts: Sequence[tuple[Message, ...]],
        number: int,
        blanks: tuple[Blank, ...] = (),
    ) -> Mapping[tuple[Message, ...], Response]:
        """What the judge says to each prompt, asked the ``number``-th time.

        With ``blanks`` it writes nothing: how likely it is to fill them with what is read instead.
        """
        if not prompts:
            return {}
        sampling = self._sampling(number)
        asked = [self._who, msgspec.to_builtins(sampling)]
        asked += [msgspec.to_builtins(blanks)] if blanks else []
        keys = {messages: hashed([asked, msgspec.to_builtins(messages)]) for messages in prompts}
        items = [Item(key, m, cluster=key, blanks=blanks) for m, key in keys.items()]
        answers = ask(self._judge, items, sampling, self.judgements, self.spending)
        return {messages: answers[key] for messages, key in keys.items()}


def short_name(settings: Settings, rubric: Rubric) -> str:
    """The model's name and the rubric's; with other options given, a mark that tells them apart."""
    name = re.split(r"[:/]", settings.model.rstrip("/"))[-1]
    plain = Settings(model=settings.model, rubric=settings.rubric)
    said = msgspec.to_builtins(settings)
    for option in NEWER:
        if said[option] == getattr(plain, option):
            del said[option]  # labels stay what they were before there was such an option
    mark = "" if settings == plain else f"-{hashed(said)[:4]}"
    return f"{name[-24:]}-{rubric.name[:10]}{mark}"


def failed(response: Response, judged: Judged) -> Judged:
    """What was read of a judgement, with the reason where the judge itself failed or declined."""
    if response.status in ("error", "missing"):
        return Judged(problem=f"the judge failed: {response.note or response.status}")
    if judged.scores or judged.refused:
        return judged
    if response.stop in ("content_filter", "refusal"):
        return Judged(problem=response.note or "the judge's server filters", refused=True)
    if response.status == "truncated":
        return Judged(problem=f"{judged.problem}; the judge was cut at its token limit")
    return judged


def unread_status(bad: Sequence[tuple[Judged, Response]]) -> Unread:
    """What most of the unread judgements are; a refusal before a form that was not kept."""
    kinds: Counter[Unread] = Counter(
        "error" if response.status in ("error", "missing")
        else "refused" if judged.refused else "unparsed"
        for judged, response in bad
    )  # fmt: skip
    ranks: tuple[Unread, ...] = ("refused", "unparsed", "error")
    return max(ranks, key=lambda kind: kinds[kind])


def problems(bad: Sequence[tuple[Judged, Response]]) -> str:
    """Why judgements could not be read, and the beginning of one."""
    problems = dict.fromkeys(judged.problem for judged, _ in bad)
    heard = next((r.response for j, r in bad if r.response.strip()), "")
    said = f'; it said: "{" ".join(heard.split())[:120]}"' if heard else ""
    return "; ".join(problems) + said


def taken_by(responses: Sequence[Response]) -> dict[str, float]:
    """Tokens and cost, each only where every judgement states it."""
    tokens = [(r.prompt_tokens, r.completion_tokens) for r in responses]
    taken: dict[str, float] = {}
    if all(p is not None and c is not None for p, c in tokens):
        taken[TOKENS.name] = float(sum((p or 0) + (c or 0) for p, c in tokens))
    costs = [r.cost for r in responses if r.cost is not None]
    if costs and len(costs) == len(responses):
        taken[COST.name] = sum(costs)
    return taken


def hashed(facts: object) -> str:
    """32 hex digits over facts."""
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()[:32]
