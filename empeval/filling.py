"""Has the blanks of items filled by likelihood: what a run asks where a model writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from empeval.cards import ModelCard
from empeval.errors import DataError, some
from empeval.interfaces import Generator
from empeval.likelihood import loglikelihood, probabilities, require_likelihood
from empeval.records import Blank, Continuations, Item, LogLikelihood, Response, Sampling

GROUP = 64
"""Items whose likelihoods are read together."""


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
            asked = {
                (item.id, blank.name): Continuations(
                    f"{place}.{number}", item.messages, blank.options, blank.lead
                )
                for place, item in enumerate(group)
                for number, blank in enumerate(item.blanks)
            }
            found = loglikelihood(self.generator, list(asked.values()))
            for item in group:
                given = [found[asked[item.id, blank.name].id] for blank in item.blanks]
                yield _filled(item, given)


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
    return Filling(generator)


def _sound(item: Item) -> bool:
    names = {blank.name for blank in item.blanks}
    return bool(names) and len(names) == len(item.blanks) and all(map(_open, item.blanks))


def _open(blank: Blank) -> bool:
    """Whether something can be chosen."""
    return len(blank.options) > 1 and len({*blank.options, ""}) == len(blank.options) + 1


def _filled(item: Item, given: Sequence[LogLikelihood]) -> Response:
    failed = [one.note for one in given if one.note is not None]
    if failed:
        return Response(item.id, "", "error", note=failed[0])
    shares = {
        blank.name: tuple(probabilities(one.values, blank.options))
        for blank, one in zip(item.blanks, given, strict=True)
    }
    lines = [
        blank.lead + max(zip(shares[blank.name], blank.options, strict=True), key=_share)[1]
        for blank in item.blanks
    ]
    return Response(
        item.id,
        "\n".join(lines),
        prompt_tokens=sum(one.prompt_tokens or 0 for one in given),
        completion_tokens=0,
        stop="likelihood",
        likelihoods=shares,
    )


def _share(pair: tuple[float, str]) -> float:
    return pair[0]
