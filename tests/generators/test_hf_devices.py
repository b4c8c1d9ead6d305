"""Where an ``hf:`` model computes, and in which numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from support.asking import refused, texts
from support.tiny_models import make_random_model, make_scripted_model

from empeval import UsageError
from empeval.generators.hf import HuggingFace, loading
from empeval.registry import build


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scripted model, stored as float32."""
    made = tmp_path_factory.mktemp("model")
    make_scripted_model(made, {"a": ["fine", "!"], "b": ["bad"]})
    return str(made)


def stored_as(folder, dtype):
    make_random_model(folder).to(dtype).save_pretrained(folder)
    return str(folder)


def dtype_of(folder, **options):
    return HuggingFace(folder, **options).card.details["dtype"]


@pytest.mark.parametrize("stored", ["float32", "bfloat16", "float16"])
def test_auto_is_float32_on_a_processor_without_bfloat16_units(tmp_path, monkeypatch, stored):
    import torch

    monkeypatch.setattr(loading, "cpu_has_bf16", lambda: False)
    assert dtype_of(stored_as(tmp_path, getattr(torch, stored)), device="cpu") == "float32"


@pytest.mark.parametrize("stored", ["float32", "bfloat16", "float16"])
def test_auto_is_as_stored_on_a_processor_with_them(tmp_path, monkeypatch, stored):
    import torch

    monkeypatch.setattr(loading, "cpu_has_bf16", lambda: True)
    assert dtype_of(stored_as(tmp_path, getattr(torch, stored)), device="cpu") == stored


@pytest.mark.parametrize(
    ("flags", "has"),
    [
        ("fpu avx512f avx512_bf16 amx_tile", True),
        ("amx_bf16", True),
        ("Features : asimd bf16 sve", True),
        ("fpu avx512f avx512_vnni", False),
        ("model name: nobf16", False),
    ],
)
def test_the_processor_s_flags_tell_whether_it_has_them(monkeypatch, flags, has):
    monkeypatch.setattr(Path, "read_text", lambda self, **options: f"processor: 0\n{flags}\n")
    assert loading.cpu_has_bf16() is has


def test_a_system_that_does_not_list_them_has_none(monkeypatch):
    def missing(self, **options):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert loading.cpu_has_bf16() is False


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_dtype_that_is_asked_for_is_computed_in(folder, dtype):
    generator = HuggingFace(folder, dtype=dtype, device="cpu")
    assert texts(generator, ["a", "b"]) == ["fine!", "bad"]
    assert generator.card.details["dtype"] == dtype
    model = generator._answerer._decoder.model
    assert {str(p.dtype) for p in model.parameters()} == {f"torch.{dtype}"}


@pytest.mark.parametrize(
    "device", ["gpu", "cpu:", "cuda:99", "meta", "", "cpu,cuda", "npu", "vulkan"]
)
def test_a_device_that_is_not_there_is_refused_before_the_run(folder, device):
    error = refused(lambda: HuggingFace(folder, device=device).prepare({}))
    assert error.type is UsageError
    assert error.match(f"The device '{device}' cannot be used: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtype": "int8"}, "'dtype' .* is 'int8'; it takes one of auto, float32, bfloat16"),
        ({"quantize": "2bit"}, "'quantize' .* is '2bit'; it takes one of 4bit, 8bit"),
        ({"batch_tokens": "many"}, "'batch_tokens' .* is 'many'; it takes a whole number"),
        ({"batch_tokens": "-5"}, "batch_tokens is -5; it must be 0 or more"),
        ({"trust_remote_code": "true"}, "Unknown option 'trust_remote_code'"),
        ({"devise": "cpu"}, "Unknown option 'devise' .*Did you mean 'device'"),
    ],
)
def test_nonsense_in_the_options_is_refused(folder, options, sentence):
    error = refused(lambda: build(HuggingFace, options, label="a model", target=folder))
    assert issubclass(error.type, UsageError)
    assert error.match(sentence)


@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_quantising_without_bitsandbytes_names_the_extra_to_install(folder, monkeypatch, quantize):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    error = refused(lambda: HuggingFace(folder, quantize=quantize))
    assert issubclass(error.type, UsageError)
    assert error.match(rf"quantize={quantize} needs bitsandbytes.*pip install 'empeval\[quant")


def test_a_gguf_file_is_not_quantised_again(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    error = refused(lambda: HuggingFace(str(path), quantize="4bit"))
    assert error.match(r"quantize=4bit does not go with a \.gguf file")


@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_quantised_weights_answer(tmp_path, quantize):
    pytest.importorskip("bitsandbytes")
    make_random_model(tmp_path, hidden_size=64)
    generator = HuggingFace(str(tmp_path), quantize=quantize)
    assert all(texts(generator, ["abc", "hello"], max_tokens=8))
    layer = generator._answerer._decoder.model.model.layers[0].mlp.down_proj
    assert quantize.removesuffix("bit") in type(layer).__name__


@pytest.mark.parametrize(
    ("memory", "tokens"), [(0, 32_768), (512_000_000, 400_000), (2**40, 2**20)]
)
def test_a_gpu_computes_as_many_tokens_at_once_as_its_memory_holds(
    tmp_path, monkeypatch, memory, tokens
):
    make_random_model(tmp_path)  # 256 bytes a token: 2 layers, keys and values, 2 heads of 8 floats
    monkeypatch.setattr(loading, "choose_device", lambda wanted: "cuda")
    monkeypatch.setattr(loading, "gpu_bytes", lambda device: memory)
    assert HuggingFace(str(tmp_path), device="cuda").runtime()["batch_tokens"] == tokens


def cuda():
    import torch

    return torch.cuda.is_available()


needs_cuda = pytest.mark.skipif("not cuda()", reason="no CUDA device")


@pytest.mark.skipif("cuda()", reason="a CUDA device")
def test_auto_is_the_processor_where_there_is_no_gpu(folder):
    generator = HuggingFace(folder)
    assert texts(generator, ["a"]) == ["fine!"]
    assert generator._answerer._decoder.model.device.type in ("cpu", "mps")


@needs_cuda
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_a_gpu_answers_as_the_processor_does(tmp_path, device):
    make_random_model(tmp_path)
    prompts = ["abc", "hello there", "x"]
    expected = texts(HuggingFace(str(tmp_path), dtype="float32", device="cpu"), prompts)
    generator = HuggingFace(str(tmp_path), dtype="float32", device=device)
    assert texts(generator, prompts) == expected
    assert generator._answerer._decoder.model.device.type == "cuda"


@needs_cuda
def test_closing_gives_the_memory_of_the_gpu_back(folder):
    import torch

    other = HuggingFace(folder, device="cuda")
    assert texts(other, ["a"]) == ["fine!"]
    other.close()
    before = torch.cuda.memory_allocated()  # libraries keep what they took for the first product
    generator = HuggingFace(folder, device="cuda")
    assert texts(generator, ["a"]) == ["fine!"]
    assert torch.cuda.memory_allocated() > before
    generator.close()
    assert torch.cuda.memory_allocated() == before


@needs_cuda
def test_running_out_of_a_gpu_s_memory_leaves_room_for_smaller_batches(tmp_path, monkeypatch):
    import torch

    make_scripted_model(tmp_path, {"a": ["fine"]}, window=200_000)
    generator = HuggingFace(str(tmp_path), dtype="float32", device="cuda")
    texts(generator, ["a"])
    free = 256 * 2**20 / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(free)
    monkeypatch.setattr(generator, "_batch_tokens", 10**7)
    try:
        assert texts(generator, [f"{'x' * 4000}a"] * 64, max_tokens=5) == ["fine"] * 64
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
