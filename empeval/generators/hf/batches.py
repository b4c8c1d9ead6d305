"""Which prompts are computed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_PADDING = 0.05


def cut_batches(
    prompts: Sequence[tuple[int, T]],
    *,
    budget: int,
    new_tokens: int,
    max_rows: int,
    max_padding: float = MAX_PADDING,
) -> list[list[T]]:
    """Cut prompts into batches, the longest first.

    A batch holds as many rows as fit ``rows * (longest prompt + new_tokens) <= budget``, at most
    ``max_rows``, and only while padding stays within ``max_padding`` of its prompt tokens; at
    least one row. Where a batch ends depends on the prompts after it only through the first of
    them, and taking whole batches away leaves the others as they are; a resumed run relies on
    that.

    Args:
        prompts: (length in tokens, payload) pairs; equal lengths keep their order.
        budget: tokens of prompt and answer that a batch may hold.
        new_tokens: the most tokens of an answer.
        max_rows: the most rows of a batch.
        max_padding: between 0 and 1.

    Returns:
        Batches of payloads.
    """
    ordered = sorted(prompts, key=lambda p: -p[0])
    batches: list[list[T]] = []
    longest = total = 0
    for length, payload in ordered:
        rows = len(batches[-1]) + 1 if batches else 1
        padded = longest * rows
        fits = (
            batches
            and rows <= max_rows
            and rows * (longest + new_tokens) <= budget
            and padded - (total + length) <= max_padding * padded
        )
        if fits:
            batches[-1].append(payload)
            total += length
        else:
            batches.append([payload])
            longest = total = length
    return batches


def padding_share(batches: Sequence[Sequence[int]]) -> float:
    """Share of padding among all prompt tokens, given the lengths in each batch."""
    padded = sum(max(batch) * len(batch) for batch in batches)
    return 1 - sum(map(sum, batches)) / padded if padded else 0.0
