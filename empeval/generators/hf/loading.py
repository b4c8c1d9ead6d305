"""Loads tokenizer and weights through transformers; never runs code from a model."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from empeval.errors import EmpevalError, UsageError, counted
from empeval.extras import require
from empeval.generators.hf.adapters import with_adapter
from empeval.generators.hf.files import ModelFiles, fetch_weights
from empeval.generators.hf.reasons import load_failure

DType = Literal["auto", "float32", "bfloat16", "float16"]
Quantize = Literal["4bit", "8bit"]


def load_tokenizer(files: ModelFiles) -> Any:
    """The tokenizer.

    Raises:
        UsageError: it is missing or broken, or needs code of its own.
    """
    quiet()
    from transformers import AutoTokenizer

    try:
        if files.gguf:
            from empeval.models.convert import load_gguf_tokenizer

            tokenizer = load_gguf_tokenizer(files.folder / files.gguf)
        else:
            tokenizer = AutoTokenizer.from_pretrained(files.folder, **_only_data(files))
        works = bool(tokenizer("empeval", add_special_tokens=False).input_ids)
    except Exception as error:  # a broken tokenizer file raises whatever it likes
        raise UsageError(
            f"The tokenizer of {files.name} is missing, broken or of a kind that cannot be loaded: "
            f"{load_failure(error)}"
        ) from error
    if not works:
        raise UsageError(
            f"The tokenizer of {files.name} gives no tokens; its files are incomplete."
        )
    return tokenizer


def load_config(files: ModelFiles) -> Any:
    """The configuration of a model that writes text.

    Raises:
        UsageError: it is of another kind, is broken, or needs code of its own.
    """
    quiet()
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(files.folder, **_only_data(files))
    except Exception as error:  # transformers raises several types here
        raise UsageError(
            f"The model {files.name} cannot be loaded: {load_failure(error)}"
        ) from error
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UsageError(
            f"{files.name} is a model of the type '{config.model_type}', which writes no text; "
            "'hf:' takes causal language models."
        )
    return config


def load_model(
    files: ModelFiles,
    config: Any,
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
    options = {"config": config, "dtype": dtype, "weights_only": True, **_only_data(files)}
    options["ignore_mismatched_sizes"] = True  # they are reported, and refused here
    if files.gguf:
        from transformers import GgufConfig

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
        with _without_bars(files):
            model, report = AutoModelForCausalLM.from_pretrained(
                folder, output_loading_info=True, **options
            )
        _check_complete(files, report)
        if adapter is not None:
            model = with_adapter(model, adapter, merge=quantize is None)
        if quantize is None:
            model = model.to(device)
    except EmpevalError:
        raise
    except Exception as error:  # transformers raises several types here
        raise EmpevalError(
            f"The model {files.name} cannot be loaded: {load_failure(error)}"
        ) from error
    model.eval()
    _plain_generation(model)
    return model


def _check_complete(files: ModelFiles, report: dict[str, Any]) -> None:
    """Refuse weights for which transformers would put random numbers.

    Raises:
        UsageError: tensors are missing or have another shape than the configuration says.
    """
    misfits = sorted(name for name, *_ in report["mismatched_keys"])
    if misfits:
        raise UsageError(
            f"The weights of {files.name} do not fit its configuration: "
            f"{counted(len(misfits), 'tensor has', 'tensors have')} another shape, such as "
            f"{misfits[0]}."
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise UsageError(
            f"The weights of {files.name} lack {len(missing)} of the model's tensors, such as "
            f"{missing[0]}: it is not a whole language model."
        )


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
        torch.zeros(1, device=torch.device(wanted)).item()
    except Exception as error:  # torch raises several types here
        raise UsageError(f"The device '{wanted}' cannot be used: {load_failure(error)}") from error
    return wanted


def choose_dtype(wanted: DType, device: str, stored: Any) -> Any:
    """The torch dtype to compute in.

    ``auto`` is float32 on a processor without bfloat16 units (where bfloat16 is slower), else
    the dtype in which the weights are stored, bfloat16 when that is unknown.
    """
    import torch

    if wanted != "auto":
        return getattr(torch, wanted)
    if device.startswith("cpu") and not cpu_has_bf16():
        return torch.float32
    dtype = stored if stored in (torch.float32, torch.float16) else torch.bfloat16
    if device.startswith("cuda") and dtype is torch.bfloat16 and not torch.cuda.is_bf16_supported():
        return torch.float16
    return dtype


def gpu_bytes(device: str) -> int:
    """The memory of a GPU, 0 where torch does not say.

    The whole of it and not what is free, so that a run that is taken up again has the same batches.
    """
    import torch

    if device.startswith("mps"):
        return int(torch.mps.recommended_max_memory())
    if not device.startswith("cuda"):
        return 0
    return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX512-BF16, AMX, Arm's BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(set(flags.split()) & {"avx512_bf16", "amx_bf16", "bf16"})


def check_quantize(quantize: Quantize | None, files: ModelFiles) -> None:
    """Refuse quantisation of a GGUF file, and where bitsandbytes is not installed.

    Raises:
        UsageError: one of these.
    """
    if quantize is None:
        return
    if files.gguf is not None:
        raise UsageError(f"quantize={quantize} does not go with a .gguf file.")
    require(f"quantize={quantize}", "bitsandbytes")


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


@contextlib.contextmanager
def _without_bars(files: ModelFiles) -> Iterator[None]:
    """Nothing on standard error while GGUF is read: that bar heeds no setting.

    At a terminal it stays, since that takes a while.
    """
    if files.gguf and not sys.stderr.isatty():
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    else:
        yield


def _only_data(files: ModelFiles) -> dict[str, Any]:
    """Options of ``from_pretrained``: no code from the model, nothing from the hub."""
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    return options | ({"gguf_file": files.gguf} if files.gguf else {})
