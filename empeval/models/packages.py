"""Which packaged models there are."""

from __future__ import annotations

from empeval.errors import UsageError, nearest
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
    hint = nearest(name, (model.name for model in catalogue()))
    raise UsageError(f"Unknown packaged model '{name}'.{hint}")
