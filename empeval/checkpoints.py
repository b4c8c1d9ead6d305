"""Model folders that scorers read (a folder, a packaged model, a hub id), and their fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empeval.errors import UsageError
from empeval.hub import hub_failure

PACKAGED = "packaged:"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What a checkpoint without code and without pickles is made of."""

_ELSEWHERE = ("onnx/*", "openvino/*", "*/*.safetensors")
"""Weights of other programs, and of other moments of a training."""

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def check_target(target: str, what: str) -> None:
    """Make sure that a text may name a model folder, without looking for it.

    Args:
        target: a folder, ``packaged:NAME``, or a hub id.
        what: how the error calls it, such as ``"sentence encoder"``.

    Raises:
        UsageError: it can be none of these.
    """
    if target.startswith(PACKAGED):
        from empeval.models import find

        find(target.removeprefix(PACKAGED))
    elif (path := on_disk(target)) is not None and not path.is_dir():
        raise UsageError(f"The {what} '{target}' is a file; name the folder that it is in.")
    elif path is None and not _HUB_ID.fullmatch(target):
        raise UsageError(
            f"The {what} '{target}' is neither a folder nor a model id such as 'org/name'."
        )


def locate(target: str, files: Sequence[str] = FILES) -> Path:
    """The local folder of a model: the folder itself, a packaged model, or one from the hub.

    Args:
        target: a folder, ``packaged:NAME``, or a hub id.
        files: patterns of the files to fetch from the hub.

    Raises:
        UsageError: no packaged model has that name.
        HubError: the hub cannot be reached or has no such model.
    """
    if target.startswith(PACKAGED):
        from empeval.models import packaged_model

        return packaged_model(target.removeprefix(PACKAGED))
    if (path := on_disk(target)) is not None:
        return path
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(target, allow_patterns=list(files), ignore_patterns=list(_ELSEWHERE))
        )
    except Exception as error:  # the hub client raises its own, its HTTP library's and OS errors
        raise hub_failure(error, f"model '{target}'") from error


def on_disk(target: str) -> Path | None:
    """The path of a target that is there, or ``None``; the shell leaves ``NAME:~/a`` its ~."""
    try:
        path = Path(target).expanduser()
        return path if target and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, no home
        return None


def fingerprint(folder: Path, files: Sequence[str] = (*FILES, "*/config.json")) -> str:
    """``sha256:...`` over names and contents of the files that a model is read from."""
    digest = hashlib.sha256()
    paths = {path for pattern in files for path in folder.glob(pattern)}
    for path in sorted(paths - {folder / "packaged.json"}):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def target_fingerprint(target: str) -> str:
    """Identifies a model by its target: a packaged model's key, else ``fingerprint``.

    Raises:
        UsageError: no packaged model has that name.
        HubError: it cannot be fetched.
    """
    if target.startswith(PACKAGED):
        from empeval.models import find

        return find(target.removeprefix(PACKAGED)).key
    return fingerprint(locate(target))


def load_encoder(folder: Path, name: str, *, optional: str = "") -> tuple[Any, Any]:
    """A transformer without an output layer, in float32 on the CPU, and its tokenizer.

    Weights are read from safetensors only, and no code in the folder is run.

    Args:
        folder: the model.
        name: how errors call it.
        optional: weights whose names begin so may be missing, because nobody uses them.

    Raises:
        UsageError: the folder holds no such model, or not all of its weights.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # a second of loading needs no bar
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # what is wrong is raised here
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        model, loaded = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # broken files raise whatever they like
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{name} cannot be loaded as an encoder: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
    # What is missing would be random numbers.
    missing = sorted(k for k in loaded["missing_keys"] if not (optional and k.startswith(optional)))
    if missing:
        raise UsageError(f"{name} lacks weights of the encoder: {', '.join(missing[:3])}.")
    return model, tokenizer
