"""Finds plugins by entry point, file or object; imports one only when it is asked for.

Listing reads the installed distributions' metadata and imports nothing. A plugin that cannot be
imported is an error for whoever asks for it by name, and for nobody else.
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from empeval.cards import ModelCard, ScorerCard, TaskCard
from empeval.components import KINDS, Component, Kind, components
from empeval.contained import ContainedError, contained
from empeval.errors import UnknownNameError, UsageError
from empeval.installed import left_out
from empeval.interfaces import Generator, Scorer, Task
from empeval.kinds import BASES, PluginError, checked_class, value_of
from empeval.local import (
    component_in_file,
    component_of_class,
    load_from_file,
    local_component,
)
from empeval.notices import waiting
from empeval.references import parse_reference

__all__ = [
    "KINDS",
    "Component",
    "Kind",
    "PluginError",
    "build",
    "checked_card",
    "components",
    "expand",
    "find",
    "label_of",
    "load",
    "local_component",
    "named",
    "options",
    "plugin_of",
    "resolve",
]  # fmt: skip

Card = TypeVar("Card", TaskCard, ModelCard, ScorerCard)


def find(kind: Kind, name: str, prefer: str | None = None) -> Component:
    """The component called ``name`` or ``distribution/name``, or the one in a file.

    Args:
        kind: of the component.
        name: or a file reference without a target.
        prefer: the distribution whose component it is where two have one of that name.

    Raises:
        UsageError: no such name (the nearest ones are named), two distributions have it, or a
            file that is not there or does not hold it.
    """
    reference = parse_reference(name)
    if reference is not None:
        return component_in_file(kind, reference)
    known = components(kind)
    matches = [c for c in known if name in (c.name, c.full_name)]
    own = [c for c in matches if c.distribution == prefer]
    if len(matches) == 1 or len(own) == 1:
        return (own or matches)[0]
    one = kind.removesuffix("s")
    if not matches:
        what = f"scheme '{name}:' of a model" if kind == "generators" else f"{one} '{name}'"
        hint = left_out(f"empeval.{kind}", name)
        raise UnknownNameError(
            f"Unknown {what}.", kind=one, name=name, known=(c.name for c in known), hint=hint
        )
    raise UsageError(
        f"Two plugins have a {one} named '{name}'. Say which: "
        + " or ".join(c.full_name for c in matches)
        + "."
    )


def named(name: str) -> list[Component]:
    """Every component of that name, of whatever kind; those in a file, by reference.

    Raises:
        UsageError: a file that holds none, with the reason of the kind that most files hold.
    """
    if parse_reference(name) is None:
        every = [c for kind in KINDS for c in components(kind)]
        return [c for c in every if name in (c.name, c.full_name)]
    found: list[Component] = []
    problem: UsageError | None = None
    for kind in KINDS:
        try:
            component = find(kind, name)
            load(component)
            found.append(component)
        except UsageError as error:
            problem = error
    if not found and problem is not None:
        raise problem
    return found


def load(component: Component) -> type[Any]:
    """Import a component's class and check that it is one.

    Raises:
        PluginError: the import fails, the name is not there, or the class is of another kind, is
            unfinished, or was written for another version of the interface.
    """
    if component.local:
        return load_from_file(component)
    module_name, _, attribute = component.value.partition(":")
    label = f"The {component.kind.removesuffix('s')} plugin '{component.full_name}'"
    try:
        with contained(label), waiting(f"plugin {component.full_name}", component.distribution):
            loaded: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                loaded = getattr(loaded, part)
    except ContainedError as error:
        raise PluginError(
            f"{label} cannot be loaded: {error.reason}. "
            f"Reinstall or remove '{component.distribution}'; other plugins are not affected."
        ) from error
    return checked_class(component, loaded, label)


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
        arguments: option -> value; text is converted by the parameter's annotation. A class that
            takes any (``**others``) gets those that it does not name as they are.
        label: how errors call it, such as ``"task 'small-talk'"``.
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
        if name not in known and name not in fixed and _takes_any(cls):
            values[name] = value
            continue
        if name not in known:
            raise UnknownNameError(
                f"Unknown option '{name}' of {label}.",
                kind="option",
                name=name,
                known=known,
                hint="" if known else "It takes no options.",
            )
        values[name] = _convert(value, known[name], name, label)
    accepted = _accepted(cls, fixed, label)
    with contained(f"{label} ({plugin_of(cls)})"):
        return cls(**accepted, **values)


def plugin_of(cls: type[Any]) -> str:
    """The distribution that registers a class, or else the package that it is from."""
    local = local_component(cls)
    if local is not None:
        return local.distribution
    value = value_of(cls)
    for kind in KINDS:
        for component in components(kind):
            if component.value == value:
                return component.distribution
    return cls.__module__.partition(".")[0]


def label_of(thing: Task | Generator | Scorer) -> str:
    """What errors call a component: its kind, name and distribution."""
    kind = next(k for k in KINDS if isinstance(thing, BASES[k]))
    known = local_component(type(thing))
    value = value_of(type(thing))
    names = [known.full_name] if known is not None and known.kind == kind else [
        c.full_name for c in components(kind) if c.value == value
    ]  # fmt: skip
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


def resolve(kind: Kind, what: Any, prefer: str | None = None) -> tuple[Component, Any]:
    """A component by name, file reference, class or object.

    Args:
        kind: of the component.
        what: text, a class of the kind, or an instance.
        prefer: as of ``find``.

    Returns:
        What is known of it, and its class (or the instance itself).

    Raises:
        UsageError: as of ``find`` and ``load``, or it is something else.
    """
    if isinstance(what, str):
        component = find(kind, what, prefer)
        return component, load(component)
    base = BASES[kind]
    cls = what if inspect.isclass(what) else type(what)
    if not issubclass(cls, base):
        one = kind.removesuffix("s")
        hint = f" Put @empeval.{one} on it." if inspect.isfunction(what) else ""
        raise UsageError(
            f"{what!r:.60} is no {one}: give its name, FILE.py:NAME, or a {base.__name__}.{hint}"
        )
    component = _component_of(kind, cls)
    checked_class(component, cls, f"The {kind.removesuffix('s')} '{component.full_name}'")
    return component, what


def expand(kind: Kind, names: Sequence[Any]) -> list[Any]:
    """Names with ``*``, ``?`` and ``[...]`` replaced by the components that they match.

    Each is there once, in the order of its first mention; what is no such pattern stays.

    Raises:
        UsageError: a pattern that matches nothing.
    """
    made: list[Any] = []
    for name in names:
        pattern = isinstance(name, str) and any(c in name for c in "*?[")
        if not pattern or parse_reference(name) is not None or set(name) & set(":="):
            made.append(name)
            continue
        known = dict.fromkeys(c.name for c in components(kind))
        found = [one for one in known if fnmatch.fnmatchcase(one, name)]
        if not found:
            one = kind.removesuffix("s")
            said = f"No {one} matches '{name}'."
            raise UnknownNameError(said, kind=one, name=name, known=known)
        made += [one for one in found if one not in made and one not in names]
    return made


def _component_of(kind: Kind, cls: type[Any]) -> Component:
    registered = (c for c in components(kind) if c.value == value_of(cls))
    return next(registered, None) or component_of_class(kind, cls)


def _accepted(cls: type[Any], fixed: Mapping[str, Any], label: str) -> dict[str, Any]:
    if _takes_any(cls):
        return dict(fixed)
    parameters = inspect.signature(cls).parameters
    for name, value in fixed.items():
        if name not in parameters and value is not None:
            raise UsageError(f"{_capital(label)} takes no {name}, but ':{value}' was given.")
    return {name: value for name, value in fixed.items() if name in parameters}


def _takes_any(cls: type[Any]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values())


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
