"""Rows of like length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

PADDING, FEW = 0.25, 32
"""A batch ends where more than this share of it would be padding, and more tokens than a call of
its own would take the time of."""


def by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Cut rows into batches, the shortest first, none of which is mostly padding.

    Args:
        lengths: of the rows, in tokens.
        budget: the most tokens of a batch, padding included; a longer row is a batch of its own.

    Yields:
        The indices of a batch's rows; each index comes once.
    """
    batch: list[int] = []
    own = 0
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        whole = (len(batch) + 1) * lengths[index]
        padding = whole - own - lengths[index]
        if batch and (whole > budget or padding > max(FEW, PADDING * whole)):
            yield batch
            batch, own = [], 0
        batch.append(index)
        own += lengths[index]
    if batch:
        yield batch
