"""What ``openvino:`` hands to its engine and refuses to; nothing here needs the engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from support.asking import refused
from support.tiny_gguf import write_gguf
from support.tiny_models import byte_tokenizer, make_random_model

from empeval.generators.hf import HuggingFace
from empeval.generators.openvino import OpenVINO
from empeval.generators.openvino.convert import write_gguf as convert
from empeval.generators.openvino.engine import reason, seed_of
from empeval.generators.openvino.files import gguf_facts


def change(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True, "rope_parameters": {"rope_theta": 300.0}}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 128}),  # the width that transformers supposes
    ],
)
def test_transformers_reads_the_same_model_out_of_what_is_written(tmp_path, family, options):
    import torch
    from transformers import AutoModelForCausalLM

    model = make_random_model(tmp_path, family, **options)
    model = model.half().float()
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1 or options.get("tie_word_embeddings")
    convert(tmp_path, model.config, tmp_path / "made.gguf")
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="made.gguf")
    ids = torch.tensor([[5, 60, 7, 200, 31]])
    with torch.no_grad():
        expected = model(ids).logits
        torch.testing.assert_close(read(ids).logits, expected, atol=5e-3, rtol=0)
    assert expected.std() > 0.5


@pytest.mark.parametrize(
    ("family", "entries", "why"),
    [
        ("mistral", {}, "it is of the type 'mistral'"),
        ("llama", {"hidden_act": "gelu"}, "its activation is 'gelu'"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
            "its positions are scaled ('linear')",
        ),
        ("llama", {"attention_bias": True}, "its layers have biases"),
        ("llama", {"mlp_bias": True}, "its layers have biases"),
        ("qwen2", {"use_sliding_window": True}, "sliding window"),
    ],
)
def test_a_folder_that_would_be_computed_wrongly_is_refused(
    tmp_path, with_engine, family, entries, why
):
    make_random_model(tmp_path, family)
    change(tmp_path, **entries)
    message = str(refused(lambda: OpenVINO(str(tmp_path)).prepare({})).value)
    assert message.startswith(f"OpenVINO cannot compute {tmp_path}")
    assert why in message
    assert "optimum-cli export openvino" in message


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"rope_freqs.weight": np.ones(4, dtype=np.float32)}, "its positions are scaled"),
        ({"architecture": "gemma"}, "it is of the type 'gemma'"),
        ({"blk.0.attn_q.bias": np.ones(32, dtype=np.float32)}, "its layers have biases"),
    ],
)
def test_so_is_a_gguf_file(tmp_path, with_engine, more, why):
    model = make_random_model(tmp_path, num_attention_heads=1, num_key_value_heads=1)
    write_gguf(tmp_path / "tiny.gguf", model, byte_tokenizer(), **more)
    generator = OpenVINO(str(tmp_path / "tiny.gguf"))
    assert why in str(refused(lambda: generator.prepare({})).value)


@pytest.fixture
def with_engine(monkeypatch):
    """A machine on which the engine is found; nothing of it is used."""
    if "openvino_genai" not in sys.modules:
        monkeypatch.setitem(sys.modules, "openvino_genai", type(sys)("openvino_genai"))


def test_weights_that_are_no_safetensors_are_refused(tmp_path):
    import torch

    model = make_random_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    message = refused(lambda: convert(tmp_path, model.config, tmp_path / "made.gguf")).value
    assert "gets weights as safetensors" in str(message)


def test_a_tensor_without_a_name_there_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    model = make_random_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.layers.0.self_attn.extra.weight"] = weights["model.norm.weight"].clone()
    save_file(weights, tmp_path / "model.safetensors")
    message = refused(lambda: convert(tmp_path, model.config, tmp_path / "made.gguf")).value
    assert "model.layers.0.self_attn.extra.weight" in str(message)


@pytest.mark.parametrize("lacking", ["openvino_model.bin", "config.json", "tokenizer.json"])
def test_a_folder_in_openvinos_format_that_lacks_something_is_refused(tmp_path, lacking):
    make_random_model(tmp_path)
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / name).write_text("x")
    (tmp_path / lacking).unlink()
    assert f"no {lacking}" in str(refused(lambda: OpenVINO(str(tmp_path))).value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"engine": "1"}, "engine is no JSON object"),
        ({"engine": '{"INFERENCE_PRECISION_HINT": "f32"}'}, "is what dtype says"),
        ({"batch": 0}, "batch is 0"),
        ({"dtype": "bfloat16", "engine": '{"INFERENCE_NUM_THREADS": 1}'}, "with one thread"),
        ({"revision": "main"}, "'revision' goes with a hub id"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, options, why):
    make_random_model(tmp_path)
    assert why in str(refused(lambda: OpenVINO(str(tmp_path), **options)).value)
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / name).write_text("x")
    assert why in str(refused(lambda: OpenVINO(str(tmp_path), **options)).value)


def test_its_card_is_that_of_hf_with_engine_and_weights(tmp_path):
    make_random_model(tmp_path / "model")
    folder = str(tmp_path / "model")
    plain = HuggingFace(folder, dtype="float32", device="cpu").card
    card = OpenVINO(folder).card
    assert (card.name, card.fingerprint) == (plain.name, plain.fingerprint)
    assert {name: card.details[name] for name in plain.details} == plain.details
    assert card.details["weights"] == "float16"
    assert card.details["engine"].startswith("openvino-genai ")
    assert OpenVINO(folder).runtime()["properties"] == {
        "INFERENCE_PRECISION_HINT": "f32",
        "KV_CACHE_PRECISION": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    }
    other = OpenVINO(folder, dtype="float16", engine='{"KV_CACHE_PRECISION": "u8"}')
    assert other.card.details["engine_properties"] == {"KV_CACHE_PRECISION": "u8"}
    assert other.runtime()["properties"] == {
        "INFERENCE_PRECISION_HINT": "f16",
        "KV_CACHE_PRECISION": "u8",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    }


def test_without_the_engine_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_genai", None)
    make_random_model(tmp_path)
    generator = OpenVINO(str(tmp_path))
    assert generator.card.name  # nothing of it is needed to look around
    sentence = "needs openvino_genai, which is not installed: pip install 'empeval[openvino]'"
    assert sentence in str(refused(lambda: generator.prepare({})).value)


def test_what_the_engine_says_is_told_in_a_line():
    error = RuntimeError(
        "Exception from src/core.cpp:117:\nException from src/plugin.cpp:54:\n"
        "Check 'a > 0' failed at /home/b/sampler.cpp:970:\nno room: it is full\n\n"
    )
    assert reason(error) == "Check 'a > 0' failed: no room: it is full"
    assert reason(RuntimeError("map::at")) == "map::at"
    assert reason(RuntimeError("")) == "RuntimeError"


def test_a_row_has_a_seed_of_its_own():
    seeds = {seed_of(seed, name) for seed in range(20) for name in ("1", "11", "a")}
    assert len(seeds) == 60
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, "1") == seed_of(1, "1") != seed_of(11, "")


def test_importing_it_imports_nothing_heavy():
    body = (
        "import sys, empeval.generators.openvino\n"
        "print({'torch', 'transformers', 'openvino', 'openvino_genai', 'gguf'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00 cut off")
    assert "is damaged or no GGUF file" in str(refused(lambda: gguf_facts(path)).value)
    assert "tiny.gguf" in str(refused(lambda: OpenVINO(str(path)).card).value)
    shutil.rmtree(tmp_path)
    assert "There is no file" in str(refused(lambda: OpenVINO(str(path))).value)
