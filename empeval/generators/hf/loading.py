"""Loads tokenizer and weights through transformers; never runs code from a model."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any, Literal

from empeval.errors import EmpevalError, UsageError
from empeval.generators.hf.files import ModelFiles, fetch_weights

Quantize = Literal["4bit", "8bit"]


def load_tokenizer(files: ModelFiles) -> Any:
    """The tokenizer, padding on the left.

    Raises:
        UsageError: it is missing or broken, or needs code of its own.
    """
    quiet()
    from transformers import AutoTokenizer

    where = _name(files)
    extra = {"gguf_file": files.gguf} if files.gguf else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(files.folder, trust_remote_code=False, **extra)
        works = bool(tokenizer("empeval", add_special_tokens=False).input_ids)
    except Exception as error:  # a broken tokenizer file raises whatever it likes
        raise UsageError(f"The tokenizer of {where} cannot be loaded: {_reason(error)}") from error
    if not works:
        raise UsageError(f"The tokenizer of {where} gives no tokens; its files are incomplete.")
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.decode([0])
    return tokenizer


def choose_device(wanted: str) -> str:
    """``auto`` becomes the best device there is.

    Raises:
        UsageError: a device that torch does not know or this machine does not have.
    """
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except Exception as error:  # torch raises several types here
        raise UsageError(f"The device '{wanted}' cannot be used: {_reason(error)}") from error
    return wanted


def choose_dtype(wanted: str, device: str, stored: str | None) -> Any:
    """The torch dtype to compute in.

    ``auto`` is float32 on a processor without bfloat16 units (where bfloat16 is slower), else
    the dtype in which the weights are stored, bfloat16 when that is unknown.
    """
    import torch

    if wanted != "auto":
        return getattr(torch, wanted)
    if device == "cpu" and not cpu_has_bf16():
        return torch.float32
    dtype = getattr(torch, (stored or "bfloat16").removeprefix("torch."), torch.bfloat16)
    if device.startswith("cuda") and dtype is torch.bfloat16 and not torch.cuda.is_bf16_supported():
        return torch.float16
    return dtype


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX512-BF16, AMX, Arm's BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    words = set(flags.split())
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def check_quantize(quantize: Quantize | None) -> None:
    """Refuse quantisation where bitsandbytes is not installed.

    Raises:
        UsageError: it is not.
    """
    if quantize is not None and importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError(
            f"quantize={quantize} needs bitsandbytes: pip install 'empeval[quantized]'"
        )


def load_model(
    files: ModelFiles,
    *,
    adapter: ModelFiles | None,
    device: str,
    dtype: Any,
    quantize: Quantize | None,
) -> Any:
    """The weights, ready to generate, with every decoding default of the model's taken out.

    Raises:
        EmpevalError: they cannot be loaded.
    """
    quiet()
    from transformers import AutoModelForCausalLM

    folder = fetch_weights(files)
    options: dict[str, Any] = {"dtype": dtype, "trust_remote_code": False, "weights_only": True}
    if files.gguf:
        from transformers import GgufConfig

        options["gguf_file"] = files.gguf
        options["quantization_config"] = GgufConfig(dequantize=True)
    elif quantize:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=quantize == "4bit",
            load_in_8bit=quantize == "8bit",
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": device}
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
        if adapter is not None:
            model = _with_adapter(model, adapter, merge=quantize is None)
        if quantize is None:
            model = model.to(device)
    except EmpevalError:
        raise
    except Exception as error:  # transformers raises several types here
        raise EmpevalError(f"{_name(files)} cannot be loaded: {_reason(error)}") from error
    model.eval()
    _plain_generation(model)
    return model


def _with_adapter(model: Any, adapter: ModelFiles, *, merge: bool) -> Any:
    from peft import PeftModel

    folder = fetch_weights(adapter)
    if not (folder / "adapter_model.safetensors").is_file():
        raise UsageError(f"The adapter {_name(adapter)} has no adapter_model.safetensors.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wrapped = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
    missing = [str(w.message) for w in caught if "missing adapter keys" in str(w.message)]
    if missing:
        raise EmpevalError(f"The adapter {_name(adapter)} does not fit the model: {missing[0]}")
    return wrapped.merge_and_unload() if merge else wrapped


def _plain_generation(model: Any) -> None:
    """Keep the tokens that end a text; drop sampling defaults that a model brings along."""
    from transformers import GenerationConfig

    brought = model.generation_config
    model.generation_config = GenerationConfig(
        bos_token_id=brought.bos_token_id,
        eos_token_id=brought.eos_token_id,
        pad_token_id=brought.pad_token_id,
    )


def quiet() -> None:
    """Silence transformers' progress bars and advice; empeval has its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _name(files: ModelFiles) -> str:
    return files.repository or str(files.folder / files.gguf if files.gguf else files.folder)


def _reason(error: Exception) -> str:
    text = str(error)
    if "trust_remote_code" in text or "custom code" in text:
        return "it needs code that comes with the model, which empeval never runs."
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}" if first else type(error).__name__
