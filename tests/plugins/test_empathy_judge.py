"""The judge behind the empathy scorers: order, batches, what is encoded and how often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empeval.toolkit import by_length
from empeval_empathy.emotions import EMOTIONS
from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue
from empeval_tasks.ed_mini.task import EDMini

DIALOGUES = [
    Dialogue(tuple(m.content for m in item.messages if m.role != "system"), item.reference)
    for item in EDMini().items()
][:40]


@pytest.fixture(scope="module", params=["stm", "mvc", "roberta"])
def judge(request, checkpoints) -> Judge:
    return Judge(checkpoints[request.param])


def test_a_row_for_each_dialogue_in_range(judge):
    judged = judge.judge(DIALOGUES)
    assert judged.empathy.shape == (len(DIALOGUES),)
    assert judged.emotions.shape == (len(DIALOGUES), len(EMOTIONS))
    assert ((judged.empathy >= 1) & (judged.empathy <= 5)).all()
    assert judged.emotions.sum(1) == pytest.approx(1, abs=1e-5)
    assert np.ptp(judged.empathy) > 0.01
    assert judge.emotions == list(EMOTIONS)


def test_scores_do_not_depend_on_the_batch_or_the_order(judge, monkeypatch):
    together = judge.judge(DIALOGUES)
    backwards = judge.judge(DIALOGUES[::-1])
    monkeypatch.setattr(judge._encoder, "batch_tokens", 100)
    small = judge.judge(DIALOGUES)
    alone = [judge.judge([dialogue]) for dialogue in DIALOGUES]
    for other in (
        backwards.empathy[::-1],
        small.empathy,
        np.array([one.empathy[0] for one in alone]),
    ):
        assert other == pytest.approx(together.empathy, abs=1e-4)
    assert backwards.emotions[::-1] == pytest.approx(together.emotions, abs=1e-4)
    assert small.emotions == pytest.approx(together.emotions, abs=1e-4)


def test_each_different_view_is_encoded_once(judge, monkeypatch):
    seen = []
    monkeypatch.setattr(
        judge._encoder,
        "pooled",
        lambda rows, of=judge._encoder.pooled: seen.append(len(rows)) or of(rows),
    )
    context = ("I lost my job.",)
    replies = ["I am so sorry.", "Oh no!", "I am so sorry."]
    judge.judge([Dialogue(context, reply) for reply in replies])
    contexts = 0 if judge.judge(DIALOGUES[:1]).full_emotions is None else 1
    assert seen[0] == 2 + contexts


def test_the_context_view_knows_nothing_of_the_reply(checkpoints):
    context = ("I lost my job.",)
    judged = Judge(checkpoints["mvc"]).judge(
        [Dialogue(context, "I am so sorry."), Dialogue(context, "Get over it.")]
    )
    assert judged.emotions[0] == pytest.approx(judged.emotions[1], abs=1e-6)
    assert judged.full_emotions[0] != pytest.approx(judged.full_emotions[1], abs=1e-6)
    assert judged.empathy[0] != judged.empathy[1]


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 1000))
def test_batches_hold_every_row_once_and_keep_the_budget(lengths, budget):
    batches = list(by_length(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 1000))
def test_no_batch_is_mostly_padding(lengths, budget):
    for batch in by_length(lengths, budget):
        own = [lengths[i] for i in batch]
        assert len(own) * max(own) - sum(own) <= max(32, len(own) * max(own) / 4)


def test_a_short_reply_is_not_filled_up_to_a_long_dialogue():
    assert list(by_length([70, 18, 52], 1024)) == [[1], [2, 0]]
