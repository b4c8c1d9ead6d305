"""The records that flow through empeval: frozen, JSON in and out, no logic.

They are also the lines of a run folder's files; ``empeval schema`` prints their JSON Schema.
Floats are finite everywhere: JSON has no NaN, and a metric that could not be had is a status or
``null``, never a number that somebody made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant"]

ResponseStatus = Literal["ok", "empty", "truncated", "missing", "error"]
"""How an answer came about.

``ok``: finished by itself (end of text or a stop string). ``truncated``: cut at the token limit.
``empty``: finished, but nothing is left to score. ``missing``: a replay file has no answer for
this item. ``error``: the generator failed on this item; ``note`` says why.
"""

ScoreStatus = Literal["ok", "unparsed", "refused", "truncated", "error"]
"""How a score came about. The default mean uses the values of ``ok`` scores alone; a scorer
with several conventions may keep values of the others for its own metrics."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    content: str


class Blank(msgspec.Struct, frozen=True):
    """A gap in the form of an answer that is filled by likelihood instead of being written.

    Attributes:
        name: unique within the item.
        lead: what the answer begins with, up to the gap.
        options: two or more texts that may stand there, with the space before them if there is
            one: ``(" A", " B")``.
    """

    name: str
    lead: str
    options: tuple[str, ...]


class Turn(msgspec.Struct, frozen=True):
    """What a user says next in a dialogue whose replies are the model's own.

    Attributes:
        content: what the user says, whatever the model replied before.
        reference: what a person replied here, if the data set knows.
        target, metadata: as in ``Item``; laid over the item's.
        scored: whether the reply is an answer that is scored, or only a step towards a later one.
    """

    content: str
    reference: str | None = None
    target: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    scored: bool = True


class Item(msgspec.Struct, frozen=True):
    """One question of a task, or a dialogue of several.

    Attributes:
        id: unique within the task, stable between versions of the data.
        messages: the conversation so far; the model writes the next assistant turn.
        cluster: what the item was cut from (a dialogue); statistics resample clusters.
        reference: what a person replied here, if the data set knows.
        target: what scorers compare with (an emotion's name, reference intensities).
        metadata: whatever helps a reader (situation, turn), never shown to the model.
        task: the task's name; the runner fills it in.
        blanks: where there are some, the model writes no answer: the likelihoods of each blank's
            options are read, and the answer is the form with the likeliest.
        script: the user's turns after ``messages``, with the model's own replies between them;
            empty: one reply to ``messages``. The runner asks a scripted item turn by turn, as
            items ``ID#1``, ``ID#2`` ... (see ``empeval.scripts``).
        turn: of such an item, which turn of its script it is, from 1; else 0. Its last
            ``2 * turn - 1`` messages are the user's turns and the model's own replies between them.
    """

    id: str
    messages: tuple[Message, ...]
    cluster: str
    reference: str | None = None
    target: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    task: str = ""
    blanks: tuple[Blank, ...] = ()
    script: tuple[Turn, ...] = ()
    turn: int = 0


class Response(msgspec.Struct, frozen=True):
    """What a generator answered to one item.

    Attributes:
        id: the item's id.
        response: the answer as it is scored: text without reasoning blocks.
        status: see ``ResponseStatus``.
        reasoning: what the model thought aloud, kept for the reader, never scored.
        prompt_tokens, completion_tokens: counts by the model's own tokenizer, if there is one.
        cached_tokens: those of ``prompt_tokens`` that a server had in its cache.
        cost: of the answer in US dollars, where a price is known; 0 or more.
        model: what a server calls the model that answered.
        seconds: wall time from the start of the item's batch to its last token.
        stop: what ended it: ``eos``, ``length``, the stop string itself, or what a server calls it.
        note: for a person: why it failed, what was unusual.
        likelihoods: of an item with blanks: name -> the probability of each option, in their
            order, of sum 1 (as if nothing else could stand there).
    """

    id: str
    response: str
    status: ResponseStatus = "ok"
    reasoning: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    stop: str | None = None
    note: str | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    model: str | None = None
    likelihoods: dict[str, tuple[float, ...]] = {}


class Continuations(msgspec.Struct, frozen=True):
    """What a model is asked the likelihood of: texts with which its answer might go on.

    Attributes:
        id: unique among those asked together.
        messages: the conversation so far.
        texts: at least one; none of them empty.
        lead: what the answer begins with; the texts go on behind it. ``""``: they begin it.
    """

    id: str
    messages: tuple[Message, ...]
    texts: tuple[str, ...]
    lead: str = ""


class LogLikelihood(msgspec.Struct, frozen=True):
    """How likely each of some continuations is.

    Attributes:
        id: of the ``Continuations``.
        values: natural logarithms of the probability of each text, in their order, 0 or less; of
            the text's own tokens, whatever comes behind them. Empty where there are none.
            Where another text goes on from it ("10" from "1"), its probability is in there.
        note: for a person: why there are none; ``None`` where there are.
        prompt_tokens: of what precedes the texts, by the model's own tokenizer; of a served model,
            of all prompts that it took.
        completion_tokens: that a served model wrote, unasked.
        cached_tokens: of the prompts, those in the server's cache; ``None``: nobody says.
        cost: US dollars; ``None``: nobody knows.
        model: that a server says has answered.
        bounded: indices of texts whose value is the highest that it can be, since the server tells
            the likeliest tokens alone; no share of a text is off by more than 0.001 for that.
    """

    id: str
    values: tuple[float, ...] = ()
    note: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int = 0
    cached_tokens: int | None = None
    cost: float | None = None
    model: str | None = None
    bounded: tuple[int, ...] = ()


