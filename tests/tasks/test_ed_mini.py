from __future__ import annotations

import pytest

from empeval_tasks.ed_empathy import EMOTIONS
from empeval_tasks.ed_empathy.task import EDEmpathy
from empeval_tasks.ed_mini.task import EDMini


@pytest.fixture(autouse=True)
def _nothing_but_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMPEVAL_DATA", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")


def test_there_are_enough_conversations_for_every_emotion():
    ends = list(EDMini(turns="last").items())
    assert len(ends) >= 32
    assert {item.target["emotion"] for item in ends} == set(EMOTIONS)


def test_every_item_has_the_form_of_ed_empathys():
    items = list(EDMini().items())
    assert len({item.id for item in items}) == len(items) > len(list(EDMini(turns="last").items()))
    for item in items:
        roles = [message.role for message in item.messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
        assert all(message.content.strip() == message.content for message in item.messages)
        assert item.reference
        assert item.id == f"{item.cluster}#{item.metadata['turn']}"
        assert item.metadata["situation"]


def test_it_offers_scorers_what_ed_empathy_offers():
    assert EDMini.card.provides == EDEmpathy.card.provides
    assert EDMini.card.scorers == EDEmpathy.card.scorers
    assert EDMini.card.sampling == EDEmpathy.card.sampling


def test_a_limit_of_32_takes_one_conversation_of_each_emotion():
    task = EDMini(turns="last")
    chosen = task.select(list(task.items()), 32, seed=5)
    assert sorted(item.target["emotion"] for item in chosen) == sorted(EMOTIONS)


def test_the_choice_of_turns_is_in_the_data_key():
    assert EDMini().data_key() == "turns=all"
    assert EDMini(turns="last").data_key() == "turns=last"
