"""A task's answers as scorers and metrics see them, one read at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import overload

from empeval.records import Response, ResponseLine, Sample, Score, Scored
from empeval.runs.lines import Lines, Mapped

_FIELDS = attrgetter(*Response.__struct_fields__)

Samples = Mapped[ResponseLine, Sample]


def response_of(line: ResponseLine) -> Response:
    """The response in a line of the run folder."""
    return Response(*_FIELDS(line))


def samples_in(lines: Lines[ResponseLine]) -> Samples:
    """Samples of response lines, in their order."""
    return Mapped(lines, lambda line: Sample(line.item, response_of(line)))


class ScoredSamples(Sequence[Scored]):
    """Samples and one scorer's scores of them, as many and in the same order."""

    def __init__(self, samples: Samples, scores: Lines[Score]) -> None:
        self._samples = samples
        self._scores = scores

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Scored: ...
    @overload
    def __getitem__(self, index: slice) -> ScoredSamples: ...
    def __getitem__(self, index: int | slice) -> Scored | ScoredSamples:
        if isinstance(index, slice):
            return ScoredSamples(self._samples[index], self._scores[index])
        return Scored(self._samples[index], self._scores[index])

    def __iter__(self) -> Iterator[Scored]:
        return map(Scored, self._samples, self._scores)