class Score(msgspec.Struct, frozen=True):
    """What a scorer says of one sample.

    Attributes:
        id: the item's id.
        status: ``ok`` or the way in which it failed. A failure is never a bare 0.
        values: named finite floats; the scorer's card says their units, ranges and directions.
        labels: named strings (a predicted emotion, the reason an answer could not be parsed).
        note: for a person.
    """

    id: str
    status: ScoreStatus = "ok"
    values: dict[str, float] = {}
    labels: dict[str, str] = {}
    note: str | None = None


class Sample(msgspec.Struct, frozen=True):
    """An item and the response to it: what a scorer sees."""

    item: Item
    response: Response

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item.id

    @property
    def text(self) -> str:
        """The answer to score (reasoning already taken out)."""
        return self.response.response


class Scored(msgspec.Struct, frozen=True):
    """A sample and one scorer's score of it: what metrics are computed from."""

    sample: Sample
    score: Score


class Source(msgspec.Struct, frozen=True):
    """How a metric is the mean of a value over items, so that runs can be compared item by item.

    Attributes:
        value: of the scorer's values, its name.
        scale: multiplies it (EQ-Bench's items are out of 10, its score of 100).
        failed_as: what an item without the value counts as; ``null``: it is left out.
        any_status: whether the value counts whatever the score's status, or only when it is ``ok``.
        low, high: the range of the value, before ``scale``; ``null`` is open.
    """

    value: str
    scale: float = 1.0
    failed_as: float | None = None
    any_status: bool = False
    low: float | None = None
    high: float | None = None


class Interval(msgspec.Struct, frozen=True):
    """Where a metric would lie for other items of the same kind.

    Attributes:
        low, high: its ends, in the metric's unit.
        level: how often such intervals hold the true value.
        method: how it was made: ``t`` (Student's, over clusters; that of a mean is cut at the
            ends of its scale), ``bootstrap-t``, ``wilson``,
            ``cluster bootstrap`` (percentiles).
    """

    low: float
    high: float
    level: float = 0.95
    method: str = "cluster bootstrap"


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number that was estimated from items, and how sure it is.

    Attributes:
        value: in the metric's unit; ``null`` where no item has one.
        standard_error: over clusters, in the same unit; ``null`` with fewer than two of them.
        interval: ``null`` where too few clusters allow none.
        n: what it rests on: items, replies, or pairs of them.
        clusters: independent groups that these come from.
        n_failed: those that have no value and are left out.
    """

    value: float | None = None
    standard_error: float | None = None
    interval: Interval | None = None
    n: int = 0
    clusters: int = 0
    n_failed: int = 0


class Metric(msgspec.Struct, frozen=True):
    """One metric of a run.

    Attributes:
        task, scorer, metric: its name in three parts.
        value: in ``unit``; ``null`` when no sample could be used.
        ci_low, ci_high: 95 % interval, or ``null`` where none is defined.
        n: samples that entered the metric.
        n_failed: samples that could not (unparsed, refused, missing ...). Some conventions count
            those in all the same; then they are in ``n`` too, and ``note`` says so.
        unit: ``points``, ``percent``, ``cosine``, ``words`` ...
        higher_is_better: ``null`` when the metric only describes.
        n_clusters: independent groups behind the interval.
        note: one line for a person.
        source: how it comes from the items, where it is a plain mean; ``null`` otherwise.
    """

    task: str
    scorer: str
    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_failed: int
    unit: str
    higher_is_better: bool | None
    n_clusters: int | None = None
    note: str | None = None
    source: Source | None = None


class Sampling(msgspec.Struct, frozen=True):
    """How a model is asked to decode.

    Attributes:
        max_tokens: the most new tokens of an answer (reasoning included).
        temperature: 0 is greedy.
        top_p: nucleus mass in (0, 1], used only when temperature > 0.
        stop: strings that end an answer; they are cut off, each row stops by itself.
        seed: of random draws; the same seed and batch give the same text.
        reasoning_tags: what marks a thought beside the known tags, see ``empeval.reasoning``.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    reasoning_tags: tuple[str, ...] = ()


class ResponseLine(msgspec.Struct, frozen=True):
    """A line of ``responses/<task>.jsonl``: the response, and the item it answers.

    ``item_hash`` identifies the question's content, so that two runs are joined on what was
    asked and not on the position in a file.
    """

    id: str
    response: str
    status: ResponseStatus
    item_hash: str
    item: Item
    reasoning: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    stop: str | None = None
    note: str | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    model: str | None = None
    likelihoods: dict[str, tuple[float, ...]] = {}


class Usage(msgspec.Struct, frozen=True):
    """What answers took: tokens of prompts (cached ones among them) and answers, US dollars."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


class MetricsFile(msgspec.Struct, frozen=True):
    """``metrics.json``."""

    schema: Literal[1]
    metrics: list[Metric]


LARGEST_VALUE = 1e100
"""A value of a scorer that is further from 0 than this counts as none."""


class Sheet(msgspec.Struct, frozen=True):
    """A table for a spreadsheet: what ``empeval export`` writes and plugins may add.

    Attributes:
        name: of the sheet or file; unique within an export.
        columns: the headers.
        rows: as many cells each as there are columns; they are walked more than once.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str | float | int | bool | None, ...]]
