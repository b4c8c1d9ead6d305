"""The mean of several seeds' weights as one checkpoint."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from support.small_recipes import SMALL, small_recipe

from empeval import UsageError
from empeval.data import use_data_directory
from empeval_training.soup import load_weights, mean_weights
from empeval_training.train import train_soup


def adapters(seed, rank=2):
    dice = np.random.default_rng(seed)
    return {
        "layer.lora_A.default.weight": dice.normal(size=(rank, 5)).astype(np.float32),
        "layer.lora_B.default.weight": dice.normal(size=(4, rank)).astype(np.float32),
        "heads.weight": dice.normal(size=(3, 2)).astype(np.float32),
        "topic.centre": dice.normal(size=3).astype(np.float32),
    }


def as_torch(state):
    return {name: torch.from_numpy(weights) for name, weights in state.items()}


def change(state):
    up, down = (np.asarray(state[f"layer.lora_{which}.default.weight"]) for which in "BA")
    return up @ down


def test_the_mean_of_adapters_is_the_mean_of_their_changes_cut_to_the_rank():
    states = [adapters(1), adapters(2), adapters(3)]
    mean = mean_weights([as_torch(state) for state in states])
    whole = np.mean([change(state) for state in states], axis=0)
    left, values, right = np.linalg.svd(whole)
    nearest = (left[:, :2] * values[:2]) @ right[:2]
    assert change(mean) == pytest.approx(nearest, abs=1e-5)
    assert not np.allclose(change(mean), whole, atol=1e-2)  # three of rank two are more than that
    factors = [np.mean([s[f"layer.lora_{w}.default.weight"] for s in states], 0) for w in "BA"]
    assert not np.allclose(change(mean), factors[0] @ factors[1], atol=1e-2)
    heads = np.mean([state["heads.weight"] for state in states], axis=0)
    assert np.asarray(mean["heads.weight"]) == pytest.approx(heads, abs=1e-6)


def test_what_is_fitted_later_or_not_everywhere_is_left_out():
    one, other = as_torch(adapters(1)), as_torch(adapters(2))
    other["new.weight"] = torch.ones(2)
    assert set(mean_weights([one, other])) == set(one) - {"topic.centre"}


def test_a_rank_above_the_matrix_keeps_the_whole_mean_and_the_shapes():
    states = [adapters(seed, rank=6) for seed in (1, 2)]
    mean = mean_weights([as_torch(state) for state in states])
    assert change(mean) == pytest.approx(np.mean([change(s) for s in states], axis=0), abs=1e-5)
    assert {name: tuple(w.shape) for name, w in mean.items()} == {
        name: w.shape for name, w in states[0].items() if name != "topic.centre"
    }


@pytest.mark.parametrize("model", ["baseline", "mvc"])
def test_the_soups_checkpoint_is_the_mean_of_the_checkpoints(
    run_small, encoder, prepared, comments, tmp_path, model
):
    runs = {seed: run_small(model, seed)[0] for seed in (1, 2)}
    recipe = small_recipe(model, encoder)
    with use_data_directory(comments):
        result = train_soup(recipe, prepared, tmp_path / "soup", runs=runs)
        again = train_soup(recipe, prepared, tmp_path / "soup", runs=runs)
        with pytest.raises(UsageError, match="another recipe, seed or data"):
            train_soup(recipe, prepared, tmp_path / "soup", runs=dict(reversed(runs.items())))
    assert again == result
    assert result["seeds"] == [1, 2]
    assert "seed" not in result
    one, other, soup = (
        load_file(folder / "checkpoint" / "model.safetensors")
        for folder in (*runs.values(), tmp_path / "soup")
    )
    changed = [name for name in soup if not np.allclose(one[name], other[name])]
    assert len(changed) > 5
    for name in changed:
        assert soup[name] == pytest.approx((one[name] + other[name]) / 2, abs=1e-6), name
    card = (tmp_path / "soup" / "checkpoint" / "README.md").read_text()
    assert "the mean of the weights of seeds 1, 2" in card


def test_a_soup_of_adapters_has_an_adapter_that_gives_its_checkpoint(
    run_small, encoder, prepared, comments, tmp_path
):
    from empeval_empathy.checkpoints import load_checkpoint

    runs = {seed: run_small("baseline", seed, method="lora")[0] for seed in (1, 2)}
    out = tmp_path / "soup"
    with use_data_directory(comments):
        train_soup(small_recipe("baseline", encoder, method="lora"), prepared, out, runs=runs)
    whole, adapted = (
        load_checkpoint(out / which)[0].state_dict() for which in ("checkpoint", "adapter")
    )
    assert whole.keys() == adapted.keys()
    for name, weights in whole.items():
        assert torch.allclose(weights, adapted[name], atol=2e-3), name  # it is in half precision


def test_a_run_without_the_weights_of_its_last_stage_is_refused(tmp_path):
    with pytest.raises(UsageError, match="needs the weights of each run's last stage"):
        load_weights(tmp_path / "both.safetensors")
    (tmp_path / "both.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="train that seed anew"):
        load_weights(tmp_path / "both.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "both.safetensors")
    assert load_weights(tmp_path / "both.safetensors")["a"].tolist() == [1.0]


def test_the_command_trains_the_seeds_and_their_soup(cli, encoder, prepared, tmp_path):
    small = ",".join(f"{k}={v}" for k, v in (SMALL | {"encoder": encoder}).items())
    command = ("train", "baseline", "--data", prepared, "--out", "runs", "--config", "minilm",
               "--set", small)  # fmt: skip
    outcome = cli(*command, "--seed", "1,2", "--soup")
    assert outcome.code == 0, outcome.err
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [
        "baseline-1", "baseline-2", "baseline-soup",
    ]  # fmt: skip
    assert "runs/baseline-soup" in outcome.out
    result = json.loads((tmp_path / "runs" / "baseline-soup" / "result.json").read_text())
    assert result["seeds"] == [1, 2]
    again = cli(*command, "--seed", "1,2", "--soup")
    assert (again.code, again.out, again.err) == (0, outcome.out, "")
    alone = cli(*command, "--seed", "1,1", "--soup")
    assert alone.code == 2
    assert "--seed 17,39,43" in alone.err
