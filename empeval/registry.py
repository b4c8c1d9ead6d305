"""Finds plugins by entry point; imports one only when it is asked for by name.

Listing reads the installed distributions' metadata and imports nothing. A plugin that cannot be
imported is an error for whoever asks for it by name, and for nobody else.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec

from empeval.contained import ContainedError, contained
from empeval.errors import UsageError, nearest
from empeval.installed import entry_points
from empeval.interfaces import (
    INTERFACE_VERSION,
    Generator,
    ModelCard,
    Scorer,
    ScorerCard,
    Task,
    TaskCard,
)

Kind = Literal["tasks", "generators", "scorers"]
KINDS: tuple[Kind, ...] = ("tasks", "generators", "scorers")
_BASES: dict[Kind, type] = {"tasks": Task, "generators": Generator, "scorers": Scorer}
Card = TypeVar("Card", TaskCard, ModelCard, ScorerCard)
_CARDS: dict[type, type] = {Task: TaskCard, Scorer: ScorerCard}


class PluginError(UsageError):
    """A plugin was asked for by name and could not be loaded."""


class Component(msgspec.Struct, frozen=True):
    """One registered task, generator or scorer, as its distribution's metadata states it."""

    kind: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def full_name(self) -> str:
        """``distribution/name``: unambiguous even when two distributions share a name."""
        return f"{self.distribution}/{self.name}"


@lru_cache(maxsize=8)
def components(kind: Kind) -> tuple[Component, ...]:
    """All components of a kind, by name, without importing any."""
    points, _ = entry_points(f"empeval.{kind}")
    found = {
        (entry.name, entry.value, distribution): Component(
            kind=kind,
            name=entry.name,
            value=entry.value,
            distribution=distribution,
            version=version,
        )
        for distribution, version, entry in points
    }
    return tuple(found[key] for key in sorted(found))


def find(kind: Kind, name: str) -> Component:
    """The component called ``name`` or ``distribution/name``.

    Raises:
        UsageError: no such name (the nearest ones are named), or two distributions have it.
    """
    known = components(kind)
    matches = [c for c in known if name in (c.name, c.full_name)]
    if len(matches) == 1:
        return matches[0]
    one = kind.removesuffix("s")
    if not matches:
        what = f"scheme '{name}:' of a model" if kind == "generators" else f"{one} '{name}'"
        raise UsageError(f"Unknown {what}.{nearest(name, (c.name for c in known))}")
    raise UsageError(
        f"Two plugins have a {one} named '{name}'. Say which: "
        + " or ".join(c.full_name for c in matches)
        + "."
    )


def load(component: Component) -> type[Any]:
    """Import a component's class and check that it is one.

    Raises:
        PluginError: the import fails, the name is not there, or the class is of another kind, is
            unfinished, or was written for another version of the interface.
    """
    module_name, _, attribute = component.value.partition(":")
    label = f"The {component.kind.removesuffix('s')} plugin '{component.full_name}'"
    try:
        with contained(label):
            loaded: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                loaded = getattr(loaded, part)
    except ContainedError as error:
        raise PluginError(
            f"{label} cannot be loaded: {error.reason}. "
            f"Reinstall or remove '{component.distribution}'; other plugins are not affected."
        ) from error
    base = _BASES[typing.cast(Kind, component.kind)]
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


def options(cls: type[Any]) -> dict[str, Any]:
    """The keyword parameters of a component's ``__init__`` with their types, ``target`` apart."""
    with contained(f"the signature of {cls.__qualname__} ({plugin_of(cls)})"):
        hints = typing.get_type_hints(cls.__init__)
        parameters = inspect.signature(cls).parameters.values()
    return {
        p.name: hints.get(p.name, str)
        for p in parameters
        if p.name != "target" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def build(cls: type[Any], arguments: Mapping[str, Any], *, label: str, **fixed: Any) -> Any:
    """Construct a component, turning text arguments into the types that it asks for.

    Args:
        cls: the component's class.
        arguments: option -> value; text is converted by the parameter's annotation.
        label: how errors call it, such as ``"task 'ed-empathy'"``.
        fixed: passed as they are (``target``); one that is ``None`` is left out where the class
            does not take it.

    Raises:
        UsageError: an unknown option, a value that its type does not take, or a target for a
            class that takes none.
        ContainedError: the class raises something else.
    """
    known = options(cls)
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in known:
            takes = nearest(name, known) if known else " It takes no options."
            raise UsageError(f"Unknown option '{name}' of {label}.{takes}")
        values[name] = _convert(value, known[name], name, label)
    accepted = _accepted(cls, fixed, label)
    with contained(f"{label} ({plugin_of(cls)})"):
        return cls(**accepted, **values)


def plugin_of(cls: type[Any]) -> str:
    """The distribution that registers a class, or else the package that it is from."""
    value = f"{cls.__module__}:{cls.__qualname__}"
    for kind in KINDS:
        for component in components(kind):
            if component.value == value:
                return component.distribution
    return cls.__module__.partition(".")[0]


def label_of(thing: Task | Generator | Scorer) -> str:
    """What errors call a component: its kind, name and distribution."""
    kind = next(k for k in KINDS if isinstance(thing, _BASES[k]))
    value = f"{type(thing).__module__}:{type(thing).__qualname__}"
    names = [c.full_name for c in components(kind) if c.value == value]
    name = names[0] if len(names) == 1 else f"{plugin_of(type(thing))}/{type(thing).__name__}"
    return f"the {kind.removesuffix('s')} '{name}'"


def checked_card(thing: Task | Generator | Scorer, card: type[Card]) -> Card:
    """A component's card, if it is what a run folder can hold.

    Raises:
        PluginError: it is no such card, or a field holds what it must not.
        ContainedError: it cannot be had.
    """
    label = label_of(thing)
    with contained(f"the card of {label}"):
        found = thing.card
    try:
        if not isinstance(found, card):
            raise TypeError(f"it is no {card.__name__}")
        msgspec.json.decode(msgspec.json.encode(found), type=card)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise PluginError(f"The card of {label} cannot be used: {error}.") from error
    return found


def _accepted(cls: type[Any], fixed: Mapping[str, Any], label: str) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(fixed)
    for name, value in fixed.items():
        if name not in parameters and value is not None:
            raise UsageError(f"{_capital(label)} takes no {name}, but ':{value}' was given.")
    return {name: value for name, value in fixed.items() if name in parameters}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _convert(value: Any, wanted: Any, name: str, label: str) -> Any:
    if not isinstance(value, str) or wanted is str:
        try:
            return msgspec.convert(value, wanted)
        except (msgspec.ValidationError, TypeError) as error:
            raise UsageError(f"Option '{name}' of {label}: {error}.") from None
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        choices = [
            str(choice)
            for part in (wanted, *typing.get_args(wanted))
            if typing.get_origin(part) is Literal
            for choice in typing.get_args(part)
        ]
        wants = f"one of {', '.join(choices)}" if choices else _type_name(wanted)
        raise UsageError(f"Option '{name}' of {label} is {value!r}; it takes {wants}.") from error


def _type_name(wanted: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    parts = [p for p in typing.get_args(wanted) if p is not type(None)] or [wanted]
    return " or ".join(names.get(p, getattr(p, "__name__", str(p))) for p in parts)
