"""The last stage several times, and the mean of the weights."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from support.small_recipes import small_recipe

from empeval import UsageError
from empeval_training.data import read_examples
from empeval_training.soup import mean_weights


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


@pytest.fixture
def rated_data(prepared, tmp_path):
    """Prepared data with replies whose exploration people rated."""
    data = shutil.copytree(prepared, tmp_path / "ed")
    human = next(e for e in read_examples(data, "train") if e.variant == "human")
    said = {"variant": "rated:epitome", "empathy": None, "ratings": {"exploration": 2.0}}
    made = [msgspec.structs.replace(human, id=f"epitome:{n}", **said) for n in range(40)]
    with open(data / "train.jsonl", "ab") as file:
        file.writelines(msgspec.json.encode(e) + b"\n" for e in made)
    return data


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_last_stage_ends_with_the_mean_of_its_runs(run_small, rated_data, method):
    changes = {"people_epochs": "1", "people_runs": "3"}
    out, result = run_small("mvc", data=rated_data, method=method, **changes)
    runs = [load_file(out / "stages" / f"people-{n}.safetensors") for n in (1, 2, 3)]
    mean = load_file(out / "stages" / "people.safetensors")
    assert result["recipe"]["people_runs"] == 3
    apart = [name for name in mean if not np.allclose(runs[0][name], runs[1][name])]
    assert len(apart) > 5
    for name in apart:
        if "lora_" not in name:
            assert mean[name] == pytest.approx(np.mean([r[name] for r in runs], 0), abs=1e-6), name
    for name in (n for n in mean if ".lora_A." in n):
        other = name.replace("lora_A", "lora_B")
        whole = np.mean([r[other] @ r[name] for r in runs], axis=0)
        left, values, right = np.linalg.svd(whole)
        rank = len(mean[name])
        nearest = (left[:, :rank] * values[:rank]) @ right[:rank]
        assert mean[other] @ mean[name] == pytest.approx(nearest, abs=1e-5), name


def test_one_run_is_the_stage_itself_and_the_first_of_several(run_small, rated_data, tmp_path):
    changes = {"people_epochs": "1", "people_runs": "1"}
    one, _ = run_small("baseline", out=tmp_path / "one", data=rated_data, **changes)
    changes["people_runs"] = "2"
    several, _ = run_small("baseline", out=tmp_path / "two", data=rated_data, **changes)
    assert not (one / "stages" / "people-1.safetensors").exists()
    alone = load_file(one / "stages" / "people.safetensors")
    first = load_file(several / "stages" / "people-1.safetensors")
    assert alone.keys() == first.keys()
    for name, own in alone.items():
        assert own == pytest.approx(first[name], abs=1e-6), name


def test_an_interrupted_mean_goes_on_with_the_runs_that_are_done(run_small, rated_data):
    changes = {"people_epochs": "1", "people_runs": "2"}
    out, whole = run_small("baseline", data=rated_data, **changes)
    kept = (out / "stages" / "people-1.safetensors").read_bytes()
    for name in ("people-2", "people", "topic"):
        (out / "stages" / f"{name}.safetensors").unlink(missing_ok=True)
    (out / "result.json").unlink()
    _, again = run_small("baseline", data=rated_data, **changes)
    assert again["figures"] == whole["figures"]
    assert (out / "stages" / "people-1.safetensors").read_bytes() == kept


def test_no_runs_at_all_are_refused(encoder):
    with pytest.raises(UsageError, match="people_runs"):
        small_recipe("baseline", encoder, people_runs="0")
