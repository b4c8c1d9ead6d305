"""Scorers of one task take turns over chunks, of which one is in memory at a time."""

from __future__ import annotations

import gc
import json

import pytest

import empeval
from empeval import EmpevalError, Sample, Score, Scorer, ScorerCard, ValueCard

CARD = ScorerCard(
    version="1",
    summary="For tests.",
    values=(ValueCard(name="words", unit="words", summary="Words."),),
    needs=("reply",),
    labels=(),
    license="none",
)


def words(sample: Sample) -> Score:
    return Score(sample.id, values={"words": len(sample.text.split())})


@pytest.fixture
def dialogues(tmp_path):
    """Writes a file of so many dialogues and returns its path."""

    def write(count):
        path = tmp_path / "dialogues.jsonl"
        rows = [{"context": [f"It rained on day {n}."], "response": "Oh " * (n % 5 + 1)}
                for n in range(count)]  # fmt: skip
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def scorers(seen):
    """Two scorers, of which the first leaves something for the second."""

    class First(Scorer):
        card = CARD

        def score(self, samples):
            seen.append(("first", len(samples), dict(self.shared_work)))
            self.shared_work["lengths"] = [len(sample.text) for sample in samples]
            return [words(sample) for sample in samples]

    class Second(Scorer):
        card = CARD

        def score(self, samples):
            assert self.shared_work["lengths"] == [len(sample.text) for sample in samples]
            seen.append(("second", len(samples), None))
            return [words(sample) for sample in samples]

    return First(), Second()


def test_scorers_take_turns_and_share_what_they_make_of_a_chunk_and_of_no_other(
    dialogues, tmp_path
):
    seen = []
    first, second = scorers(seen)
    run = empeval.score(dialogues(600), [first, second], out=tmp_path / "run")
    chunks = [(name, count) for name, count, _ in seen]
    assert chunks == [(n, c) for c in (256, 256, 88) for n in ("first", "second")]
    assert [found for name, _, found in seen if name == "first"] == [{}, {}, {}]
    assert first.shared_work is None
    assert second.shared_work is None
    for label in run.manifest.scorers["dialogues"]:
        found = {score.id: score.values["words"] for score in run.scores("dialogues", label)}
        assert found == {str(n + 1): n % 5 + 1 for n in range(600)}


def test_one_that_fails_half_way_stops_none_of_the_others(dialogues, tmp_path):
    happened = []

    class Breaking(Scorer):
        card = CARD

        def score(self, samples):
            happened.append(len(samples))
            if len(happened) > 1:
                raise EmpevalError("the licence has run out")
            return [words(sample) for sample in samples]

    class Steady(Scorer):
        card = CARD

        def score(self, samples):
            return [words(sample) for sample in samples]

    with pytest.raises(EmpevalError, match="the licence has run out"):
        empeval.score(dialogues(600), [Breaking(), Steady()], out=tmp_path / "run")
    run = empeval.Run(tmp_path / "run")
    assert not run.complete
    assert len(run.scores("dialogues", "Steady")) == 600
    assert len(run.scores("dialogues", "Breaking")) == 256
    assert happened == [256, 256, 1, 1, 1]


def test_samples_are_in_memory_for_a_chunk_and_no_longer(dialogues, tmp_path):
    alive = []

    def count():
        return sum(isinstance(one, Sample) for one in gc.get_objects())

    class Counting(Scorer):
        card = CARD

        def score(self, samples):
            alive.append(count() - before)
            return [words(sample) for sample in samples]

    class Another(Counting):
        pass

    path = dialogues(1500)
    gc.collect()
    before = count()
    empeval.score(path, [Counting(), Another()], out=tmp_path / "run")
    assert len(alive) == 12
    assert max(alive) <= 256
