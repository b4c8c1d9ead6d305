"""Reads how likely continuations are from a model's logits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from empeval.generators.hf.answers import free_memory, out_of_memory
from empeval.generators.hf.batches import LEAST_SHARED, common_prefix
from empeval.generators.hf.prefill import Reader
from empeval.generators.hf.prompts import Prompter
from empeval.generators.hf.rows import first_of_texts, unfit, with_longer
from empeval.records import Continuations, LogLikelihood

MAX_ROWS = 256
"""Rows of a batch: each has logits of the whole vocabulary for what it is asked."""
ROUNDING = 1e-3
"""How far above 0 a log-probability may come out; half precision is not exact."""


class Wanted(msgspec.Struct, frozen=True):
    """A request as tokens.

    Attributes:
        request: as it was made.
        start: tokens before the first in which its texts differ from what precedes them.
        rows: tokens of the whole conversation up to the end of each text.
    """

    request: Continuations
    start: int
    rows: tuple[tuple[int, ...], ...]


def as_tokens(request: Continuations, prompter: Prompter) -> Wanted:
    """The tokens of a request.

    Raises:
        UsageError: the chat template refuses the conversation.
    """
    text = prompter.opening(request.messages, request.lead)
    before = prompter.tokens(text)
    rows = [prompter.tokens(text + each) for each in request.texts]
    return Wanted(request, first_of_texts(before, rows), tuple(tuple(row) for row in rows))


def likelihoods(
    wanted: Sequence[Wanted], reader: Reader, *, window: int | None, budget: int
) -> Iterator[LogLikelihood]:
    """Yield the likelihoods of requests, batch by batch.

    Of requests that go on from the same conversation, it counts once.

    Args:
        wanted: in the order in which neighbours are read together.
        reader: of the model.
        window: the most tokens of a row, ``None`` where the model has no limit.
        budget: tokens of a batch.
    """
    batch: list[Wanted] = []
    size = rows = 0
    before: tuple[int, ...] = ()
    for one in wanted:
        if (why := _unfit(one, window)) is not None:
            yield LogLikelihood(one.request.id, (), why, one.start)
            continue
        row, own = one.rows[0], len({each[:-1] for each in one.rows})
        new = one.start if one.start - common_prefix(before, row) > LEAST_SHARED else 0
        tails = sum(len(each) - one.start for each in one.rows)
        if batch and (size + new + tails > budget or rows + own > MAX_ROWS):
            yield from _batch(batch, reader)
            batch, size, rows, new = [], 0, 0, one.start
        batch.append(one)
        size, rows = size + new + tails, rows + own
        before = row
    if batch:
        yield from _batch(batch, reader)


def _unfit(one: Wanted, window: int | None) -> str | None:
    if (why := unfit(one.start, one.rows)) is not None:
        return why
    longest = max(map(len, one.rows))
    if window is not None and longest > window:
        return f"prompt and continuation have {longest} tokens, the model's window {window}"
    return None


def _batch(batch: Sequence[Wanted], reader: Reader) -> Iterator[LogLikelihood]:
    try:
        yield from list(_read(batch, reader))
        return
    except Exception as error:  # only running out of memory is dealt with here
        if not out_of_memory(error):
            raise
    free_memory()
    if len(batch) == 1:
        yield LogLikelihood(batch[0].request.id, (), "out of memory with a batch of one")
        return
    half = len(batch) // 2
    yield from _batch(batch[:half], reader)
    yield from _batch(batch[half:], reader)


def _read(batch: Sequence[Wanted], reader: Reader) -> Iterator[LogLikelihood]:
    """Values of a batch: a text's last token needs no position of its own in what is read."""
    inputs: dict[tuple[int, ...], int] = {}  # tokens that are read -> first position that is wanted
    for one in batch:
        for row in one.rows:
            read = row[:-1]
            inputs[read] = min(inputs.get(read, len(read)), one.start)
    covers = _covers(list(inputs))
    starts: dict[tuple[int, ...], int] = {}
    for read, cover in covers.items():
        starts[cover] = min(starts.get(cover, len(cover)), inputs[read])
    reads = list(starts)
    counts = [len(tokens) - starts[tokens] + 1 for tokens in reads]
    logs = {reads[index]: logits.log_softmax(-1) for index, logits in reader.logits(reads, counts)}
    for one in batch:
        values = tuple(_value(row, one.start, covers, starts, logs) for row in one.rows)
        if all(math.isfinite(value) for value in values):
            values = with_longer(values, one.request.texts, one.rows)
            yield LogLikelihood(one.request.id, values, None, one.start)
        else:
            note = "the model's logits were not numbers (NaN)"
            yield LogLikelihood(one.request.id, (), note, one.start)


def _value(
    row: tuple[int, ...],
    start: int,
    covers: Mapping[tuple[int, ...], tuple[int, ...]],
    starts: Mapping[tuple[int, ...], int],
    logs: Mapping[tuple[int, ...], Any],
) -> float:
    """Log-probability of a row's tokens from ``start``."""
    cover = covers[row[:-1]]
    first = start - starts[cover]
    steps = logs[cover][first : first + len(row) - start]
    value = sum(step[token].item() for step, token in zip(steps, row[start:], strict=True))
    return 0.0 if 0 < value < ROUNDING else float(value)


def _covers(rows: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The longest row that begins with each."""
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    longest: tuple[int, ...] = ()
    for row in sorted(rows, reverse=True):  # what begins with a row stands right before it
        if longest[: len(row)] != row:
            longest = row
        found[row] = longest
    return found
