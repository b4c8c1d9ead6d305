"""Loads an empathy checkpoint: a full model, or an adapter merged into its encoder."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from empeval import EmpevalError, UsageError
from empeval.toolkit import ADAPTER, WEIGHTS, check_target, locate
from empeval_empathy.config import EmpathyConfig
from empeval_empathy.modeling import MODELS, EmpathyModel

_ADAPTER_FIELDS = (
    "r", "lora_alpha", "target_modules", "exclude_modules", "modules_to_save", "bias", "lora_bias",
    "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "fan_in_fan_out",
    "use_rslora", "use_dora",
)  # fmt: skip
"""What decides the shape of an adapter. The other fields of PEFT's are about its training, or
name modules to import."""


def load(folder: Path) -> tuple[EmpathyModel, Any]:
    """A model in evaluation mode and its tokenizer; see ``checkpoints.load_checkpoint``."""
    try:
        with _quiet():
            config = EmpathyConfig.from_pretrained(folder)
            home = folder
            if not (folder / WEIGHTS).is_file():
                check_target(config.encoder_name, f"encoder of the adapter {folder}")
                home = locate(config.encoder_name)
            tokenizer = AutoTokenizer.from_pretrained(
                home, trust_remote_code=False, local_files_only=True
            )
            if home is folder:
                model, lacking = _full(config, folder)
            else:
                model, lacking = _adapted(config, home, folder)
    except EmpevalError:
        raise
    except Exception as error:  # broken files raise whatever they like
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise UsageError(
            f"{folder} cannot be loaded as an empathy checkpoint: {reason}."
        ) from error
    if lacking:
        raise UsageError(f"{folder} lacks weights: {', '.join(lacking[:3])}.")
    _check_fit(folder, model, tokenizer)
    return model.eval(), tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and reports off the terminal: what is wrong is raised here."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # PEFT asks every model for an attribute that transformers is about to rename.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _full(config: EmpathyConfig, folder: Path) -> tuple[EmpathyModel, list[str]]:
    """The model of a full checkpoint, and the names of the weights that it lacks."""
    model, loaded = MODELS[config.architecture].from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    return model, sorted(loaded["missing_keys"])


def _adapted(config: EmpathyConfig, home: Path, folder: Path) -> tuple[EmpathyModel, list[str]]:
    """The model with the encoder's weights and the adapter merged in; and what was lacking."""
    from peft import get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    encoder = AutoModel.from_pretrained(
        home,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
    )
    model = MODELS[config.architecture](config)
    weights = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    heads = [name for name, _ in model.named_parameters() if not name.startswith("encoder.")]
    saved = load_file(folder / ADAPTER)
    lacking = [name for name in heads if not any(key.endswith(f".{name}") for key in saved)]
    if lacking:
        return model, lacking
    network = get_peft_model(model, _adapter_config(folder))
    trained = {name for name, _ in network.named_parameters() if "default" in name.split(".")}
    result = set_peft_model_state_dict(network, saved)
    if result.unexpected_keys:
        raise ValueError(
            f"{ADAPTER} has weights that adapter_config.json does not speak of "
            f"({result.unexpected_keys[0]})"
        )
    return network.merge_and_unload(), sorted(trained & set(result.missing_keys))


def _adapter_config(folder: Path) -> Any:
    from peft import LoraConfig

    facts = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if facts.get("peft_type") != "LORA":
        raise ValueError(f"its adapter is {facts.get('peft_type')}, and only LORA can be read")
    return LoraConfig(**{name: facts[name] for name in _ADAPTER_FIELDS if name in facts})


def _check_fit(folder: Path, model: EmpathyModel, tokenizer: Any) -> None:
    """Make sure that every token and place that a view may have is in the encoder's tables.

    Raises:
        UsageError: there are more tokens or places than the encoder knows.
    """
    words = model.encoder.get_input_embeddings().num_embeddings
    if len(tokenizer) > words:
        raise UsageError(
            f"The tokenizer of {folder} has {len(tokenizer)} tokens and its encoder {words}; they "
            "do not belong together."
        )
    table = getattr(getattr(model.encoder, "embeddings", None), "position_embeddings", None)
    if isinstance(table, torch.nn.Embedding):
        # RoBERTa counts its places from the one after the padding's.
        places = table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
        if model.config.max_length > places:
            raise UsageError(
                f"config.json of {folder} says max_length {model.config.max_length}, but its "
                f"encoder has {places} places."
            )
