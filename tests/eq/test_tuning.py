"""SFT and DPO on a tiny model: adapters, figures, cards, resume."""

from __future__ import annotations

import json

import pytest

from empeval import DataError, UsageError
from empeval.data import use_data_directory
from empeval_training.eq.prepare import prepare_dpo, prepare_sft, read_chats, read_split
from empeval_training.eq.recipes import load_tuning
from empeval_training.eq.tuning import tune

SMALL = {
    "lora_rank": "2",
    "lora_alpha": "4",
    "batch_size": "2",
    "gradient_accumulation": "1",
    "learning_rate": "0.01",
    "train_examples": "8",
    "eval_examples": "4",
    "max_length": "400",
    "evaluations": "2",
    "gradient_checkpointing": "false",
}


@pytest.fixture(scope="module")
def data(mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with use_data_directory(mirror):
        prepare_sft(folder / "sft", temperature=2, total=30, validation=9, seed=17)
        prepare_dpo(folder / "dpo", limit=20, validation=9, seed=17)
    return folder


@pytest.fixture(scope="module")
def recipe(tiny_base):
    def make(step, **changes):
        return load_tuning(step, "cpu", SMALL | {"base": str(tiny_base)} | changes)

    return make


@pytest.fixture(scope="module")
def sft(recipe, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "sft"
    return out, tune("sft", recipe("sft"), data / "sft", out, adapter=None, seed=17)


@pytest.fixture(scope="module")
def dpo(recipe, data, sft, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "dpo"
    adapter = sft[0] / "adapter"
    return out, tune("dpo", recipe("dpo"), data / "dpo", out, adapter=adapter, seed=17)


def test_sft_learns_and_leaves_an_adapter_that_runs(sft, tiny_base, cli):
    out, result = sft
    assert result["figures"]["after"]["loss"] < result["figures"]["before"]["loss"]
    facts = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert facts["base_model_name_or_path"] == str(tiny_base)
    card = (out / "adapter" / "README.md").read_text()
    assert f"{result['figures']['after']['loss']:.4f}" in card
    assert "non-commercial" in card
    assert not (out / "checkpoints").exists()
    words = ("run", "--model", f"hf:{tiny_base}", "--tasks", "ed-mini", "--scorers", "surface")
    outcome = cli(*words, "--model-args", f"adapter={out / 'adapter'}", "--limit", "1",
                  "--max-tokens", "4", "--out", "run")  # fmt: skip
    assert outcome.code == 0, outcome.err


def test_dpo_goes_on_with_the_sft_adapter_as_its_reference(dpo, sft):
    out, result = dpo
    before, after = result["figures"]["before"], result["figures"]["after"]
    assert before["reward_accuracy"] == 0.5
    assert before["reward_margin"] == 0
    assert after["reward_margin"] != 0
    assert set(after["reward_accuracy_by_rule"]) <= {"failed-talk", "other-strategy", "other-talk"}
    assert result["adapter"].startswith("sha256:")
    names = {path.name for path in (out / "adapter").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md"} <= names
    assert "ref" not in names


def test_a_finished_run_is_left_alone(sft, recipe, data):
    out, result = sft
    stamp = (out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    assert tune("sft", recipe("sft"), data / "sft", out, adapter=None, seed=17) == result
    assert (out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == stamp


def test_another_question_does_not_go_into_the_same_folder(sft, recipe, data):
    with pytest.raises(UsageError, match="another recipe, seed or data"):
        tune("sft", recipe("sft"), data / "sft", sft[0], adapter=None, seed=18)


@pytest.mark.parametrize("step", ["sft", "dpo"])
def test_an_interrupted_run_goes_on_and_ends_alike(
    step, sft, dpo, recipe, data, tmp_path, monkeypatch
):
    from safetensors.numpy import load_file
    from transformers import Trainer

    whole, expected = sft if step == "sft" else dpo
    adapter = None if step == "sft" else sft[0] / "adapter"
    out = tmp_path / step
    do_step = Trainer.training_step
    seen = []

    def interrupted(self, *arguments, **keywords):
        seen.append(1)
        if len(seen) == 4:  # after the checkpoint at step 2
            raise KeyboardInterrupt
        return do_step(self, *arguments, **keywords)

    monkeypatch.setattr(Trainer, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(step, recipe(step), data / step, out, adapter=adapter, seed=17)
    assert not (out / "result.json").exists()
    result = tune(step, recipe(step), data / step, out, adapter=adapter, seed=17)
    assert len(seen) == 4 + 2, "steps 1 and 2 are not done again"
    key = "loss" if step == "sft" else "reward_margin"
    for side in ("before", "after"):
        found = result["figures"][side][key]
        assert found == pytest.approx(expected["figures"][side][key], abs=1e-4)
    one = load_file(whole / "adapter" / "adapter_model.safetensors")
    two = load_file(out / "adapter" / "adapter_model.safetensors")
    for name, weight in one.items():
        assert two[name] == pytest.approx(weight, abs=1e-5)


def test_an_adapter_of_another_base_is_refused_with_what_to_set(sft, recipe, data, tmp_path):
    other = recipe("dpo", base="packaged:smollm2-135m-instruct")
    with pytest.raises(UsageError, match="--set base="):
        tune("dpo", other, data / "dpo", tmp_path / "dpo", adapter=sft[0] / "adapter", seed=1)
    with pytest.raises(UsageError, match="is no adapter"):
        tune("dpo", other, data / "dpo", tmp_path / "dpo", adapter=tmp_path, seed=1)


def test_data_of_the_other_step_and_no_data_are_refused(recipe, data, tmp_path):
    with pytest.raises(UsageError, match="holds data for sft, not for dpo"):
        tune("dpo", recipe("dpo"), data / "sft", tmp_path / "out", adapter=None, seed=1)
    with pytest.raises(UsageError, match="empeval train prepare-sft"):
        tune("sft", recipe("sft"), tmp_path, tmp_path / "out", adapter=None, seed=1)


def test_an_edited_line_that_is_wrong_is_named(data, tmp_path):
    import shutil

    folder = shutil.copytree(data, tmp_path / "data")
    path = folder / "dpo" / "pairs-train.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[2])
    lines[2] = json.dumps({**row, "rejected": row["chosen"]})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="line 3: 'chosen' and 'rejected' are the same"):
        read_split(folder / "dpo", "train")
    path = folder / "sft" / "train.jsonl"
    path.write_text(
        path.read_text() + '{"id": "x", "source": "mine", "prompt": [], "completion": []}\n'
    )
    with pytest.raises(DataError, match="line 31: the completion must be one assistant message"):
        read_chats(folder / "sft", "train")


def test_what_cannot_be_had_here_is_refused_clearly(recipe, data, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for changes, message in (
        ({"backend": "unsloth"}, "unsloth needs a GPU"),
        ({"quantize": "4bit"}, "4bit needs a GPU and bitsandbytes"),
        ({"max_length": "32"}, "No example fits into max_length = 32"),
    ):
        with pytest.raises(UsageError, match=message):
            tune(
                "sft", recipe("sft", **changes), data / "sft", tmp_path / "x", adapter=None, seed=1
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": "0"}, "beta is 0"),
        ({"lora_rank": "0"}, "lora_rank is 0"),
        ({"warmth": "1"}, "no field 'warmth'"),
        ({"backend": "magic"}, "backend is 'magic'"),
        ({"learning_rate": "nan"}, "learning_rate is nan"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        load_tuning("dpo", None, changes)
