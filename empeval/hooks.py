"""Hook specifications: what a plugin may do beyond adding tasks, generators and scorers.

A hook module is registered under the entry-point group ``empeval``::

    [project.entry-points.empeval]
    my-hooks = "my_package.hooks"

and marks its functions with ``@empeval.hookimpl``. Hook modules are imported at start-up, so
they stay light: import what is heavy inside the functions. A hook that raises is reported and
skipped; it never takes the run down. A misspelt hook name is reported by ``empeval plugins
list`` and ``empeval doctor``.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import pluggy

from empeval.contained import ContainedError, contained, reason_of
from empeval.errors import EmpevalError
from empeval.extras import MissingPackageError
from empeval.installed import entry_points
from empeval.notices import waiting, warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from empeval.formats import ExportFormat
    from empeval.interfaces import Generator
    from empeval.records import Metric, Response, Sheet
    from empeval.runs import Run

hookspec = pluggy.HookspecMarker("empeval")
hookimpl = pluggy.HookimplMarker("empeval")


@hookspec
def empeval_register_commands(subcommands: argparse._SubParsersAction[Any]) -> None:
    """Add verbs to the command line.

    Call ``subcommands.add_parser(name, help=...)`` and set ``run`` with ``set_defaults`` to a
    function that takes the parsed arguments and returns an exit code.
    """


@hookspec(firstresult=True)
def empeval_resolve_model(uri: str, arguments: Mapping[str, str]) -> Generator | None:
    """Turn a model URI into a generator, before the registered schemes are asked.

    Return ``None`` to leave the URI to others. Use it for names of your own (``prod``,
    ``staging``) or to wrap a generator in another.
    """


@hookspec
def empeval_run_started(folder: str, manifest: Mapping[str, Any]) -> None:
    """A run begins or goes on. ``folder`` is its path, ``manifest`` what ``run.json`` holds."""


@hookspec
def empeval_response_written(folder: str, task: str, response: Response) -> None:
    """An answer has been written and flushed."""


@hookspec
def empeval_scores_written(folder: str, task: str, scorer: str, count: int) -> None:
    """All scores of one scorer on one task have been written."""


@hookspec
def empeval_run_finished(folder: str, metrics: Sequence[Metric]) -> None:
    """``metrics.json`` has been written."""


@hookspec
def empeval_export_sheets(run: Run) -> list[Sheet]:
    """Tables of your own for ``empeval export``; an empty list where the run has nothing for you.

    ``run`` is finished. A sheet whose name is taken is refused, so begin it with your plugin's.
    """
    return []


@hookspec
def empeval_export_formats() -> list[ExportFormat]:
    """Formats of your own for ``empeval export --to NAME``.

    A name that is taken is left out. What ``write`` does runs only when the format is asked for.
    """
    return []


class Hooks:
    """The installed hook modules, each called on its own so that one that raises hurts no other.

    Attributes:
        problems: what went wrong so far, as ``(plugin, sentence)``: modules that could not be
            imported, names that no hook has, hooks that raised.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("empeval")
        self.manager.add_hookspecs(sys.modules[__name__])
        self.problems: list[tuple[str, str]] = []
        self._callers: dict[str, list[tuple[str, Any]]] = {}

    def load_installed(self) -> Hooks:
        """Import every hook module of the entry-point group ``empeval``."""
        points, broken = entry_points("empeval")
        self.problems += broken
        for distribution, _, entry in points:
            name = f"{distribution}/{entry.name}"
            try:
                with contained(f"plugin {name}"), waiting(f"plugin {name}", distribution):
                    loaded = entry.load()
                with contained(f"plugin {name}"):
                    self.register(loaded, name)
            except EmpevalError as error:
                self.problems.append((name, f"cannot be loaded: {_reason(error)}"))
        return self

    def register(self, plugin: object, name: str) -> None:
        """Add a hook module (or any object with hook functions) under a name."""
        self.manager.register(plugin, name)
        self._callers.clear()
        try:
            self.manager.check_pending()
        except pluggy.PluginValidationError as error:
            self.problems.append((name, str(error)))
            self.manager.unregister(plugin)

    def names(self) -> list[str]:
        """The names of the loaded hook modules."""
        return sorted(name for name, plugin in self.manager.list_name_plugin() if plugin)

    def fire(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook in every plugin; results that are not ``None``, first come first."""
        results: list[Any] = []
        for _, result in self._each(hook, arguments):
            if result is not None:
                results += result if isinstance(result, list) else [result]
        return results

    def register_commands(self, verbs: argparse._SubParsersAction[Any]) -> dict[str, str]:
        """Have every plugin add its verbs; verb -> the plugin whose it is."""
        owners: dict[str, str] = {}
        known = set(verbs.choices)
        for name, _ in self._each("empeval_register_commands", {"subcommands": verbs}):
            owners |= dict.fromkeys(set(verbs.choices) - known, name)
            known = set(verbs.choices)
        return owners

    def _each(self, hook: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Call a hook in one plugin after the other: its name, and what it returns.

        A plugin that fails is reported, once for each reason, and returns ``None``.
        """
        if hook not in self._callers:
            plugins = self.manager.list_name_plugin()  # unlike a set, in the order of registration
            self._callers[hook] = [
                (
                    name,
                    self.manager.subset_hook_caller(hook, (p for _, p in plugins if p != plugin)),
                )
                for name, plugin in plugins
            ]
        for name, caller in self._callers[hook]:
            result = None
            try:
                with contained(f"plugin {name}"):
                    result = caller(**arguments)
            except EmpevalError as error:
                sentence = f"{hook} raised {_reason(error)}"
                if (name, sentence) not in self.problems:
                    self.problems.append((name, sentence))
                    warn(f"plugin {name}: {sentence}")
            yield name, result


def _reason(error: EmpevalError) -> str:
    if isinstance(error, MissingPackageError):
        return str(error)
    return error.reason if isinstance(error, ContainedError) else reason_of(error)
