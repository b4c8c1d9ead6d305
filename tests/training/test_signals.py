"""The signals behind the label, on a stub embedder; the real one in a slow test."""

from __future__ import annotations

import numpy as np
import pytest
from empeval_training.signals import (
    NAMES,
    Embedder,
    SignalModels,
    fit_classes,
    fit_mechanisms,
    fit_signal_models,
    load_arrays,
    probabilities,
    save_arrays,
)
from support.stub_embedder import StubEmbedder, posts, turns

from empeval import DataError, EmpevalError
from empeval_training.ratings import MECHANISMS


def levels_of(rated):
    return np.array([[r.values[m] for m in MECHANISMS] for r in rated])


@pytest.fixture(scope="module")
def models():
    rated, humans, embedder = posts(150), turns(150), StubEmbedder()
    mechanisms = fit_mechanisms(embedder.pairs(rated), levels_of(rated))
    emotions = ("angry", "proud", "sad")
    return fit_signal_models(humans, embedder.pairs(humans), mechanisms, emotions)


def test_probabilities_sum_to_one_however_large_the_logits():
    found = probabilities(np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]]))
    assert found.sum(-1) == pytest.approx([1, 1])
    assert found[0].tolist() == [1, 0, 0]


def test_two_classes_have_a_logit_each():
    features = np.array([[0.0], [0.2], [1.0], [1.2]])
    model = fit_classes(features, [0, 0, 1, 1], 100.0, 0)
    assert model(features).shape == (4, 2)
    assert model(features).argmax(1).tolist() == [0, 0, 1, 1]


def test_one_class_cannot_be_told_from_anything():
    with pytest.raises(DataError, match="every example is of the same class"):
        fit_classes(np.zeros((4, 1)), [1, 1, 1, 1], 1.0, 0)


def test_a_level_that_nobody_gave_is_never_expected():
    rated = posts(150)
    pairs = StubEmbedder().pairs(rated)
    mechanisms = fit_mechanisms(pairs, levels_of(rated))  # er has levels 0 and 2, ip 0 and 1
    from empeval_training.signals import mechanism_features

    features = mechanism_features(pairs)
    assert probabilities(mechanisms["er"](features))[:, 1].max() < 1e-6
    assert probabilities(mechanisms["ip"](features))[:, 2].max() < 1e-6
    assert probabilities(mechanisms["er"](features)).shape == (150, 3)


def test_signals_are_finite_and_within_their_ranges(models):
    signals = models.compute(StubEmbedder().pairs(turns(50, start=700)))
    assert signals.shape == (50, len(NAMES)) == (50, 17)
    assert np.isfinite(signals).all()
    assert ((signals[:, :3] >= 0) & (signals[:, :3] <= 2)).all()
    assert (np.abs(signals[:, NAMES.index("relevance")]) <= 1).all()


def test_no_pairs_have_no_signals(models):
    empty = StubEmbedder().pairs([])
    assert models.compute(empty).shape == (0, 17)


def test_a_reply_about_the_same_thing_is_more_congruent(models):
    pairs = StubEmbedder().pairs(turns(99, start=700))
    away = pairs.with_replies_of(np.roll(np.arange(99), 1))  # another emotion's
    column = NAMES.index("congruence")
    own, other = (models.compute(p)[:, column].mean() for p in (pairs, away))
    assert own > other + 0.5


def test_models_come_back_from_their_arrays(models, tmp_path):
    save_arrays(models.arrays(), tmp_path / "a.safetensors")
    pairs = StubEmbedder().pairs(turns(20))
    again = SignalModels.from_arrays(load_arrays(tmp_path / "a.safetensors"))
    assert (again.compute(pairs) == models.compute(pairs)).all()


def test_a_file_that_is_no_safetensors_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        load_arrays(tmp_path / "a.safetensors")


@pytest.mark.slow
def test_the_packaged_encoder_makes_unit_vectors_of_each_text_once():
    try:
        embedder = Embedder()
    except EmpevalError as error:
        pytest.skip(f"the packaged encoder cannot be had: {error}")
    pairs = embedder.pairs([*turns(6), *turns(6)])
    for vectors in (pairs.context, pairs.turn, pairs.reply):
        assert vectors.shape == (12, 384)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
        assert (vectors[:6] == vectors[6:]).all()
