"""Why a model cannot be loaded, in words."""

from __future__ import annotations


def load_failure(error: Exception) -> str:
    """Why tokenizer, configuration or weights could not be loaded, as the end of a sentence."""
    text = str(error)
    if "trust_remote_code" in text or "custom code" in text:
        return "it needs code that comes with the model, which empeval never runs."
    if "Weights only load failed" in text or "weights_only" in text:
        return (
            "its weights are a pickle that would run code, which empeval never does. Save the "
            "model as safetensors."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}".rstrip(" .:") + "."
