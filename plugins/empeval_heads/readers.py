"""A head from its file, with the frozen base that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empeval import UsageError
from empeval.toolkit import fingerprint
from empeval_heads.facts import HeadFacts, Kind, find_file, read_facts

if TYPE_CHECKING:
    from empeval_heads.base import FrozenBase, Passage


class HeadReader:
    """A head with the frozen base it was trained on, loaded when it is first used.

    Args:
        target: a head's file, or a folder of heads.
        kind: which head.

    Raises:
        UsageError: there is no such head.
    """

    def __init__(self, target: Path, kind: Kind) -> None:
        self.path = find_file(target, kind)
        self.facts: HeadFacts = read_facts(self.path, kind)
        self._kind = kind
        self._head: Any = None
        self._base: FrozenBase | None = None

    def fingerprint(self) -> str:
        """``sha256:...`` of the head's file, and what identifies its base."""
        own = fingerprint(self.path.parent, (self.path.name,))
        return f"{own} on {self.facts.base_fingerprint}"

    def probabilities(self, passages: Sequence[Passage]) -> np.ndarray:
        """Probabilities of the classes, shape (passages, classes).

        Raises:
            UsageError: the base is another than the one that the head was trained on.
        """
        from empeval_heads.head import load_head, probabilities

        if self._head is None:
            self._base = trained_base(self.path, self.facts)
            self._head, _ = load_head(self.path, self._kind)
        assert self._base is not None  # noqa: S101 - for mypy: set with the head
        embedded = self._base.embed(
            passages,
            pooling=self.facts.pooling,
            max_length=self.facts.max_length,
            layers=self.facts.layers,
        )
        return probabilities(self._head, self.facts, embedded)


def trained_base(path: Path, facts: HeadFacts) -> FrozenBase:
    """The base that a head was trained on.

    Raises:
        UsageError: what goes by its name now has another width or other weights.
        EmpevalError: it cannot be had.
    """
    from empeval_heads.base import shared_base
    from empeval_heads.depth import check_layers

    base = shared_base(facts.base)
    try:
        check_layers(facts.layers, base.depth, facts.base)
    except UsageError as error:
        raise error.reworded(f"{path} reads a layer that is not there. {error}") from error
    width = base.width * max(1, len(facts.layers))
    if width != facts.width:
        raise UsageError(
            f"{path} was trained on embeddings of width {facts.width}, but its base {facts.base} "
            f"gives {width}. Train the head anew, or put the right base back."
        )
    if base.fingerprint != facts.base_fingerprint:
        raise UsageError(
            f"{path} was trained on other weights than {facts.base} has now "
            f"({facts.base_fingerprint[:23]}..., not {base.fingerprint[:23]}...); its "
            "probabilities would mean nothing. Train the head anew."
        )
    return base
