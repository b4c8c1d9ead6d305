"""Loads a base model with adapters to train: through PEFT, or through unsloth on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empeval import UsageError
from empeval.extras import install_line, is_installed
from empeval.toolkit import locate
from empeval_training.eq.recipes import Backend, Tuning

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""The linear layers of Llama, Mistral, Qwen, Gemma and SmolLM models."""

LARGE = 1_000_000_000
"""Weights from which ``quantize = auto`` loads in four bits."""


@dataclass(frozen=True)
class Loaded:
    """A model ready to train.

    Attributes:
        model: with trainable adapters. tokenizer: of the base.
        backend: ``trl`` or ``unsloth``. quantized: whether the base is in four bits.
    """

    model: Any
    tokenizer: Any
    backend: str
    quantized: bool


def choose_backend(wanted: Backend) -> str:
    """``auto`` is unsloth where it is installed and a GPU is there.

    Raises:
        UsageError: unsloth is asked for where it cannot work.
    """
    import torch

    installed = is_installed("unsloth")
    gpu = torch.cuda.is_available()
    if wanted == "auto":
        return "unsloth" if installed and gpu else "trl"
    if wanted == "unsloth" and not gpu:
        raise UsageError("backend = unsloth needs a GPU, and there is none. Use backend = trl.")
    if wanted == "unsloth" and not installed:
        raise UsageError(
            "backend = unsloth needs the package unsloth (in an environment of its own: it pins "
            "older versions): pip install unsloth. Or use backend = trl."
        )
    return wanted


def load(recipe: Tuning, adapter: Path | None, seed: int) -> Loaded:
    """The base with adapters: new ones, or those of an earlier step to go on with.

    Args:
        recipe: base, ranks, quantisation.
        adapter: a PEFT folder to go on with; ``None`` starts new ones.
        seed: of new ones.

    Raises:
        UsageError: base and adapter do not go together, or the backend cannot work here.
        EmpevalError: the base cannot be had.
    """
    backend = choose_backend(recipe.backend)
    folder = locate(recipe.base)
    if adapter is not None:
        check_adapter(adapter, recipe.base)
    if backend == "unsloth":
        return _unsloth(recipe, adapter or folder, new=adapter is None, seed=seed)
    return _peft(recipe, folder, adapter, seed)


def check_adapter(adapter: Path, base: str) -> None:
    """Refuse a folder that is no adapter, or one of another base.

    Raises:
        UsageError: one of these.
    """
    import json

    path = adapter / "adapter_config.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{adapter} is no adapter: {path.name} is missing or cannot be read."
        ) from error
    trained = facts.get("base_model_name_or_path")
    if trained != base:
        raise UsageError(
            f"{adapter} was trained on {trained}, but the recipe's base is {base}. Give: --set "
            f"base={trained}"
        )


def _peft(recipe: Tuning, folder: Path, adapter: Path | None, seed: int) -> Loaded:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        quantized = _four_bits(recipe, folder)
        if quantized:
            from transformers import BitsAndBytesConfig

            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_compute_dtype=torch.bfloat16,
            )
            options["device_map"] = {"": 0}
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **options
        )
    except UsageError:
        raise
    except Exception as error:  # broken files raise whatever they like
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"The base {recipe.base} cannot be loaded: {reason}") from error
    if tokenizer.chat_template is None:
        raise UsageError(f"The base {recipe.base} has no chat template; tune one that has.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if quantized:
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=recipe.gradient_checkpointing
        )
    if adapter is not None:
        return Loaded(
            PeftModel.from_pretrained(model, str(adapter), is_trainable=True),
            tokenizer,
            "trl",
            quantized,
        )
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    layers = [layer for layer in LAYERS if layer in names]
    set_seed(seed)
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=layers or "all-linear",
        task_type="CAUSAL_LM",
    )
    return Loaded(get_peft_model(model, config), tokenizer, "trl", quantized)


def _four_bits(recipe: Tuning, folder: Path) -> bool:
    """Whether to load the base in four bits.

    Raises:
        UsageError: it is asked for where it cannot be.
    """
    import torch

    able = torch.cuda.is_available() and is_installed("bitsandbytes")
    if recipe.quantize == "4bit" and not able:
        raise UsageError(
            f"quantize = 4bit needs a GPU and bitsandbytes: {install_line('quantized')}"
        )
    if recipe.quantize == "auto":
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2
        return able and size >= LARGE
    return recipe.quantize == "4bit"


def _unsloth(recipe: Tuning, source: Path, *, new: bool, seed: int) -> Loaded:
    """The same through unsloth; the hyper-parameters are the recipe's."""
    from unsloth import FastLanguageModel

    quantized = recipe.quantize != "none" and is_installed("bitsandbytes")
    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=str(source),
        max_seq_length=recipe.max_length,
        load_in_4bit=quantized,
        trust_remote_code=False,
    )
    if new:
        model = FastLanguageModel.get_peft_model(
            model,
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules=LAYERS,
            use_gradient_checkpointing="unsloth" if recipe.gradient_checkpointing else False,
            random_state=seed,
        )
    return Loaded(model, tokenizer, "unsloth", quantized)
