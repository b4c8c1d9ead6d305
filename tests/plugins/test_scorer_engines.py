"""Scorers whose encoders another engine computes: who they are, and what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from empeval import EmpevalError, Run, packaged_model
from empeval.asked import AskedScorer
from empeval.certificates import OTHER_ENGINE, certificate_of
from empeval.extras import is_installed
from empeval.toolkit import read_engine
from empeval_text.encoder import Encoder, Text

installed = pytest.mark.skipif(
    not is_installed("openvino"),
    reason="openvino is not installed: pip install 'empeval[openvino]'",
)
ENGINES = (
    "?engine=torch",
    "?engine=openvino",
    "?engine=openvino&precision=bfloat16",
    "?engine=openvino&precision=int8",
)
TALKS = [
    ("My dog died yesterday.", "I am so sorry, that must hurt. What was he like?"),
    ("My dog died yesterday.", "The train leaves platform four at noon."),
    ("I passed my exam!", "That is wonderful, you must be so proud."),
]


@pytest.fixture
def named(checkpoints, encoders):
    """Scorers with a target, by name."""
    made = {name: f"{name}:{checkpoints[name]}" for name in ("mvc", "stm", "baseline")}
    return made | {"similarity": f"similarity:{encoders['bert']}"}


@pytest.mark.parametrize("name", ["mvc", "stm", "baseline", "similarity"])
def test_each_engine_is_another_scorer_and_torch_the_one_it_was(named, name, monkeypatch):
    monkeypatch.setattr("empeval.engines.require", lambda *_: None)
    asked = [AskedScorer(named[name] + engine) for engine in ENGINES]
    own = AskedScorer(named[name]).entry.fingerprint
    assert asked[0].entry.fingerprint == own
    for one in asked[1:]:
        assert one.entry.fingerprint.startswith(own)
    for facts in ("fingerprint", "target"):
        assert len({getattr(one.entry, facts) for one in asked}) == len(ENGINES)
    assert len({one.label for one in asked}) == len(ENGINES)
    assert asked[3].label.endswith("-openvino-int8")


def test_the_shipped_certificate_is_torchs(bundled, monkeypatch):
    monkeypatch.setattr("empeval.engines.require", lambda *_: None)
    for engine in ENGINES[1:]:
        name = f"mvc{engine}"
        assert certificate_of(name, AskedScorer(name).scorer) == (None, OTHER_ENGINE)
    assert certificate_of("mvc?engine=torch", AskedScorer("mvc?engine=torch").scorer)[1] == ""


@installed
def test_a_run_holds_both_side_by_side(cli, named, tmp_path):
    lines = [
        {"id": str(number), "context": [context], "response": reply}
        for number, (context, reply) in enumerate(TALKS)
    ]
    file = tmp_path / "talks.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scorers = [named["mvc"], *(named["mvc"] + engine for engine in (ENGINES[1], ENGINES[3]))]
    found = cli("score", str(file), "--scorers", ",".join(scorers), "--out", "run")
    assert found.code == 0, found.err
    run = Run("run")
    (task,) = run.manifest.scorers
    labels = list(run.manifest.scorers[task])
    torch, same, rounded = (
        np.array([score.values["empathy"] for score in run.scores(task, label)]) for label in labels
    )
    np.testing.assert_allclose(same, torch, atol=2e-5)
    assert 1e-5 < np.abs(rounded - torch).max() < 0.3
    prints = [entry.fingerprint for entry in run.manifest.scorers[task].values()]
    assert len(set(prints)) == 3


@pytest.fixture(scope="module")
def minilm():
    try:
        return packaged_model("all-minilm-l6-v2")
    except EmpevalError as error:
        pytest.skip(f"all-minilm-l6-v2 cannot be had: {error}")


@installed
def test_a_real_encoder_gives_the_same_vectors_and_near_ones_in_eight_bits(minilm):
    texts = [Text(text) for talk in TALKS for text in talk]
    torch, same, rounded = (
        np.array([e.vector for e in Encoder(minilm, read_engine(asked)[1]).encode(texts)])
        for asked in (None, ENGINES[1], ENGINES[3])
    )
    np.testing.assert_allclose(same, torch, atol=1e-5)
    cosines = (rounded * torch).sum(axis=1)
    assert cosines.min() > 0.99
    assert cosines.max() < 1 - 1e-6  # or nothing was rounded
