"""What a component of a kind must be: whether a class will do."""

from __future__ import annotations

import inspect
import typing
from typing import Any

from empeval.cards import ScorerCard, TaskCard
from empeval.components import Component, Kind
from empeval.errors import UsageError
from empeval.interfaces import INTERFACE_VERSION, Generator, Scorer, Task

BASES: dict[Kind, type] = {"tasks": Task, "generators": Generator, "scorers": Scorer}
_CARDS: dict[type, type] = {Task: TaskCard, Scorer: ScorerCard}


class PluginError(UsageError):
    """A plugin was asked for by name and could not be loaded."""

    code = "plugin-unusable"


def value_of(cls: type[Any]) -> str:
    """``module:Class``, as an entry point names it."""
    return f"{cls.__module__}:{cls.__qualname__}"


def checked_class(component: Component, loaded: Any, label: str) -> type[Any]:
    """What was loaded, if it is a finished class of the kind, written for this interface.

    Raises:
        PluginError: it is not.
    """
    base = BASES[typing.cast(Kind, component.kind)]
    if not (inspect.isclass(loaded) and issubclass(loaded, base)):
        raise PluginError(f"{label} ({component.value}) is not a subclass of {base.__name__}.")
    written_for: int = getattr(loaded, "interface", 0)
    if written_for != INTERFACE_VERSION:
        raise PluginError(
            f"{label} was written for interface version {written_for}; this is version "
            f"{INTERFACE_VERSION}. Install a release of '{component.distribution}' that fits."
        )
    lacking = sorted(getattr(loaded, "__abstractmethods__", ()))
    card = _CARDS.get(base)
    if card is not None and not isinstance(getattr(loaded, "card", None), card):
        lacking.append(f"card (a {card.__name__})")
    if lacking:
        raise PluginError(f"{label} ({component.value}) lacks {', '.join(lacking)}.")
    return loaded
