"""Reads an empathy checkpoint: a full model folder, or an adapter on a pretrained encoder.

Weights come from safetensors only; no code and no pickle in a folder is ever run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from empeval import UsageError
from empeval.checkpoints import PACKAGED, fingerprint, locate

BUNDLED = Path(__file__).parent / "bundled"
"""The checkpoints that come with empeval, a folder a scorer."""

ADAPTER = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
MODEL_TYPE = "empeval-empathy"


def read_facts(folder: Path, architecture: str) -> dict[str, Any]:
    """``config.json`` of a checkpoint, checked without importing anything heavy.

    Args:
        architecture: ``shared`` or ``cascade``: what the scorer needs.

    Raises:
        UsageError: it is no empathy checkpoint, one of another architecture or with other
            emotions, or its weights are a pickle.
    """
    try:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{folder} is no empathy checkpoint: it has no config.json.") from None
    except ValueError as error:
        raise UsageError(f"{folder / 'config.json'} is no JSON file: {error}.") from error
    if not isinstance(facts, dict) or facts.get("model_type") != MODEL_TYPE:
        raise UsageError(
            f"{folder} is no empathy checkpoint: its config.json says model_type "
            f"{facts.get('model_type') if isinstance(facts, dict) else facts!r}, not {MODEL_TYPE!r}."
        )
    if facts.get("architecture") != architecture:
        names = {"shared": "baseline or stm", "cascade": "mvc"}
        other = names.get(str(facts.get("architecture")), "none of the scorers")
        raise UsageError(f"{folder} is a checkpoint for {other}; name that scorer.")
    if not any((folder / name).is_file() for name in (WEIGHTS, ADAPTER)):
        pickled = sorted(p.name for p in folder.glob("*.bin")) + sorted(
            p.name for p in folder.glob("*.pt")
        )
        reason = (
            f"its weights ({pickled[0]}) are a pickle, which may run code when it is read; save "
            "them as safetensors"
            if pickled
            else f"it has neither {WEIGHTS} nor {ADAPTER}"
        )
        raise UsageError(f"{folder} cannot be used: {reason}.")
    _check_emotions(folder, facts)
    return facts


def _check_emotions(folder: Path, facts: dict[str, Any]) -> None:
    emotions = list((facts.get("id2label") or {}).values())
    known = bundled_emotions()
    if known and sorted(emotions) != sorted(known):
        odd = sorted(set(emotions) ^ set(known))
        raise UsageError(
            f"{folder} was trained on another set of emotions ({len(emotions)}, not the "
            f"{len(known)} of EmpatheticDialogues; {', '.join(map(str, odd[:3]))} ...)."
        )


def bundled_emotions() -> list[str]:
    """The emotions of the checkpoints that come with empeval."""
    path = BUNDLED / "mvc" / "config.json"
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return list(facts.get("id2label", {}).values())


def checkpoint_fingerprint(folder: Path, facts: dict[str, Any]) -> str:
    """Identifies the weights: of the folder's files, and of the encoder an adapter goes on."""
    own = fingerprint(folder)
    if (folder / WEIGHTS).is_file():
        return own
    encoder = str(facts.get("encoder_name"))
    if encoder.startswith(PACKAGED):
        from empeval.models import find

        return f"{own} on {find(encoder.removeprefix(PACKAGED)).key}"
    return f"{own} on {fingerprint(locate(encoder))}"


def load_checkpoint(folder: Path | str) -> tuple[Any, Any]:
    """A model in evaluation mode and its tokenizer, from a checkpoint folder.

    Raises:
        UsageError: a head or other weights are missing or of another shape, or files are broken.
        EmpevalError: the encoder that an adapter goes on cannot be had.
    """
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    from empeval_empathy.config import EmpathyConfig
    from empeval_empathy.modeling import MODELS

    folder = Path(folder)
    disable_progress_bar()  # a second of loading needs no bar
    full = (folder / WEIGHTS).is_file()
    try:
        config = EmpathyConfig.from_pretrained(folder)
        home = folder if full else locate(config.encoder_name)
        tokenizer = AutoTokenizer.from_pretrained(
            home, trust_remote_code=False, local_files_only=True
        )
        kind = MODELS[config.architecture]
        if full:
            model, loaded = kind.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
            missing = sorted(loaded["missing_keys"])
        else:
            model, missing = _with_adapter(kind(config), home, folder)
    except UsageError:
        raise
    except (ValueError, OSError, RuntimeError, KeyError, TypeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{folder} cannot be loaded as an empathy checkpoint: {reason}") from error
    if missing:
        raise UsageError(f"{folder} lacks weights: {', '.join(missing[:3])}.")
    return model.eval(), tokenizer


def _with_adapter(model: Any, home: Path, folder: Path) -> tuple[Any, list[str]]:
    """The model with the encoder's weights and the adapter merged in; and what was missing."""
    import torch
    from peft import PeftModel
    from safetensors import safe_open
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(
        home, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    weights = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    heads = [n for n, _ in model.named_parameters() if not n.startswith("encoder.")]
    with safe_open(folder / ADAPTER, framework="pt") as file:
        there = list(file.keys())
    missing = [name for name in heads if not any(key.endswith(name) for key in there)]
    if not any(".lora_A" in key for key in there):
        missing.append("the encoder's adapter")
    if missing:
        return model, missing
    return PeftModel.from_pretrained(model, str(folder)).merge_and_unload(), []
