"""Which prompts are computed together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_PADDING = 0.05
LOOSE_PADDING = 0.5
"""Of prompts that are read apart: then padding costs no more than room and a little attention."""
LEAST_SHARED = 16
"""Tokens that two prompts must have in common at their beginnings before they are worth sharing."""


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
    return _cut(ordered, budget, new_tokens, max_rows, max_padding)


def cut_families(
    prompts: Sequence[tuple[Sequence[int], T]], *, budget: int, new_tokens: int, max_rows: int
) -> list[list[T]]:
    """Cut prompts into batches in which those with a common beginning stand together.

    Families of prompts come one after the other, the one with the longest prompt first; within one
    the longest prompt is the first. So a batch is a run of families, and only where one ends may a
    family be cut in two. Limits are those of ``cut_batches``, with a padding of ``LOOSE_PADDING``:
    it is for prompts that are read apart from each other and only continued together.

    Args:
        prompts: (token ids, payload) pairs.
        budget: tokens of prompt and answer that a batch may hold.
        new_tokens: the most tokens of an answer.
        max_rows: the most rows of a batch.
    """
    by_tokens = sorted(range(len(prompts)), key=lambda i: tuple(prompts[i][0]))
    families: list[list[int]] = []
    for index in by_tokens:
        tokens = prompts[index][0]
        before = prompts[families[-1][-1]][0] if families else ()
        length = common_prefix(before, tokens)
        if families and length >= max(LEAST_SHARED, min(len(before), len(tokens)) // 2):
            families[-1].append(index)
        else:
            families.append([index])
    ordered = []
    for family in families:
        family.sort(key=lambda i: (-len(prompts[i][0]), i))
    for family in sorted(families, key=lambda f: (-len(prompts[f[0]][0]), f[0])):
        ordered += [(len(prompts[i][0]), prompts[i][1]) for i in family]
    return _cut(ordered, budget, new_tokens, max_rows, LOOSE_PADDING)


def common_prefix(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """How many tokens two sequences have in common at their beginnings."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # what precedes ``low`` is equal, what follows ``high`` is not wanted
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(
    ordered: Sequence[tuple[int, T]],
    budget: int,
    new_tokens: int,
    max_rows: int,
    max_padding: float,
) -> list[list[T]]:
    """Batches of neighbours, each with as many as it may hold."""
    batches: list[list[T]] = []
    longest = total = 0
    for length, payload in ordered:
        rows = len(batches[-1]) + 1 if batches else 1
        widest = max(longest, length)
        padded = widest * rows
        fits = (
            batches
            and rows <= max_rows
            and rows * (widest + new_tokens) <= budget
            and padded - (total + length) <= max_padding * padded
        )
        if fits:
            batches[-1].append(payload)
            longest, total = widest, total + length
        else:
            batches.append([payload])
            longest = total = length
    return batches


def padding_share(batches: Sequence[Sequence[int]]) -> float:
    """Share of padding among all prompt tokens, given the lengths in each batch."""
    padded = sum(max(batch) * len(batch) for batch in batches)
    return 1 - sum(map(sum, batches)) / padded if padded else 0.0
