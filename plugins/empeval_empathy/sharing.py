"""What several judges hold alike is held once: tokenizers, and weights that no adapter changed.

An adapter is merged into the matrices that it adapts, so these are each judge's own. What it
leaves alone, above all the table of word vectors, is the same in all judges of one encoder.
Sharing goes by content, bit for bit, never by name: judges of different encoders, or with a table
that was trained, cannot get each other's.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn

_weights: WeakValueDictionary[tuple[Any, ...], nn.Parameter] = WeakValueDictionary()
_tokenizers: WeakValueDictionary[tuple[str, ...], Any] = WeakValueDictionary()


def share_weights(model: nn.Module) -> None:
    """Let a model use the weights of models that are alive where its own are the same bits.

    Args:
        model: on its device; for use only, since training it would train the others.
    """
    for name, weight in list(model.named_parameters()):
        key = (name, weight.shape, weight.dtype, weight.device)
        known = _weights.get(key)
        if known is not None and torch.equal(known, weight):
            home, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(home), leaf, known)
        else:
            _weights[key] = weight


def shared_tokenizer(tokenizer: Any) -> Any:
    """The tokenizer, or one that is alive and does the very same; it itself if that is not known.

    Args:
        tokenizer: of transformers.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return tokenizer
    names = (tokenizer.special_tokens_map, tokenizer.model_input_names)
    key = (type(tokenizer).__qualname__, backend.to_str(), repr(names))
    return _tokenizers.setdefault(key, tokenizer)
