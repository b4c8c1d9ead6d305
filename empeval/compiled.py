"""A transformer of transformers, compiled by OpenVINO for this machine's CPU.

It is traced and compiled in memory each time, which takes about a second; nothing is kept on disk.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from empeval.engines import Precision, states_of, unreported
from empeval.errors import EmpevalError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

GROUP = 32
"""Numbers of an input that are rounded to 8 bits together, by a scale of their own."""
STEPS = 127
"""Steps from 0 to the largest weight of a row."""


class CompiledEncoder:
    """Hidden states of a transformer, computed by OpenVINO.

    Takes as many threads as torch would. The model itself is left as it is.

    Args:
        model: of transformers, on the CPU, set to evaluate.
        example: a batch as the model takes it, of two rows or more.
        precision: of the matrix products.
        layers: whose states, as of ``engines.states_of``.

    Raises:
        UsageError: the processor has no bfloat16.
        EmpevalError: the model cannot be traced or compiled, or has no matrix to round.
    """

    def __init__(
        self,
        model: Any,
        example: Mapping[str, Tensor],
        precision: Precision,
        layers: Sequence[int] | None = None,
    ) -> None:
        with unreported():
            import openvino

        core = openvino.Core()
        if precision == "bfloat16":
            able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            if "BF16" not in able:
                raise UsageError("This processor does not compute in bfloat16: leave it out.")
        kind = type(model).__name__
        try:
            traced = _traced(model, example, layers)
            if precision == "int8" and not _round_weights(traced):
                raise EmpevalError(f"OpenVINO finds no matrix of {kind} to round to int8.")
            compiled = core.compile_model(traced, "CPU", _properties(precision))
        except EmpevalError:
            raise
        except Exception as error:  # tracing and compiling raise whatever they like
            said = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            raise EmpevalError(f"OpenVINO cannot compile {kind}: {said}.") from error
        self._request = compiled.create_infer_request()
        self._count = len(compiled.outputs)
        self._running = threading.Lock()

    def __call__(self, given: Mapping[str, Tensor]) -> list[Tensor]:
        """The states of each layer, shape (rows, tokens, width), float32.

        Args:
            given: as the example, of any number of rows and tokens.
        """
        import torch

        with self._running:  # a request holds one batch
            found = self._request.infer({name: one.numpy() for name, one in given.items()})
            return [torch.from_numpy(found[number].copy()) for number in range(self._count)]


def _properties(precision: Precision) -> dict[str, Any]:
    import torch

    return {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP if precision == "int8" else 0,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # or processes beside each other share a core
    }


def _traced(model: Any, example: Mapping[str, Tensor], layers: Sequence[int] | None) -> Any:
    """OpenVINO's graph of a model, for any number of rows and tokens."""
    import openvino
    import torch
    from transformers.utils import logging

    names = list(example)

    class States(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
            return tuple(states_of(self.model, dict(zip(names, given, strict=True)), layers))

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # about training, which is not meant
    try:
        with unreported(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about fixed sizes; tests have other ones
            graph = openvino.convert_model(
                States().eval(),
                example_input=tuple(example.values()),
                input=[openvino.PartialShape([-1, -1]) for _ in names],
            )
    finally:
        logging.set_verbosity(verbosity)
    for port, name in zip(graph.inputs, names, strict=True):
        port.get_tensor().set_names({name})
    return graph


def _round_weights(graph: Any) -> int:
    """Give each matrix of weights 8 bits a number and a scale a row; how many there were."""
    import numpy as np
    from openvino import opset13

    count = 0
    for node in graph.get_ops():
        weights = node.input_value(1).get_node() if node.get_type_name() == "MatMul" else None
        if weights is None or weights.get_type_name() != "Constant" or len(weights.shape) != 2:
            continue
        own = np.array(weights.data, dtype=np.float32)
        across = 1 if node.get_attributes()["transpose_b"] else 0
        scale = np.abs(own).max(across, keepdims=True) / STEPS
        scale[scale == 0] = 1
        steps = opset13.constant(np.rint(own / scale).astype(np.int8))
        back = opset13.multiply(opset13.convert(steps, "f32"), opset13.constant(scale))
        node.input(1).replace_source_output(back.output(0))
        count += 1
    return count
