# ruff: noqa: S101 - assertions are what a test is made of
"""What every task must do."""

from __future__ import annotations

import json

import msgspec
import pytest

from empeval.asked import combine_sampling, scorers_for
from empeval.errors import EmpevalError
from empeval.interfaces import INTERFACE_VERSION, Task
from empeval.records import Item
from empeval.scripts import steps, turn_items
from empeval.testing.manners import Manners


def asked_of(task: Task) -> list[Item]:
    """What a task's answers are scored as: its items, of a dialogue the turns that are scored."""
    made = []
    for item in task.items():
        left_out = steps(item)
        made += [turn for turn in turn_items(item) if turn.id not in left_out]
    return made


class TaskContract(Manners):
    """Subclass it and override the fixture ``task``."""

    @pytest.fixture
    def task(self) -> Task:
        """The task under test.

        Raises:
            NotImplementedError: it has not been overridden.
        """
        raise NotImplementedError("override the fixture 'task'")

    def test_it_was_written_for_this_interface(self, task: Task) -> None:
        """Base class and interface version are what the registry asks for."""
        assert isinstance(task, Task)
        assert task.interface == INTERFACE_VERSION

    def test_the_card_is_complete(self, task: Task) -> None:
        """Version, summary, licence and language are there, the sampling makes sense."""
        for card in (type(task).card, task.card):
            for text in (card.version, card.summary, card.license, card.language):
                assert text.strip()
            assert card.provides
            assert all(name.strip() for name in card.provides)
            combine_sampling(card.sampling, {})
            assert msgspec.convert(msgspec.to_builtins(card), type(card)) == card

    def test_its_own_scorers_are_installed_and_apply(self, task: Task) -> None:
        """Each scorer on the card is there and needs only what the task provides."""
        for name in task.card.scorers:
            try:
                chosen = scorers_for({"task": task}, [name])
            except EmpevalError as error:
                pytest.fail(str(error))
            assert len(chosen["task"]) == 1, name

    def test_there_are_items_and_their_ids_are_unique(self, task: Task) -> None:
        """Ids tell answers apart."""
        ids = [item.id for item in task.items()]
        assert ids
        assert len(set(ids)) == len(ids)
        assert all(identifier.strip() for identifier in ids)

    def test_the_same_items_come_every_time(self, task: Task) -> None:
        """In the same order, too."""
        assert list(task.items()) == list(task.items())

    def test_items_survive_being_written_and_read(self, task: Task) -> None:
        """They are lines of a run folder: text, numbers, lists and objects only."""
        for item in task.items():
            written = msgspec.json.encode(item)
            read = msgspec.json.decode(written, type=Item)
            assert msgspec.json.encode(read) == written
            json.dumps([item.target, item.metadata], allow_nan=False)

    def test_conversations_alternate_and_end_with_the_speaker(self, task: Task) -> None:
        """After an optional system message, user and assistant take turns; nobody is silent.

        So do they in a dialogue, whatever the model replies.
        """
        for item in (turn for one in task.items() for turn in turn_items(one)):
            roles = [message.role for message in item.messages]
            turns = roles[1:] if roles[:1] == ["system"] else roles
            assert turns == ["user", "assistant"] * (len(turns) // 2) + ["user"], item.id
            assert all(message.content.strip() for message in item.messages), item.id

    def test_every_item_belongs_to_a_cluster(self, task: Task) -> None:
        """Intervals need to know which items depend on each other."""
        assert all(item.cluster.strip() for item in task.items())

    def test_items_offer_what_the_card_promises(self, task: Task) -> None:
        """``reference`` and ``emotion`` have a fixed meaning; other names are the task's own."""
        for item in asked_of(task):
            if "reference" in task.card.provides:
                assert item.reference is not None, item.id
                assert item.reference.strip(), item.id
            if "emotion" in task.card.provides:
                assert isinstance(item.target.get("emotion"), str), item.id

    def test_a_limit_chooses_some_items_the_same_way_every_time(self, task: Task) -> None:
        """At least one, each once, in their order; a limit beyond them all takes them all."""
        items = list(task.items())
        indices = {item.id: index for index, item in enumerate(items)}
        for limit in (1, 2, len(items)):
            for seed in (0, 1):
                chosen = task.select(items, limit, seed)
                order = [indices[item.id] for item in chosen]
                assert order
                assert order == sorted(set(order))
                assert chosen == task.select(items, limit, seed)
        assert task.select(items, 10 * len(items), 0) == items

    def test_the_choice_of_rows_has_a_name(self, task: Task) -> None:
        """``data_key`` is what the card's fingerprints are listed by."""
        assert task.data_key().strip()
