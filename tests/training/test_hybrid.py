"""The hybrid label: its map, its folds, and weights that simulated raters really used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from empeval_training.hybrid import (
    FOLDS,
    Facts,
    Labeller,
    centred,
    construct,
    fit_labeller,
    fit_weights,
    folds,
    rated_sums,
    set_scale,
    weighted_sums,
)
from empeval_training.signals import NAMES
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stub_embedder import WIDTH, StubEmbedder, posts, replies, turns

from empeval import DataError

numbers = st.floats(-1e6, 1e6)


def facts(**changes):
    plain = {
        "weights": dict.fromkeys(NAMES, 0.1),
        "means": dict.fromkeys(NAMES, 0.0),
        "deviations": dict.fromkeys(NAMES, 1.0),
        "centre": 0.5,
        "slope": 2.0,
        "emotions": (),
        "fitted_on": {},
    }
    return Facts(**(plain | changes))


@pytest.fixture(scope="module")
def fitted():
    embedder = StubEmbedder()
    humans = turns(120)
    labeller = fit_labeller([*posts(120), *replies(120)], humans, embedder, seed=3)
    return set_scale(labeller, labeller.sums(labeller.models.compute(embedder.pairs(humans))))


@given(st.lists(numbers, min_size=1, max_size=30), st.floats(1e-3, 1e9))
@settings(deadline=None)
def test_labels_stay_on_the_scale_and_keep_the_order(sums, slope):
    labeller = Labeller(None, facts(slope=slope))
    labels = labeller.to_label(np.sort(sums))
    assert ((labels >= 1) & (labels <= 5)).all()
    assert (np.diff(labels) >= 0).all()


def test_the_scale_puts_the_outer_quantiles_at_one_and_a_half_and_four_and_a_half():
    sums = np.random.default_rng(0).normal(3, 2, 2000)
    labeller = set_scale(Labeller(None, facts()), sums)
    ends = labeller.to_label(np.quantile(sums, [0.05, 0.95]))
    assert ends == pytest.approx([1.5, 4.5])


def test_sums_that_are_all_alike_still_have_a_label():
    labeller = set_scale(Labeller(None, facts()), np.full(9, 2.0))
    assert labeller.to_label(np.array([2.0])) == pytest.approx([3.0])


def test_weighted_sums_are_the_formula():
    one = facts(weights=dict.fromkeys(NAMES, 0.0) | {"er": 2.0}, means=dict.fromkeys(NAMES, 1.0))
    signals = np.zeros((2, len(NAMES)))
    signals[1, 0] = 4
    assert weighted_sums(signals, one).tolist() == [-2.0, 6.0]


@given(st.lists(st.tuples(st.sampled_from("abc"), numbers), min_size=1, max_size=30))
def test_centred_values_have_mean_zero_in_every_group(rows):
    groups = [group for group, _ in rows]
    values = centred(np.array([[value] for _, value in rows]), groups)[:, 0]
    for group in set(groups):
        own = [v for v, g in zip(values, groups, strict=True) if g == group]
        assert np.mean(own) == pytest.approx(0, abs=1e-6)


def test_folds_keep_groups_whole_and_are_even():
    groups = [f"d{n % 50}" for n in range(400)]
    fold = folds(groups, 3)
    homes = {(group, int(number)) for group, number in zip(groups, fold, strict=True)}
    assert len(homes) == 50
    assert np.bincount(fold, minlength=FOLDS).tolist() == [80] * FOLDS
    assert (fold == folds(groups, 3)).all()
    assert (fold != folds(groups, 4)).any()


def test_weights_are_those_that_the_raters_used():
    dice = np.random.default_rng(0)
    truth = dice.normal(size=len(NAMES))
    blocks = {}
    for name, size in (("epitome", 3000), ("ratings", 5000)):
        signals = dice.normal(size=(size, len(NAMES))) * 2 + 1
        groups = [f"d{n % (size // 10)}" for n in range(size)]
        severity = np.array([int(g[1:]) % 7 for g in groups])  # raters differ; centring undoes it
        blocks[name] = (signals, signals @ truth + dice.normal(size=size) + severity, groups)
    found = np.array([fit_weights(blocks).weights[n] for n in NAMES])
    assert np.corrcoef(found, truth)[0, 1] > 0.999
    assert found / np.linalg.norm(found) == pytest.approx(truth / np.linalg.norm(truth), abs=0.03)


def test_a_signal_that_never_varies_weighs_nothing():
    dice = np.random.default_rng(0)
    signals = dice.normal(size=(200, len(NAMES)))
    signals[:, 4] = 7
    block = (signals, signals[:, 0], ["all"] * 200)
    weights = fit_weights({"epitome": block, "ratings": block}).weights
    assert weights[NAMES[4]] == 0
    assert weights[NAMES[0]] > 0.5


def test_each_rated_dialogue_gets_one_constructed_reply_from_elsewhere():
    rated = [
        dataclasses.replace(r, reply=f"{r.reply} Again {n}?") for n, r in enumerate(replies(80))
    ]
    made = construct(rated, 3)
    assert [m.dialogue for m in made] == list(dict.fromkeys(r.dialogue for r in rated))
    assert {m.values["rating"] for m in made} == {1.0}
    own = {(r.dialogue, r.reply) for r in rated}
    assert not own & {(m.dialogue, m.reply) for m in made}
    assert {m.reply for m in made} & {r.reply for r in rated}  # some are replies to another one
    assert construct(rated, 3) == made


def test_people_move_the_sums_of_rated_replies():
    rated = replies(30)
    sums = np.random.default_rng(0).normal(size=30)
    moved = rated_sums(rated, sums)
    given_ = np.array([r.values["rating"] for r in rated])
    assert np.corrcoef(moved, given_)[0, 1] > np.corrcoef(sums, given_)[0, 1]
    assert moved.mean() == pytest.approx(sums.mean())


def test_a_fitted_labeller_labels_within_the_scale(fitted):
    pairs = StubEmbedder().pairs(turns(60, start=500))
    labels = fitted.label(pairs)
    assert labels.shape == (60,)
    assert ((labels >= 1) & (labels <= 5)).all()
    assert labels.std() > 0.1
    assert fitted.label(pairs.take([])).shape == (0,)


def test_fitting_twice_gives_the_same_weights(fitted):
    again = fit_labeller([*posts(120), *replies(120)], turns(120), StubEmbedder(), seed=3)
    assert again.facts.weights == fitted.facts.weights


def test_a_saved_labeller_labels_alike(fitted, tmp_path):
    fitted.save(tmp_path)
    pairs = StubEmbedder().pairs(turns(60, start=500))
    loaded = Labeller.load(tmp_path)
    assert loaded.facts == fitted.facts
    assert loaded.label(pairs) == pytest.approx(fitted.label(pairs), abs=0.02)  # saved in float16


def test_only_the_fitting_part_is_used(fitted):
    everything = [*posts(200), *replies(200)]
    fit = [r for r in everything if r.part == "fit"]
    one = fit_labeller(everything, turns(120), StubEmbedder(), seed=3)
    assert one.facts == fit_labeller(fit, turns(120), StubEmbedder(), seed=3).facts
    assert one.facts.fitted_on["epitome"] < 200


def test_too_few_rated_replies_are_refused():
    with pytest.raises(DataError, match="it takes 50 of each"):
        fit_labeller([*posts(20), *replies(200)], turns(40), StubEmbedder())
    with pytest.raises(DataError, match="dialogues or more"):
        fit_labeller([*posts(200), *replies(300, dialogues=3)], turns(40), StubEmbedder())


def test_a_folder_without_a_labeller_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no labeller"):
        Labeller.load(tmp_path)


def test_a_damaged_labeller_is_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    text = (tmp_path / "labeller.json").read_text()
    (tmp_path / "labeller.json").write_text(text.replace('"relevance"', '"charm"'))
    with pytest.raises(DataError, match="weights are not of the signals"):
        Labeller.load(tmp_path)
    (tmp_path / "labeller.json").write_text(text)
    (tmp_path / "labeller.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        Labeller.load(tmp_path)


def test_a_labeller_that_lacks_a_model_is_refused(fitted, tmp_path):
    from empeval_training.signals import save_arrays

    fitted.save(tmp_path)
    save_arrays({"relevance.bias": np.zeros(WIDTH)}, tmp_path / "labeller.safetensors")
    with pytest.raises(DataError, match="lacks"):
        Labeller.load(tmp_path)
