"""What a component is: its kind, what is known of it, and whether a class will do."""

from __future__ import annotations

import inspect
import typing
from typing import Any, Literal

import msgspec

from empeval.cards import ScorerCard, TaskCard
from empeval.errors import UsageError
from empeval.interfaces import INTERFACE_VERSION, Generator, Scorer, Task

Kind = Literal["tasks", "generators", "scorers"]
KINDS: tuple[Kind, ...] = ("tasks", "generators", "scorers")
BASES: dict[Kind, type] = {"tasks": Task, "generators": Generator, "scorers": Scorer}
_CARDS: dict[type, type] = {Task: TaskCard, Scorer: ScorerCard}


class PluginError(UsageError):
    """A plugin was asked for by name and could not be loaded."""

    code = "plugin-unusable"


class Component(msgspec.Struct, frozen=True):
    """One registered task, generator or scorer, as its distribution's metadata states it."""

    kind: str
    name: str
    value: str
    distribution: str
    version: str
    local: bool = False
    """Not installed: from a file or an object; ``version`` is then the hash of its source."""

    @property
    def origin(self) -> str:
        """Distribution and version, as a run folder keeps them."""
        return f"{self.distribution} {self.version}".strip()

    def identity(self, version: str) -> str:
        """A card's version, with the source's hash where nobody releases versions."""
        return f"{version}+{self.version}" if self.local and self.version else version

    @property
    def full_name(self) -> str:
        """``distribution/name``: unambiguous even when two distributions share a name."""
        return f"{self.distribution}/{self.name}"


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
