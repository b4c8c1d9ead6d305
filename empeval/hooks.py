"""Hook specifications: what a plugin may do beyond adding tasks, generators and scorers.

A hook module is registered under the entry-point group ``empeval``::

    [project.entry-points.empeval]
    my-hooks = "my_package.hooks"

and marks its functions with ``@empeval.hookimpl``::

    @hookimpl
    def empeval_run_finished(event):
        print(event.folder, len(event.metrics), file=sys.stderr)

A function names the arguments that it wants and no others; what it is told stands in one record
(see ``events``), to which a later version may add fields. Hook modules are imported at start-up,
so they stay light: import what is heavy inside the functions.

Order and wrapping are pluggy's. Of functions that say nothing, those of the plugin loaded first are
called first; ``@hookimpl(tryfirst=True)`` and ``trylast=True`` say otherwise. A wrapper runs before
and after all others, and may change what they return::

    @hookimpl(wrapper=True)
    def empeval_resolve_model(uri):
        found = yield
        return Slower(found) if found is not None else None

A hook that raises is reported, once for each reason, and skipped; it never takes the run or another
hook down. A misspelt name is reported by ``empeval plugins list`` and ``empeval doctor``.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from collections.abc import Generator as Steps
from typing import TYPE_CHECKING, Any

import pluggy

from empeval.contained import ContainedError, contained, reason_of
from empeval.errors import EmpevalError
from empeval.extras import MissingPackageError
from empeval.installed import entry_points
from empeval.notices import waiting, warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from empeval.commands import Commands
    from empeval.events import ItemAnswered, RunFinished, RunStarted, ScorerFinished
    from empeval.formats import ExportFormat
    from empeval.interfaces import Generator
    from empeval.records import Metric, Response, Sheet
    from empeval.runs import Run
    from empeval.workers import WorkerKind

hookspec = pluggy.HookspecMarker("empeval")
hookimpl = pluggy.HookimplMarker("empeval")

EARLIER = {
    "empeval_register_commands": ("subcommands",),
    "empeval_run_started": ("folder", "manifest"),
    "empeval_response_written": ("folder", "task", "response"),
    "empeval_scores_written": ("folder", "task", "scorer", "count"),
    "empeval_run_finished": ("folder", "metrics"),
}
"""Hook -> arguments of empeval 0.1 that its first one has taken the place of; they go in 0.3."""


@hookspec
def empeval_register_commands(commands: Commands, subcommands: Any) -> None:
    """Add verbs to the command line: ``commands.add(name, summary, run)``."""


@hookspec(firstresult=True)
def empeval_resolve_model(uri: str, arguments: Mapping[str, str]) -> Generator | None:
    """Turn a model URI into a generator, before the registered schemes are asked.

    Return ``None`` to leave the URI to others; the first that returns something else decides. Use
    it for names of your own (``prod``, ``staging``) or to wrap a generator in another.
    """


@hookspec
def empeval_run_started(event: RunStarted, folder: str, manifest: Mapping[str, Any]) -> None:
    """A run begins or goes on."""


@hookspec
def empeval_response_written(
    event: ItemAnswered, folder: str, task: str, response: Response
) -> None:
    """An answer has been written and flushed."""


@hookspec
def empeval_scores_written(
    event: ScorerFinished, folder: str, task: str, scorer: str, count: int
) -> None:
    """All scores of one scorer on one task have been written."""


@hookspec
def empeval_run_finished(event: RunFinished, folder: str, metrics: Sequence[Metric]) -> None:
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


@hookspec
def empeval_worker_kinds() -> list[WorkerKind]:
    """Kinds of your own for ``--score-workers KIND:N``.

    A name that is taken is left out. What ``start`` does runs only when the kind is asked for.
    """
    return []


class Hooks:
    """The installed hook modules; what one of them raises hurts no other.

    Attributes:
        problems: what went wrong so far, as ``(plugin, sentence)``: modules that could not be
            imported, names that no hook has, hooks that raised.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("empeval")
        self.manager.add_hookspecs(sys.modules[__name__])
        self.problems: list[tuple[str, str]] = []
        self._commands: Commands | None = None
        self._earlier: dict[str, list[str]] = {}

    def load_installed(self) -> Hooks:
        """Import every hook module of the entry-point group ``empeval``."""
        points, broken = entry_points("empeval")
        self.problems += broken
        loaded: list[tuple[str, object]] = []
        for distribution, _, entry in points:
            name = f"{distribution}/{entry.name}"
            try:
                with contained(f"plugin {name}"), waiting(f"plugin {name}", distribution):
                    loaded.append((name, entry.load()))
            except EmpevalError as error:
                self.problems.append((name, f"cannot be loaded: {_reason(error)}"))
        for name, module in reversed(loaded):  # who is registered last is called first
            try:
                with contained(f"plugin {name}"):
                    self.register(module, name)
            except EmpevalError as error:
                self.problems.append((name, f"cannot be loaded: {_reason(error)}"))
        return self

    def register(self, plugin: object, name: str) -> None:
        """Add a hook module (or any object with hook functions) under a name.

        It is called before those that are there already, unless they say otherwise.
        """
        held = _Held(name)
        try:
            for attribute in dir(plugin):
                marks = self.manager.parse_hookimpl_opts(plugin, attribute)
                if marks is not None:
                    function = getattr(plugin, attribute)
                    hook = marks.get("specname") or attribute
                    wraps = marks.get("wrapper") or marks.get("hookwrapper")
                    made = (self._wrapping if wraps else self._calling)(name, hook, function)
                    functools.update_wrapper(made, function)
                    setattr(held, attribute, hookimpl(**marks)(made))
            self.manager.register(held, name)
            self.manager.check_pending()
        except pluggy.PluginValidationError as error:
            self.problems.append((name, str(error)))
            if self.manager.is_registered(held):
                self.manager.unregister(held)
            return
        for caller in self.manager.get_hookcallers(held) or ():
            own = (one for one in caller.get_hookimpls() if one.plugin is held)
            taken = {argument for one in own for argument in one.argnames}
            if taken & set(EARLIER.get(caller.name, ())):
                self._earlier.setdefault(caller.name, []).append(name)

    def names(self) -> list[str]:
        """The names of the loaded hook modules."""
        return sorted(name for name, plugin in self.manager.list_name_plugin() if plugin)

    def fire(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook; the results that are not ``None``, in the order of the calls.

        Args:
            hook: its name.
            arguments: all of the specification's, but for those that a record has taken the place
                of.
        """
        for name in self._earlier.pop(hook, ()):
            first = inspect.signature(globals()[hook]).parameters
            warn(
                f"plugin {name}: {hook} takes {' and '.join(EARLIER[hook])} no more after version "
                f"0.2; have it take '{next(iter(first))}' (see empeval/hooks.py)"
            )
        event = arguments.get("event")
        for name in EARLIER.get(hook, ()):
            arguments.setdefault(name, getattr(event, name, None))
        found = getattr(self.manager.hook, hook)(**arguments)
        results: list[Any] = []
        for result in found if isinstance(found, list) else [found]:
            if result is not None:
                results += result if isinstance(result, list) else [result]
        return results

    def register_commands(self, commands: Commands) -> None:
        """Have every plugin add its verbs; ``commands.owners`` says whose each is."""
        self._commands = commands
        self.fire("empeval_register_commands", commands=commands, subcommands=commands.subparsers)
        self._commands = None

    def _calling(self, name: str, hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A plugin's function that reports what it raises, and then returns ``None``."""

        def call(*given: Any) -> Any:
            return self._reported(name, hook, lambda: function(*given))

        return call

    def _wrapping(
        self, name: str, hook: str, function: Callable[..., Any]
    ) -> Callable[..., Steps[None, Any, Any]]:
        """A plugin's wrapper that changes nothing where it raises."""

        def begun(given: Sequence[Any]) -> Any:
            steps = function(*given)
            next(steps)
            return steps

        def ended(steps: Any, result: Any) -> Any:
            try:
                steps.send(result)
            except StopIteration as end:
                return end.value
            steps.close()
            raise RuntimeError("a wrapper yields once")

        def call(*given: Any) -> Steps[None, Any, Any]:
            steps = self._reported(name, hook, lambda: begun(given))
            result = yield
            if steps is None:
                return result
            return self._reported(name, hook, lambda: ended(steps, result), otherwise=result)

        return call

    def _reported(self, name: str, hook: str, act: Callable[[], Any], otherwise: Any = None) -> Any:
        """What a plugin does; what it raises is reported, once for each reason."""
        try:
            with contained(f"plugin {name}"):
                return act()
        except EmpevalError as error:
            sentence = f"{hook} raised {_reason(error)}"
            if (name, sentence) not in self.problems:
                self.problems.append((name, sentence))
                warn(f"plugin {name}: {sentence}")
            return otherwise
        finally:
            if self._commands is not None:
                self._commands.belong_to(name)


class _Held:
    """A plugin's functions, each contained."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _reason(error: EmpevalError) -> str:
    if isinstance(error, MissingPackageError):
        return str(error)
    return error.reason if isinstance(error, ContainedError) else reason_of(error)
