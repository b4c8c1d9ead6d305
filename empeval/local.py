"""Components that are not installed: in a file that somebody names, or objects in Python."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empeval.components import Component, Kind
from empeval.contained import ContainedError
from empeval.errors import UsageError, nearest
from empeval.kinds import BASES, PluginError, checked_class, value_of
from empeval.notices import waiting
from empeval.references import Reference, Source, digest, import_file, read_source

_known: dict[type, Component] = {}


def local_component(cls: type[Any]) -> Component | None:
    """What errors call a class that came from a file or as an object."""
    return _known.get(cls)


def component_in_file(kind: Kind, reference: Reference) -> Component:
    """The component that a reference names.

    Raises:
        UsageError: the file cannot be read or holds no such component.
    """
    one, path = kind.removesuffix("s"), reference.path
    source = read_source(path)
    name = reference.attribute
    if not reference.python:
        if kind != "tasks":
            raise UsageError(f"{path} describes a task; a {one} is named as FILE.py:NAME.")
        if name:
            raise UsageError(f"{path} holds one task; leave ':{name}' out.")
        name = _read_task(path, source).__name__
        return Component(kind, name, str(path), path.name, source.digest, local=True)
    if not name:
        held = _held(_imported(path, source, kind), kind)
        if len(held) != 1:
            said = f"holds {len(held)} {kind} ({', '.join(held)})" if held else f"holds no {one}"
            raise UsageError(f"{path} {said}; name one as {path.name}:NAME.")
        (name,) = held
    return Component(kind, name, f"{path}:{name}", path.name, source.digest, local=True)


def load_from_file(component: Component) -> type[Any]:
    """The class of a component that ``component_in_file`` found.

    Raises:
        PluginError: the file fails, or what it holds is of another kind or unfinished.
    """
    kind = typing.cast(Kind, component.kind)
    one = kind.removesuffix("s")
    path = Path(component.value.removesuffix(f":{component.name}"))
    source = read_source(path)
    if path.suffix != ".py":
        loaded: Any = _read_task(path, source)
    else:
        module = loaded = _imported(path, source, kind)
        for part in component.name.split("."):
            if not hasattr(loaded, part):
                hint = nearest(component.name, _held(module, kind))
                raise PluginError(f"{path} has no '{component.name}'.{hint}")
            loaded = getattr(loaded, part)
        if inspect.isfunction(loaded):
            todo = (
                "a generator is a class; derive one from empeval.Generator"
                if kind == "generators"
                else f"put @empeval.{one} on it"
            )
            raise PluginError(f"'{component.name}' in {path} is a plain function; {todo}.")
    checked = checked_class(component, loaded, f"The {one} '{component.full_name}'")
    _known[checked] = component
    return checked


def component_of_class(kind: Kind, cls: type[Any]) -> Component:
    """What is known of a class that nobody has registered: its file, or what was typed."""
    if cls in _known:
        return _known[cls]
    own = _functions(cls)
    path = Path(own[0].__code__.co_filename) if own else Path()
    try:
        found = path.name, read_source(path).digest
    except UsageError:
        found = cls.__module__, _typed(own)
    made = Component(kind, cls.__name__, value_of(cls), *found, local=True)
    _known[cls] = made
    return made


def _functions(cls: type[Any]) -> list[types.FunctionType]:
    """What a class is made of; a decorated function alone where it is one."""
    function = getattr(cls, "function", None)
    own = [function] if function is not None else list(vars(cls).values())
    return [one for one in own if isinstance(one, types.FunctionType)]


def _typed(own: Sequence[types.FunctionType]) -> str:
    """The hash of what was typed in a session: a cell that is changed is a changed component."""
    try:
        return digest("".join(inspect.getsource(one) for one in own).encode())
    except (OSError, TypeError):  # nobody kept the text; what it became is there
        return digest(b"".join(_code(one.__code__) for one in own))


def _code(code: types.CodeType) -> bytes:
    """What a function does, without where it stands."""
    inner = [
        _code(c) if isinstance(c, types.CodeType) else repr(c).encode() for c in code.co_consts
    ]
    return code.co_code + repr(code.co_names).encode() + b"".join(inner)


def _held(module: Any, kind: Kind) -> list[str]:
    """The names of the components that a module defines itself."""
    return [
        name
        for name, thing in vars(module).items()
        if inspect.isclass(thing)
        and issubclass(thing, BASES[kind])
        and thing.__module__ == module.__name__
    ]


def _imported(path: Path, source: Source, kind: Kind) -> Any:
    try:
        with waiting(path.name, None):
            return import_file(path, source)
    except ContainedError as error:
        raise PluginError(
            f"The {kind.removesuffix('s')} file {path} cannot be loaded: {error.reason}."
        ) from error


def _read_task(path: Path, source: Source) -> type[Any]:
    from empeval.taskfiles import read_task_file

    return read_task_file(path, source)
