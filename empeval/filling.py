"""Has the blanks of items filled by likelihood: what a run asks where a model writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from empeval.cards import ModelCard
from empeval.errors import DataError, some
from empeval.interfaces import Generator
from empeval.likelihood import as_they_come, loglikelihood, probabilities, require_likelihood
from empeval.records import Blank, Continuations, Item, LogLikelihood, Response, Sampling

GROUP = 16
"""Items whose likelihoods are read together, and lost together when a run is killed. With 64,
EQ-Bench took 4 % less processor time, and a model of a billion weights the better part of an hour
to its first answer."""


class Filling(Generator):
    """Answers items with blanks by the likelihoods that a generator gives.

    Args:
        generator: one that gives likelihoods.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.spending = generator.spending

    @property
    def card(self) -> ModelCard:
        """The generator's."""
        return self.generator.card

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """``GROUP`` at a time, in their order: rounding depends on what is read together."""
        return [list(items[i : i + GROUP]) for i in range(0, len(items), GROUP)]

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield each item's form, filled with the likeliest options."""
        for group in self.plan(items, sampling):
            found = loglikelihood(self.generator, _requests(group))
            for index, item in enumerate(group):
                yield _filled(item, [found[name] for name in _names(index, item)])


class FillingAsked(Filling):
    """The same of a generator that charges: items are asked one by one, and yielded as they come.

    What was kept aside for an item's requests is given back once the item was counted.
    """

    charges = True

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """Each item by itself: its likelihoods depend on no other."""
        return [[item] for item in items]

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield each item's form as soon as all of its blanks are read.

        Where the limits of the run end it, an item that is read in part is an ``error``, so that
        what it took is counted.
        """
        found: dict[int, dict[str, LogLikelihood]] = {}
        for one in as_they_come(self.generator, _requests(items)):
            index = int(one.id.partition(".")[0])
            got = found.setdefault(index, {})
            got[one.id] = one
            names = _names(index, items[index])
            if len(got) == len(names):
                yield _filled(items[index], [got[name] for name in names])
                self._release(found.pop(index))
        for index, got in found.items():
            note = LogLikelihood("", note="the limits of the run ended it half-way")
            yield _filled(items[index], [*got.values(), note])
            self._release(got)

    def _release(self, names: Iterable[str]) -> None:
        spending = self.generator.spending
        if spending is not None:
            for name in names:
                spending.release(name)


def _requests(items: Sequence[Item]) -> list[Continuations]:
    return [
        Continuations(name, item.messages, blank.options, blank.lead)
        for index, item in enumerate(items)
        for name, blank in zip(_names(index, item), item.blanks, strict=True)
    ]


def _names(index: int, item: Item) -> list[str]:
    return [f"{index}.{number}" for number in range(len(item.blanks))]


def filling(generator: Generator, items: Sequence[Item]) -> Generator:
    """Who answers items: the generator itself, or, where they have blanks, one that fills them.

    Raises:
        DataError: some have blanks and others not, or a blank makes no sense.
        UsageError: they have blanks, and the generator gives no likelihoods.
    """
    if not any(item.blanks for item in items):
        return generator
    bad = [item.id for item in items if not _sound(item)]
    if bad:
        raise DataError(
            f"Items without blanks, or with doubled names or options, among others that are to be "
            f"filled by likelihood: {some(bad)}."
        )
    require_likelihood(generator)
    return FillingAsked(generator) if generator.charges else Filling(generator)


def _sound(item: Item) -> bool:
    names = {blank.name for blank in item.blanks}
    return bool(names) and len(names) == len(item.blanks) and all(map(_open, item.blanks))


def _open(blank: Blank) -> bool:
    """Whether something can be chosen."""
    return len(blank.options) > 1 and len({*blank.options, ""}) == len(blank.options) + 1


def _filled(item: Item, given: Sequence[LogLikelihood]) -> Response:
    taken = _taken(item, given)
    failed = [one.note for one in given if one.note is not None]
    if failed:
        return msgspec.structs.replace(taken, status="error", note=failed[0])
    shares = {
        blank.name: tuple(probabilities(one.values, blank.options))
        for blank, one in zip(item.blanks, given, strict=True)
    }
    lines = [
        blank.lead + max(zip(shares[blank.name], blank.options, strict=True), key=_share)[1]
        for blank in item.blanks
    ]
    bounded = [
        f"{blank.lead}{blank.options[index]}"
        for blank, one in zip(item.blanks, given, strict=True)
        for index in one.bounded
    ]
    note = "not among the likeliest tokens, so less likely than its share says: "
    filled: Response = msgspec.structs.replace(
        taken,
        response="\n".join(lines),
        stop="likelihood",
        note=f"{note}{', '.join(bounded)}" if bounded else None,
        likelihoods=shares,
    )
    return filled


def _taken(item: Item, given: Sequence[LogLikelihood]) -> Response:
    """An empty response with what an item's likelihoods took."""
    costs = [one.cost for one in given if one.cost is not None]
    cached = [one.cached_tokens for one in given if one.cached_tokens is not None]
    return Response(
        item.id,
        "",
        prompt_tokens=sum(one.prompt_tokens or 0 for one in given),
        completion_tokens=sum(one.completion_tokens for one in given),
        cached_tokens=sum(cached) if cached else None,
        cost=sum(costs) if costs else None,
        model=next((one.model for one in given if one.model), None),
    )


def _share(pair: tuple[float, str]) -> float:
    return pair[0]
