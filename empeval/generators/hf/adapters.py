"""Puts a PEFT adapter into a model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from empeval.errors import UsageError
from empeval.generators.hf.files import ModelFiles, fetch_weights
from empeval.generators.hf.reasons import load_failure


def with_adapter(model: Any, adapter: ModelFiles, *, merge: bool) -> Any:
    """The model with an adapter in its layers.

    Where the adapter brings embeddings of more tokens than the model has, the model gets as many.

    Args:
        model: a transformers model.
        adapter: LoRA or another adapter that changes weights.
        merge: add it to the weights, so that it costs nothing; quantised weights cannot take it.

    Raises:
        UsageError: the adapter does not fit the model, is of a kind that changes no weights, or
            is a pickle that holds more than weights.
    """
    from peft import PeftModel

    folder = fetch_weights(adapter)
    rows = _embeddings_in(adapter, folder, model)
    if rows not in (0, model.get_input_embeddings().weight.shape[0]):
        model.resize_token_embeddings(rows, mean_resizing=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wrapped = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
        except Exception as error:  # peft raises several types here
            raise UsageError(_misfit(adapter, str(error))) from error
    missing = [str(w.message) for w in caught if "missing adapter keys" in str(w.message)]
    if missing:
        raise UsageError(_misfit(adapter, missing[0]))
    if not hasattr(wrapped.base_model, "merge_and_unload"):
        kind = wrapped.active_peft_config.peft_type.value
        raise UsageError(
            f"The adapter {adapter.name} is of the kind {kind}, which cannot be put into the "
            "weights; empeval takes LoRA and its kin."
        )
    return wrapped.merge_and_unload() if merge else wrapped.get_base_model()


def _embeddings_in(adapter: ModelFiles, folder: Path, model: Any) -> int:
    """For how many tokens an adapter needs embeddings; 0 if it leaves them as they are."""
    from peft import PeftConfig
    from peft.utils import load_peft_weights

    try:
        config = PeftConfig.from_pretrained(str(folder))
        weights = load_peft_weights(str(folder), device="cpu")  # a .bin as weights only
    except Exception as error:  # peft and torch raise several types here
        raise UsageError(
            f"The adapter {adapter.name} cannot be loaded: {load_failure(error)}"
        ) from error
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    names = [name for name, module in model.named_modules() if id(module) in ends]
    rows = [
        tensor.shape[0]
        for key, tensor in weights.items()
        if any(key.endswith(f".{name}.weight") for name in names)
    ]
    chosen = getattr(config, "trainable_token_indices", None) or ()
    lists = chosen.values() if isinstance(chosen, dict) else [chosen]
    known = model.get_input_embeddings().weight.shape[0]
    rows += [1 + max(tokens) for tokens in lists if tokens and max(tokens) >= known]
    return max(rows, default=0)


def _misfit(adapter: ModelFiles, reason: str) -> str:
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    detail = " ".join(lines[:2])[:300].rstrip(".")
    return f"The adapter {adapter.name} does not fit the model: {detail}."
