"""Which packaged models there are."""

from __future__ import annotations

from empeval.errors import UnknownNameError
from empeval.models.encoders import ENCODERS
from empeval.models.facts import PackagedModel
from empeval.models.generators import GENERATORS

MODELS = tuple(sorted((*ENCODERS, *GENERATORS), key=lambda model: model.name))


def catalogue() -> tuple[PackagedModel, ...]:
    """All packaged models, by name."""
    return MODELS


def find(name: str) -> PackagedModel:
    """The packaged model called ``name``.

    Raises:
        UsageError: there is none; the nearest names are given.
    """
    for model in catalogue():
        if model.name == name:
            return model
    known = (model.name for model in catalogue())
    said = f"Unknown packaged model '{name}'."
    raise UnknownNameError(said, kind="packaged model", name=name, known=known)
