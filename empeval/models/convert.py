"""Turns a payload into a normal model folder: config, tokenizer, safetensors."""

from __future__ import annotations

import contextlib
import io
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from empeval.errors import EmpevalError
from empeval.models.facts import PackagedModel


def convert(model: PackagedModel, payload: Path, target: Path) -> None:
    """Build the model folder ``target`` from the unpacked files in ``payload``.

    A folder payload is moved as it is. A GGUF file is dequantized to bfloat16 and saved with its
    tokenizer and chat template; the other files (licence, notices) come along.

    Raises:
        EmpevalError: the installed transformers cannot convert the file.
        OSError: the folder cannot be written.
    """
    if model.format == "folder":
        os.replace(payload, target)
        return
    weights = payload / model.payload[0].path
    # The bars that transformers draws would break the one line that says what is going on.
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            _dequantize(model, weights, target)
        except Exception as error:  # whatever another release of transformers may raise
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise EmpevalError(
                f"{model.name} could not be converted by transformers "
                f"{version('transformers')} ({type(error).__name__}: {error}). "
                "Release 5.23 is known to do it."
            ) from error
    for file in model.payload[1:]:
        os.replace(payload / file.path, target / file.path)


def _dequantize(model: PackagedModel, weights: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig, GgufConfig

    network = AutoModelForCausalLM.from_pretrained(
        weights.parent,
        gguf_file=weights.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
        local_files_only=True,
    )
    config = network.config
    config.name_or_path = model.name
    network.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    )
    tokenizer = load_gguf_tokenizer(weights)
    tokenizer.model_max_length = config.max_position_embeddings
    network.save_pretrained(target)
    tokenizer.save_pretrained(target)
    for path in (target / "config.json", target / "generation_config.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        del facts["transformers_version"]  # so that every machine builds the same bytes
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8", newline="\n")


def load_gguf_tokenizer(weights: Path) -> Any:
    """The tokenizer inside a GGUF file, splitting text as the model was trained to.

    transformers 5 builds the vocabulary and merges but not the ``smollm`` splitting rule (single
    digits apart, before the byte-level split), so that "\\n\\n1" became three tokens, not two.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        weights.parent, gguf_file=weights.name, local_files_only=True
    )
    for chance in ("is_local", "local_files_only"):  # how it was loaded, no fact about it
        tokenizer.init_kwargs.pop(chance, None)
    rule = GGUFReader(weights).get_field("tokenizer.ggml.pre")
    if rule is not None and rule.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    return tokenizer
