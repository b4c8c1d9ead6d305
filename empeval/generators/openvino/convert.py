"""Writes a model folder as a GGUF file, which OpenVINO's engine reads by itself.

Only weights and sizes are written; the prompts' tokens come from the model's own tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from empeval.errors import UsageError
from empeval.generators.hf.weights import candidates
from empeval.generators.openvino.files import GGUFFacts

ARCHITECTURES = {"llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3"}
"""Model types that the engine builds out of GGUF, and what the package gguf calls them."""
BIASED = "its layers have biases"
F16_FILE = 1
"""What GGUF calls a file whose matrices are float16."""
NORMAL_TOKEN, SPECIAL_TOKEN = 1, 3


def check_convertible(config: Any, name: str) -> None:
    """Refuse a model that the engine would compute otherwise than it was trained.

    Args:
        config: of transformers.
        name: what the user calls the model.

    Raises:
        UsageError: its type, activation, biases, positions or window are of a kind that gets lost.
    """
    reason = None
    rope = getattr(config, "rope_parameters", None) or {}
    if config.model_type not in ARCHITECTURES:
        reason = f"it is of the type '{config.model_type}'"
    elif config.hidden_act != "silu":
        reason = f"its activation is '{config.hidden_act}'"
    elif rope.get("rope_type", "default") != "default":
        reason = f"its positions are scaled ('{rope['rope_type']}')"
    elif getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False):
        reason = BIASED  # Qwen 2 has some always, and no such option
    elif getattr(config, "use_sliding_window", False):
        reason = "its attention has a sliding window"
    if reason:
        raise UsageError(_refusal(name, reason))


def check_readable(facts: GGUFFacts, name: str) -> None:
    """Refuse a GGUF file that the engine would compute otherwise than it was trained.

    Raises:
        UsageError: its architecture, biases or positions are of a kind that gets lost.
    """
    reason = None
    if facts.architecture not in ARCHITECTURES:
        reason = f"it is of the type '{facts.architecture}'"
    elif facts.scaled:
        reason = "its positions are scaled"
    elif facts.biased and facts.architecture != "qwen2":
        reason = BIASED
    if reason:
        raise UsageError(_refusal(name, reason))


def _refusal(name: str, reason: str) -> str:
    return (
        f"OpenVINO cannot compute {name} as it is, since {reason}: that works for "
        f"{', '.join(ARCHITECTURES)} with plain positions. Export the model to OpenVINO's format "
        "(optimum-cli export openvino) and name that folder, or use hf:."
    )


def write_gguf(folder: Path, config: Any, path: Path) -> None:
    """Write the weights of a folder as float16.

    Args:
        folder: with safetensors.
        config: of transformers; one that ``check_convertible`` lets pass.
        path: of the file to be written.

    Raises:
        UsageError: the folder holds no safetensors, or a tensor that the engine knows nothing of.
        OSError: the file cannot be written.
    """
    import gguf
    import numpy as np

    kind = getattr(gguf.MODEL_ARCH, ARCHITECTURES[config.model_type])
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind])
    _sizes(writer, config)
    for name, tensor in _tensors(folder):
        if name.endswith(".rotary_emb.inv_freq"):
            continue  # what old folders keep beside the weights; it follows from the sizes
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        target = names.get_name(name, (".weight", ".bias"))
        if target is None:
            raise UsageError(
                f"The weights in {folder} hold '{name}', of which OpenVINO's engine knows nothing. "
                "Use hf:."
            )
        heads = _interleaved_heads(name, config)
        array = _interleaved(tensor, heads) if heads else tensor
        # the engine takes vectors (norms, biases) in single precision, matrices in half
        kept = np.float32 if array.ndim == 1 else np.float16
        writer.add_tensor(target, array.astype(kept))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _sizes(writer: Any, config: Any) -> None:
    writer.add_file_type(F16_FILE)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    width = _head_width(config)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    # The engine wants a tokenizer with merges and a special token, and is never asked for text.
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(["a", "b", "ab", "<end>"])
    writer.add_token_types([NORMAL_TOKEN, NORMAL_TOKEN, NORMAL_TOKEN, SPECIAL_TOKEN])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(3)
    writer.add_eos_token_id(3)


def _head_width(config: Any) -> int:
    stated = getattr(config, "head_dim", None)
    return int(stated or config.hidden_size // config.num_attention_heads)


def _tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """Names and values (float32 arrays) of the weights in a folder."""
    import torch
    from safetensors import safe_open

    names = candidates(folder, "model")[0]
    if not all((folder / name).is_file() for name in names):
        raise UsageError(
            f"OpenVINO's engine gets weights as safetensors, and {folder} has none of "
            f"{', '.join(names)}. Save the model as safetensors, or use hf:."
        )
    for name in names:
        with safe_open(folder / name, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - no mapping
                yield key, file.get_tensor(key).to(torch.float32).numpy()


def _interleaved_heads(name: str, config: Any) -> int:
    """Heads of a tensor whose rows GGUF orders otherwise than transformers, else 0."""
    if config.model_type != "llama":
        return 0
    if ".q_proj." in name:
        return int(config.num_attention_heads)
    return int(config.num_key_value_heads) if ".k_proj." in name else 0


def _interleaved(array: Any, heads: int) -> Any:
    """Rows in which the two halves of each head's, rotated together, alternate."""
    width = array.shape[0] // heads
    halves = array.reshape(heads, 2, width // 2, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)
