# ruff: noqa: S101 - assertions are what a test is made of
"""What every generator must do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest

from empeval.errors import UsageError
from empeval.interfaces import INTERFACE_VERSION, Generator
from empeval.likelihood import loglikelihood
from empeval.records import Continuations, Item, Response, Sampling
from empeval.testing.fakes import FakeTask, fake_item
from empeval.testing.manners import Manners
from empeval.testing.texts import UNUSUAL_TEXTS


class GeneratorContract(Manners):
    """Subclass it and override the fixture ``generator``, perhaps others too."""

    @pytest.fixture
    def generator(self) -> Generator:
        """The generator under test.

        Raises:
            NotImplementedError: it has not been overridden.
        """
        raise NotImplementedError("override the fixture 'generator'")

    @pytest.fixture
    def items(self) -> Sequence[Item]:
        """Items that the generator can answer; at least two."""
        return list(FakeTask().items())

    @pytest.fixture
    def unusual_items(self) -> Sequence[Item]:
        """Items with unusual prompts."""
        return [
            fake_item(name, text or "?", reference=text or "?")
            for name, text in UNUSUAL_TEXTS.items()
        ]

    @pytest.fixture
    def sampling(self) -> Sampling:
        """How it is asked to decode; greedy, so that answers can be compared."""
        return Sampling(max_tokens=16)

    def test_it_was_written_for_this_interface(self, generator: Generator) -> None:
        """Base class and interface version are what the registry asks for."""
        assert isinstance(generator, Generator)
        assert generator.interface == INTERFACE_VERSION

    def test_the_card_is_complete_and_stays_the_same(self, generator: Generator) -> None:
        """Name and fingerprint are there; the details can be written as JSON."""
        card = generator.card
        assert card.name.strip()
        assert card.fingerprint.strip()
        details = msgspec.json.encode(card.details)
        assert msgspec.json.encode(generator.card.details) == details
        assert generator.card.fingerprint == card.fingerprint

    def test_warnings_are_sentences(self, generator: Generator, items: Sequence[Item]) -> None:
        """What ``prepare`` returns is shown to the user."""
        for warning in generator.prepare({"fake": items}):
            assert warning.strip()

    def test_the_plan_holds_each_item_once(
        self, generator: Generator, items: Sequence[Item], sampling: Sampling
    ) -> None:
        """An item in two groups would be answered twice; one in none, never."""
        plan = generator.plan(items, sampling)
        assert all(plan)
        assert Counter(i.id for group in plan for i in group) == Counter(i.id for i in items)

    def test_each_item_is_answered_once(
        self, generator: Generator, items: Sequence[Item], sampling: Sampling
    ) -> None:
        """In any order; each answer is one that the run folder can hold."""
        check_responses(list(generator.generate(items, sampling)), items)

    def test_no_items_get_no_answers(self, generator: Generator, sampling: Sampling) -> None:
        """A task may have nothing left to ask."""
        assert list(generator.generate([], sampling)) == []

    def test_a_group_alone_is_answered_as_among_others(
        self, generator: Generator, items: Sequence[Item], sampling: Sampling
    ) -> None:
        """A resumed run repeats unfinished groups only and must end with the same answers."""
        plan = generator.plan(items, sampling)
        whole = {r.id: r for r in generator.generate([i for g in plan for i in g], sampling)}
        for group in plan:
            for response in generator.generate(group, sampling):
                assert response.response == whole[response.id].response
                assert response.status == whole[response.id].status

    def test_unusual_prompts_are_answered_or_refused_but_never_raise(
        self, generator: Generator, unusual_items: Sequence[Item], sampling: Sampling
    ) -> None:
        """What one item does must not take the run down."""
        planned = [i for group in generator.plan(unusual_items, sampling) for i in group]
        check_responses(list(generator.generate(planned, sampling)), unusual_items)

    def test_likelihoods_are_logarithms_of_probabilities(
        self, generator: Generator, items: Sequence[Item]
    ) -> None:
        """Each request is met once; what it gets depends on no other request."""
        asked = [
            Continuations(item.id, tuple(item.messages), ("yes", "no", "perhaps"), "Well, ")
            for item in items
        ]
        if not generator.gives_likelihood:
            with pytest.raises(UsageError):
                list(generator.loglikelihood(asked))
            return
        found = loglikelihood(generator, asked)
        given = [found[request.id] for request in asked if found[request.id].note is None]
        assert given
        for one in given:
            assert sum(math.exp(value) for value in one.values) <= 1 + 1e-3, one.id
        alone = loglikelihood(generator, [asked[-1]])[asked[-1].id]
        assert alone.values == pytest.approx(found[asked[-1].id].values, abs=1e-2)

    def test_a_preview_shows_text_and_perhaps_a_count(
        self, generator: Generator, items: Sequence[Item], sampling: Sampling
    ) -> None:
        """This is what ``--dry-run`` prints."""
        for item in items:
            seen = generator.preview(item, sampling)
            assert seen.text.strip()
            assert seen.tokens is None or seen.tokens > 0

    def test_closing_twice_does_no_harm(self, generator: Generator) -> None:
        """A run that fails closes what it had, if it had anything."""
        generator.close()
        generator.close()


def check_responses(responses: Sequence[Response], items: Sequence[Item]) -> None:
    """Each item once, and every field as ``Response`` describes it."""
    assert Counter(r.id for r in responses) == Counter(item.id for item in items)
    for response in responses:
        assert msgspec.convert(msgspec.to_builtins(response), Response) == response
        for count in (response.prompt_tokens, response.completion_tokens):
            assert count is None or count >= 0, response.id
        seconds = response.seconds
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0), response.id
        if response.status in ("missing", "error"):
            assert response.note, f"{response.id}: {response.status} without a note"
