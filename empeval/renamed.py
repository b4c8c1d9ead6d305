"""Names of the last version that are still read, with a notice, for one version."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def attributes(module: str, **now: str) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that reads old names.

    Args:
        module: its name.
        now: old name -> the name it has now.
    """

    def read(name: str) -> Any:
        if name not in now:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _say(f"{module}.{name}", now[name], stacklevel=3)
        return getattr(sys.modules[module], now[name])

    return read


def arguments(**now: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: arguments that are given by an old name arrive under the one they have now.

    Args:
        now: old name -> the name it has now.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in now.keys() & kwargs.keys():
                _say(f"{function.__name__}({old}=...)", now[old], stacklevel=3)
                kwargs[now[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def methods(owner: type, now: Mapping[str, str]) -> None:
    """Take what a subclass overrides by old names for what is overridden now.

    Args:
        owner: the subclass.
        now: old name -> the name it has now.
    """
    for old in now.keys() & vars(owner).keys():
        _say(f"{owner.__name__}.{old}", now[old], stacklevel=4)
        setattr(owner, now[old], vars(owner)[old])
        delattr(owner, old)


def _say(old: str, new: str, stacklevel: int) -> None:
    warnings.warn(
        f"{old} is called {new}; the old name goes with the next version.",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
