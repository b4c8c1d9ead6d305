"""Who judges replies for RESULTS.md: checkpoints, and the trivial rivals."""

from __future__ import annotations

import pytest

from empeval_training.data import read_examples
from empeval_training.judges import Checkpoint, rivals


def test_a_checkpoint_judges_as_its_scorer_does(run_small, prepared):
    from empeval_empathy.judge import Judge
    from empeval_empathy.views import Dialogue

    out, _ = run_small("mvc")
    examples = read_examples(prepared, "test") * 16  # more than it takes at a time
    found = Checkpoint(out / "checkpoint")(examples)
    assert len(examples) > 1000
    judged = Judge(out / "checkpoint").judge([Dialogue(e.context, e.reply) for e in examples[:68]])
    assert found[:68] == pytest.approx(judged.empathy, abs=1e-5)
    assert found[-68:] == pytest.approx(judged.empathy, abs=1e-5)


def test_the_trivial_rivals_are_what_they_are_called(prepared):
    examples = read_examples(prepared, "test")[:20]
    found = rivals()
    assert found["length"](examples).tolist() == [len(e.reply.split()) for e in examples]
    chance = found["random"](examples)
    assert ((chance >= 0) & (chance < 1)).all()
    assert chance.tolist() == found["random"](examples).tolist()
    from msgspec.structs import replace

    one, two = (replace(examples[0], reply=r) for r in ("Sorry! So sorry.", "What a sorrysight."))
    assert found["sorry"]([one, two]).tolist() == [2, 0]
