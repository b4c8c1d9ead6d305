"""Rows of like length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Cut rows into batches, the shortest first.

    Args:
        lengths: of the rows, in tokens.
        budget: the most tokens of a batch, padding included; a longer row is a batch of its own.

    Yields:
        The indices of a batch's rows; each index comes once.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
