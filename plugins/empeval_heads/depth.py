"""Hidden states from the middle of a transformer, without running the layers above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from empeval import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn


class _DeepEnough(Exception):  # noqa: N818 - no error: it ends a forward pass
    """The deepest layer that was asked for has been computed."""


def check_layers(layers: Sequence[int], depth: int, base: str) -> None:
    """Make sure that a base has the layers that are asked for.

    Args:
        layers: numbers of layers.
        depth: how many the base has.
        base: its name.

    Raises:
        UsageError: it lacks one of them, or one is named twice.
    """
    for layer in layers:
        if not 1 <= layer <= depth:
            raise UsageError(
                f"The base {base} has no layer {layer}; name one from 1 to {depth}, the last."
            )
    if len(set(layers)) < len(layers):
        raise UsageError(f"Layer {max(layers, key=list(layers).count)} is named twice.")


def blocks_of(model: nn.Module, name: str) -> nn.ModuleList:
    """The layers of a transformer, in their order.

    Args:
        model: of the library transformers, without an output layer.
        name: how an error calls it.

    Raises:
        UsageError: no list of modules is as long as the model's configuration says.
    """
    from torch import nn

    count = model.config.num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise UsageError(f"The base {name} has no list of {count} layers; take another base.")


def states_after(
    model: nn.Module, blocks: nn.ModuleList, ids: Tensor, mask: Tensor, layers: Sequence[int]
) -> list[Tensor]:
    """Hidden states after so many layers, each of shape (rows, tokens, width).

    The pass ends at the deepest layer asked for. The last layer's states are the model's output,
    its final norm included; those of the others are as the next layer gets them.

    Args:
        model: see ``blocks_of``.
        blocks: its layers.
        ids: token numbers, shape (rows, tokens).
        mask: 1 where a token is, 0 where padding is.
        layers: from 1 to the number of blocks.
    """
    last, taken = len(blocks), {}
    inner = [layer for layer in layers if layer < last]

    def keep(layer: int) -> Callable[..., None]:
        def take(module: nn.Module, given: Any, output: Any) -> None:
            taken[layer] = output[0] if isinstance(output, tuple) else output
            if layer == max(layers):
                raise _DeepEnough

        return take

    handles = [blocks[layer - 1].register_forward_hook(keep(layer)) for layer in inner]
    try:
        taken[last] = model(input_ids=ids, attention_mask=mask).last_hidden_state
    except _DeepEnough:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return [taken[layer] for layer in layers]
