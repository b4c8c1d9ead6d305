"""What ``hf:`` says of weights that are damaged, incomplete or more than data."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
from support.asking import refused, texts
from support.tiny_models import byte_tokenizer, make_scripted_model

from empeval import UsageError
from empeval.generators.hf import HuggingFace


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a scripted model."""
    folder = tmp_path_factory.mktemp("saved") / "my-model"
    make_scripted_model(folder, {"a": ["fine", "!"], "b": ["bad"]})
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(saved, tmp_path / "my-model")


def use(folder, load):
    generator = HuggingFace(str(folder), device="cpu")
    if load:
        texts(generator, ["a"])


def refusal(folder, *, load=True):
    """The error with which a model is refused."""
    return refused(lambda: use(folder, load))


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_weights_that_are_cut_off_are_refused_before_anything_is_loaded(folder, length):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    error = refusal(folder, load=False)
    assert error.match("model.safetensors is (no safetensors file|cut off or damaged)")
    assert error.type is UsageError


@pytest.mark.parametrize(
    "header", [b"{}trailing", b"[1]", b'{"w": 3}', b'{"w": {"data_offsets": ["a", {}]}}', b"\xff"]
)
def test_weights_with_a_senseless_header_are_refused(folder, header):
    start = len(header).to_bytes(8, "little")
    (folder / "model.safetensors").write_bytes(start + header + b"0000")
    assert refusal(folder, load=False).match("is (no safetensors file|cut off or damaged)")


@pytest.mark.parametrize("cut_at", [0, 7, 8, 9, "end", "longer"])
def test_a_file_that_is_not_as_long_as_its_header_says_is_refused_and_a_whole_one_is_not(
    folder, cut_at
):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    assert use(folder, load=False) is None
    header = int.from_bytes(whole[:8], "little")
    cut = {"end": whole[: 8 + header], "longer": whole + b"\0"}
    path.write_bytes(cut[cut_at] if cut_at in cut else whole[:cut_at])
    assert refusal(folder, load=False).match(
        r"is cut off or damaged, or no safetensors file \(.+\)"
    )


def test_what_stands_in_the_place_of_weights_that_were_not_fetched_is_refused(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n"
    (folder / "model.safetensors").write_text(pointer, encoding="utf-8")
    assert refusal(folder, load=False).match("no safetensors file")


def in_shards(folder):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="300KB")
    return sorted(path.name for path in folder.glob("model-*.safetensors"))


def test_weights_in_shards_are_loaded_and_all_have_to_be_there(folder):
    shards = in_shards(folder)
    assert len(shards) > 1
    assert texts(HuggingFace(str(folder), device="cpu"), ["a"]) == ["fine!"]
    (folder / shards[1]).unlink()
    error = refusal(folder, load=False)
    assert error.match(f"lacks weights that its index names: {shards[1]}")


def test_a_shard_that_is_cut_off_is_named(folder):
    shards = in_shards(folder)
    path = folder / shards[-1]
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(folder, load=False).match(f"{shards[-1]} is cut off or damaged")


@pytest.mark.parametrize("index", ["{}", '{"weight_map": []}', '{"weight_map": {}}', "nonsense"])
def test_a_senseless_index_of_weights_is_refused(folder, index):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    assert refusal(folder, load=False).match("index.json (names no weights|cannot be read as JSON)")


def test_weights_that_lack_a_tensor_are_refused_rather_than_made_up(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert refusal(folder).match("lack 1 of the model's tensors, such as lm_head.weight")


def test_weights_of_another_shape_are_refused(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"intermediate_size": 8}))
    assert refusal(folder).match("do not fit its configuration: 3 tensors have another shape")


def test_an_encoder_without_a_head_to_write_with_is_refused(tmp_path):
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=259, intermediate_size=8, **sizes)).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    assert refusal(tmp_path).match("lack .* of the model's tensors")


def as_pickle(folder, weights):
    import torch

    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def test_old_pickled_weights_are_loaded_as_data(folder):
    from safetensors.torch import load_file

    as_pickle(folder, load_file(folder / "model.safetensors"))
    generator = HuggingFace(str(folder), device="cpu")
    assert texts(generator, ["a", "b"]) == ["fine!", "bad"]


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return open, (str(self.witness), "w")


def test_a_pickle_that_would_run_code_is_refused_and_does_not(folder, tmp_path):
    witness = tmp_path / "witness"
    pickle.loads(pickle.dumps(Payload(tmp_path / "works"))).close()
    assert (tmp_path / "works").exists()
    as_pickle(folder, {"lm_head.weight": Payload(witness)})
    error = refusal(folder)
    assert error.match("its weights are a pickle that would run code, which empeval never does")
    assert not witness.exists()
