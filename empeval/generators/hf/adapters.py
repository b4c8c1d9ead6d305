"""Puts a PEFT adapter into a model."""

from __future__ import annotations

import warnings
from typing import Any

from empeval.errors import UsageError
from empeval.generators.hf.files import ModelFiles, fetch_weights


def with_adapter(model: Any, adapter: ModelFiles, *, merge: bool) -> Any:
    """The model with an adapter in its layers.

    Args:
        model: a transformers model.
        adapter: LoRA or another adapter that changes weights.
        merge: add it to the weights, so that it costs nothing; quantised weights cannot take it.

    Raises:
        UsageError: the adapter does not fit the model, or is of a kind that changes no weights.
    """
    from peft import PeftModel

    folder = fetch_weights(adapter)
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


def _misfit(adapter: ModelFiles, reason: str) -> str:
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    detail = " ".join(lines[:2])[:300].rstrip(".")
    return f"The adapter {adapter.name} does not fit the model: {detail}."
