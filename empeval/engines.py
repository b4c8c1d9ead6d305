"""With which engine, and in which precision, a scorer's encoder is computed.

``NAME?engine=openvino&precision=int8`` or ``NAME:TARGET?engine=...``: the options stand behind the
target, as those of ``judge:`` do. Nothing heavy is imported to read them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

import msgspec

from empeval.errors import UnknownNameError, UsageError
from empeval.extras import require

if TYPE_CHECKING:
    from torch import Tensor

Precision = Literal["float32", "bfloat16", "int8"]

EXAMPLE = "engine=openvino&precision=int8"
_MARK = " engine="
_REPORTS = "openvino_telemetry"


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """How an encoder is computed; as it always was unless somebody asks for something else.

    Attributes:
        engine: ``torch``, on the GPU where there is one; or ``openvino``, on the CPU.
        precision: ``float32``; with ``openvino`` also ``bfloat16``, or ``int8``: matrices of 8-bit
            weights, whose inputs are rounded to 8 bits where the processor multiplies such.
    """

    engine: Literal["torch", "openvino"] = "torch"
    precision: Precision = "float32"

    @property
    def plain(self) -> bool:
        """Whether it is torch in float32, with which scorers were made and audited."""
        return self == TORCH

    def short(self, target: str | None) -> str | None:
        """What files and tables call a target that is computed so; ``None``: the target itself."""
        if self.plain:
            return None
        return "-".join(filter(None, (target, self.engine, self.precision)))

    def sign(self, fingerprint: str) -> str:
        """A fingerprint of weights, and what they are computed with unless that is ``TORCH``."""
        if self.plain:
            return fingerprint
        return f"{fingerprint}{_MARK}{self.engine} precision={self.precision}"


TORCH = Engine()


def weights_of(fingerprint: str | None) -> str | None:
    """A fingerprint without what ``Engine.sign`` added."""
    return None if fingerprint is None else fingerprint.partition(_MARK)[0]


def read_engine(target: str | None) -> tuple[str | None, Engine]:
    """A scorer's target without its options, and the engine that they ask for.

    Args:
        target: ``TARGET?option=value&option=value``; either part may be missing.

    Raises:
        UsageError: an option that there is not, or one that makes no sense; OpenVINO is asked for
            and not installed.
    """
    place, mark, query = (target or "").partition("?")
    if not mark:
        return target, TORCH
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise UsageError(
            f"The scorer's options '{query}' are not option=value, joined by &: {EXAMPLE}"
        ) from error
    given = dict(pairs)
    if len(given) < len(pairs):
        raise UsageError(f"An option of the scorer is given twice: '{query}'.")
    known = Engine.__struct_fields__
    for name in given:
        if name not in known:
            said = f"Unknown option '{name}' of the scorer."
            raise UnknownNameError(said, kind="option", name=name, known=known)
    try:
        engine = msgspec.convert(given, Engine)
    except msgspec.ValidationError as error:
        raise UsageError(f"The scorer's options make no sense: {error}.") from error
    if engine.engine == "torch" and engine.precision != "float32":
        raise UsageError(f"precision={engine.precision} goes with engine=openvino.")
    if engine.engine == "openvino":
        require("engine=openvino", "openvino")
    return place or None, engine


@contextmanager
def unreported() -> Iterator[None]:
    """Import and use openvino without its reports of use, which it sends unless told otherwise.

    Its modules look for the package that sends them when they are imported, and go without it.
    """
    known = sys.modules.get(_REPORTS)
    sys.modules[_REPORTS] = None  # type: ignore[assignment]  # Python's way to say: not there
    try:
        yield
    finally:
        del sys.modules[_REPORTS]
        if known is not None:
            sys.modules[_REPORTS] = known


def states_of(
    model: Any, given: Mapping[str, Tensor], layers: Sequence[int] | None
) -> list[Tensor]:
    """Hidden states of layers, each of shape (rows, tokens, width).

    Args:
        model: of transformers.
        given: as of ``encoding.padded``.
        layers: which, 0 being the embeddings; ``None`` is the last one alone.
    """
    if layers is None:
        return [model(**given).last_hidden_state]
    every = model(**given, output_hidden_states=True).hidden_states
    return [every[layer] for layer in layers]
