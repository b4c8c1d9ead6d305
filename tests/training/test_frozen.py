"""Frozen lower layers: what is computed once is what the whole encoder computes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.small_recipes import small_recipe
from support.tiny_encoder import make_tiny_encoder, tiny_examples

from empeval import UsageError
from empeval_empathy.checkpoints import load_checkpoint
from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue, ViewBuilder
from empeval_training import train as module
from empeval_training.data import read_examples
from empeval_training.frozen import LowerStates, UpperLayers, freeze_lower
from empeval_training.metrics import people_metrics
from empeval_training.networks import load_tokenizer, read_encoder
from empeval_training.train import train

KINDS = ("bert", "roberta", "mpnet")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """A lively encoder of three layers of each kind."""
    from safetensors.torch import save_file

    folders = {}
    for kind in KINDS:
        folder = make_tiny_encoder(tmp_path_factory.mktemp("kinds") / kind, kind, layers=3)
        weights = load_file(folder / "model.safetensors")
        strong = {n: 8 * w if w.ndim == 2 and "embeddings" not in n else w
                  for n, w in weights.items()}  # fmt: skip
        save_file(strong, folder / "model.safetensors", metadata={"format": "pt"})
        folders[kind] = folder
    return folders


def rows_of(encoder, count=12):
    views = ViewBuilder(load_tokenizer(encoder), 64)
    examples = tiny_examples("train")[:count]
    built = views.build([Dialogue(e.context, e.reply) for e in examples])
    return views, [v.full for v in built] + [v.context for v in built]


@pytest.mark.parametrize("frozen", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_upper_layers_over_kept_states_are_the_whole_encoder(encoders, kind, frozen):
    views, rows = rows_of(encoders[kind])
    encoder = read_encoder(encoders[kind], kind, 64).eval()
    with torch.inference_mode():
        whole = encoder(**views.tensors(rows)).last_hidden_state
    states = LowerStates(encoder, frozen, views, bf16=False)
    states.compute(rows, "")
    with torch.inference_mode():
        kept = UpperLayers(encoder, frozen)(**states.tensors(rows)).last_hidden_state
    for place, row in enumerate(rows):  # padding may hold anything
        own = kept[place, : len(row.ids)], whole[place, : len(row.ids)]
        assert torch.allclose(*own, atol=0.02), (own[0] - own[1]).abs().max()
    assert whole.std() > 0.5  # or the tolerance would say nothing


def test_the_lower_states_are_those_between_the_layers(encoders):
    views, rows = rows_of(encoders["bert"], 5)
    encoder = read_encoder(encoders["bert"], "x", 64).eval()
    with torch.inference_mode():
        between = encoder(**views.tensors(rows), output_hidden_states=True).hidden_states[2]
    states = LowerStates(encoder, 2, views, bf16=False)
    states.compute(rows, "")
    found = states.tensors(rows)
    assert found["attention_mask"].sum(1).tolist() == [len(row.ids) for row in rows]
    for place, row in enumerate(rows):
        expected = between[place, : len(row.ids)].half().float()
        assert torch.allclose(found["states"][place, : len(row.ids)], expected, atol=5e-3)


def test_each_row_is_computed_once_and_in_whatever_order_it_is_asked_for(encoders):
    views, rows = rows_of(encoders["bert"], 6)
    encoder = read_encoder(encoders["bert"], "x", 64)
    seen = []
    encoder.embeddings.register_forward_hook(lambda _, __, out: seen.append(len(out)))
    states = LowerStates(encoder, 1, views, bf16=False)
    states.compute([*rows[:4], *rows[:4]], "")
    first = states.tensors(rows[:4])["states"]
    states.compute(rows, "")
    assert sum(seen) == len({(r.reply_start, *r.ids) for r in rows})
    again = states.tensors(rows[3::-1])["states"]
    assert torch.equal(again.flip(0), first)
    assert encoder.training == read_encoder(encoders["bert"], "x", 64).training
    states.forget()
    with pytest.raises(KeyError):
        states.tensors(rows[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_trains_above_moves_what_is_kept(encoders, kind):
    views, rows = rows_of(encoders[kind], 4)
    encoder = read_encoder(encoders[kind], kind, 64)
    freeze_lower(encoder, 1)
    upper = UpperLayers(encoder, 1)
    before, after = (LowerStates(encoder, 1, views, bf16=False) for _ in range(2))
    before.compute(rows, "")
    for weight in upper.parameters():
        assert weight.requires_grad
        weight.data += 0.5
    after.compute(rows, "")
    assert torch.equal(before.tensors(rows)["states"], after.tensors(rows)["states"])


def lower_weights(state, frozen):
    """Weights of embeddings and lower layers, by their name in the encoder."""
    found = {}
    for name, weight in state.items():
        name = name.removeprefix("encoder.")
        number = re.search(r"layer\.(\d+)\.", name)
        shared = name.startswith("embeddings.") or "relative_attention_bias" in name
        if shared or (number and int(number[1]) < frozen):
            found[name] = weight
    return found


@pytest.mark.parametrize(
    ("kind", "model", "method"),
    [("bert", "mvc", "lora"), ("mpnet", "baseline", "lora"), ("mpnet", "mvc", "full"),
     ("roberta", "stm", "full")],
)  # fmt: skip
def test_training_leaves_the_frozen_layers_and_measures_the_checkpoint_that_it_writes(
    encoders, prepared, tmp_path, kind, model, method
):
    recipe = small_recipe(model, encoders[kind], method=method, frozen_layers="2",
                          train_examples="32", learning_rate="0.01",
                          encoder_dropout="0")  # fmt: skip
    result = train(recipe, prepared, tmp_path / "run", seed=17)
    loaded, _ = load_checkpoint(tmp_path / "run" / "checkpoint")
    original = load_file(encoders[kind] / "model.safetensors")
    kept = lower_weights(loaded.state_dict(), 2)
    assert len(kept) > 30
    for name, weight in kept.items():
        assert torch.equal(weight, original[name]), name
    top = [n for n in original if n.startswith("encoder.layer.2.") and n.endswith("dense.weight")]
    assert any(not torch.equal(loaded.state_dict()[f"encoder.{n}"], original[n]) for n in top)

    rated = read_examples(prepared, "rated")
    judge = Judge(tmp_path / "run" / "checkpoint")
    judged = judge.judge([Dialogue(e.context, e.reply) for e in rated])
    own = people_metrics(rated, {"empathy": judged.empathy, "mechanisms": judged.mechanisms})
    assert own == pytest.approx(result["figures"]["people"], abs=0.02)

    if method == "lora":
        adapted, _ = load_checkpoint(tmp_path / "run" / "adapter")
        for name, weight in loaded.state_dict().items():
            assert torch.allclose(adapted.state_dict()[name], weight, atol=5e-3), name
        adapters = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
        numbers = {m[1] for name in adapters if (m := re.search(r"layer\.(\d+)\.", name))}
        assert numbers == {"2"}


def test_mpnets_queries_keys_values_and_outputs_get_adapters(encoders, prepared, tmp_path):
    recipe = small_recipe("baseline", encoders["mpnet"], method="lora", frozen_layers="1",
                          train_examples="16")  # fmt: skip
    train(recipe, prepared, tmp_path / "run", seed=17)
    names = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    adapted = {n.partition(".lora_")[0].rpartition(".")[2] for n in names if ".lora_" in n}
    assert adapted == {"q", "k", "v", "o", "dense"}
    for layer in (1, 2):
        for part in "qkvo":
            weight = next(w for n, w in names.items()
                          if f"layer.{layer}." in n and f".{part}.lora_B" in n)  # fmt: skip
            assert weight.abs().sum() > 0  # it learned


def test_a_second_seed_of_the_same_process_computes_no_state_again(
    deep, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_LOWER", {})
    computed = []
    plain = LowerStates.compute

    def compute(self, rows, what):
        before = len(self._flat)
        plain(self, rows, what)
        computed.append(len(self._flat) - before)

    monkeypatch.setattr(LowerStates, "compute", compute)
    recipe = small_recipe("mvc", deep, frozen_layers="1")
    train(recipe, prepared, tmp_path / "one", seed=1)
    first, computed[:] = list(computed), []
    second = train(recipe, prepared, tmp_path / "two", seed=2)
    assert sum(first) > 0
    assert len(computed) == len(first)
    assert sum(computed) == 0
    module._LOWER.clear()
    alone = train(recipe, prepared, tmp_path / "three", seed=2)
    assert alone["figures"]["human"] == pytest.approx(second["figures"]["human"], abs=1e-6)


@pytest.mark.parametrize("frozen", ["3", "7"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_more_frozen_layers_than_there_are_to_spare_are_refused(
    deep, prepared, tmp_path, method, frozen
):
    recipe = small_recipe("baseline", deep, method=method, frozen_layers=frozen)
    with pytest.raises(UsageError, match=f"frozen_layers is {frozen}, but the encoder has 3"):
        train(recipe, prepared, tmp_path / "run", seed=17)
    assert not (tmp_path / "run").exists()


def test_states_are_kept_in_half_precision(deep):
    views, rows = rows_of(deep, 3)
    states = LowerStates(read_encoder(deep, "x", 64), 1, views, bf16=False)
    states.compute(rows, "")
    found = states.tensors(rows)["states"].numpy()
    assert np.array_equal(found, found.astype(np.float16).astype(np.float32))
