"""What a shell may offer after TAB: components by their metadata, nothing imported for it.

``argcomplete`` (the extra ``completion``) speaks with the shell and knows verbs, options and
choices from the parser; here stands what the parser cannot know.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

Candidates = Callable[..., list[str]]


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks through argcomplete's variables, and end the process."""
    import argcomplete

    for verbs, action in _actions(parser, ()):
        found = _candidates(verbs, action)
        if found is not None:
            cast(Any, action).completer = found
    argcomplete.autocomplete(parser)


def _actions(
    parser: argparse.ArgumentParser, verbs: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], argparse.Action]]:
    """Every argument of a parser and of the verbs below it, with the verbs that lead there."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _actions(below, (*verbs, name))
        else:
            yield verbs, action


def _candidates(verbs: tuple[str, ...], action: argparse.Action) -> Candidates | None:
    """What completes an argument; ``None``: the parser's choices, or files."""
    if action.dest in ("tasks", "scorers"):  # one of many, where commas separate them
        many = action.nargs in ("*", "+")
        return _one_of(action.dest) if many else _list_of(action.dest)
    if action.dest == "task":
        return _one_of("tasks")
    if action.dest == "model":
        return _models
    if action.dest == "name" and verbs[:1] == ("models",):
        return _packaged
    if action.dest == "name" and verbs in (("show",), ("plugins", "check")):
        return _one_of("tasks", "generators", "scorers")
    return None


def _names(kinds: Iterable[str]) -> list[str]:
    from empeval import registry

    return sorted({c.name for kind in kinds for c in registry.components(cast(Any, kind))})


def _with_files(prefix: str, found: Iterable[str]) -> list[str]:
    """Names that begin so; files too, as a component may lie in one."""
    from argcomplete.completers import FilesCompleter

    return [n for n in found if n.startswith(prefix)] + list(FilesCompleter()(prefix))


def _one_of(*kinds: str) -> Candidates:
    def candidates(prefix: str, **_: object) -> list[str]:
        return _with_files(prefix, _names(kinds))

    return candidates


def _list_of(kind: str) -> Candidates:
    def candidates(prefix: str, **_: object) -> list[str]:
        before, comma, last = prefix.rpartition(",")
        taken = before.split(",")
        free = [name for name in _names([kind]) if name not in taken]
        return [before + comma + name for name in _with_files(last, free)]

    return candidates


def _models(prefix: str, **_: object) -> list[str]:
    scheme, colon, rest = prefix.partition(":")
    if not colon:
        return [f"{name}:" for name in _names(["generators"])]
    if scheme == "packaged":
        return [f"packaged:{name}" for name in _packaged(rest)]
    from argcomplete.completers import FilesCompleter

    return [f"{scheme}:{path}" for path in FilesCompleter()(rest)]


def _packaged(prefix: str, **_: object) -> list[str]:
    from empeval import models

    return [model.name for model in models.catalogue()]
