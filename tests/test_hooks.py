"""Hook modules are called, and none takes the run or another one down."""

from __future__ import annotations

import json

import pytest
from support.distributions import make_distribution
from support.odd import Watching

import empeval
from empeval import hookimpl
from empeval.events import RunFinished, RunStarted
from empeval.hooks import Hooks


@pytest.mark.usefixtures("odd_plugins")
def test_a_run_tells_its_hooks_what_happens_in_order(tmp_path):
    hooks, watching = Hooks(), Watching()
    hooks.register(watching, "watching")
    empeval.run("repeating:", ["days"], ["length"], limit=3, out=tmp_path / "run", hooks=hooks)
    assert watching.calls == [
        ("started", "running"),
        ("response", "days", "1"),
        ("response", "days", "2"),
        ("response", "days", "3"),
        ("scores", "days", "length", 3),
        ("finished", 1),
    ]
    empeval.run("repeating:", ["days"], ["length"], limit=3, out=tmp_path / "run", hooks=hooks)
    assert len(watching.calls) == 6, "a finished run is not run again"
    empeval.score(tmp_path / "run", ["surface"], hooks=hooks)
    assert watching.calls[6:] == [("scores", "days", "surface", 3), ("finished", 9)]


@pytest.mark.usefixtures("odd_plugins")
def test_an_answer_is_on_disk_when_its_hook_is_called(tmp_path):
    seen = []

    class Reader:
        @hookimpl
        def empeval_response_written(self, event):
            seen.append(len(empeval.Run(event.folder).responses(event.task)))

    hooks = Hooks()
    hooks.register(Reader(), "reader")
    empeval.run("repeating:", ["days"], [], limit=4, out=tmp_path / "run", hooks=hooks)
    assert seen == [1, 2, 3, 4]


@pytest.mark.usefixtures("odd_plugins")
def test_a_hook_that_raises_is_reported_once_and_hurts_nobody(tmp_path, caplog):
    class Raising:
        @hookimpl
        def empeval_response_written(self, event):
            raise ZeroDivisionError("no")

    hooks, watching = Hooks(), Watching()
    hooks.register(Raising(), "raising")
    hooks.register(watching, "watching")
    run = empeval.run("repeating:", ["days"], [], limit=4, out=tmp_path / "run", hooks=hooks)
    assert run.complete
    assert [call[0] for call in watching.calls].count("response") == 4
    assert hooks.problems == [("raising", "empeval_response_written raised ZeroDivisionError: no")]
    assert caplog.messages == [
        "plugin raising: empeval_response_written raised ZeroDivisionError: no"
    ]


def started():
    return RunStarted(folder="x", manifest={})


def test_who_is_registered_last_is_called_first_unless_hooks_say_otherwise():
    class Named:
        def __init__(self, name):
            self.name = name

    class Plain(Named):
        @hookimpl
        def empeval_run_started(self, event):
            return self.name

    class First(Named):
        @hookimpl(tryfirst=True)
        def empeval_run_started(self, event):
            return self.name

    class Last(Named):
        @hookimpl(trylast=True)
        def empeval_run_started(self, event):
            return self.name

    hooks = Hooks()
    for number, kind in enumerate((First, Plain, Last, Plain, Last)):
        hooks.register(kind(str(number)), f"plugin-{number}")
    assert hooks.fire("empeval_run_started", event=started()) == ["0", "3", "1", "2", "4"]
    assert hooks.names() == [f"plugin-{number}" for number in range(5)]


def test_a_wrapper_runs_around_the_others_and_may_change_what_they_return():
    calls = []

    class Inner:
        @hookimpl
        def empeval_resolve_model(self, uri):
            calls.append("inner")
            return uri.upper()

    class Outer:
        @hookimpl(wrapper=True)
        def empeval_resolve_model(self, uri, arguments):
            calls.append("before")
            found = yield
            calls.append("after")
            return f"{found} {arguments['n']}"

    hooks = Hooks()
    hooks.register(Outer(), "outer")
    hooks.register(Inner(), "inner")
    assert hooks.fire("empeval_resolve_model", uri="a", arguments={"n": 1}) == ["A 1"]
    assert calls == ["before", "inner", "after"]


@pytest.mark.parametrize("moment", ["before", "after", "twice"])
def test_a_wrapper_that_fails_changes_nothing_and_is_reported(moment, caplog):
    class Inner:
        @hookimpl
        def empeval_resolve_model(self, uri):
            return "found"

    class Failing:
        @hookimpl(wrapper=True)
        def empeval_resolve_model(self):
            if moment == "before":
                raise KeyError("no")
            yield
            if moment == "twice":
                yield
            raise KeyError("no")

    hooks = Hooks()
    hooks.register(Inner(), "inner")
    hooks.register(Failing(), "failing")
    for _ in range(2):
        assert hooks.fire("empeval_resolve_model", uri="a", arguments={}) == ["found"]
    ((name, reason),) = hooks.problems
    assert name == "failing"
    assert reason.startswith("empeval_resolve_model raised ")
    assert ("yields once" if moment == "twice" else "KeyError: 'no'") in reason
    assert [told.startswith("plugin failing: ") for told in caplog.messages] == [True]


def test_a_hook_of_the_last_version_is_called_as_before_with_a_notice(caplog):
    got = []

    class Earlier:
        @hookimpl
        def empeval_run_started(self, folder, manifest):
            got.append((folder, manifest))

        @hookimpl
        def empeval_run_finished(self, metrics):
            got.append(metrics)

    class Today:
        @hookimpl
        def empeval_run_started(self, event):
            got.append(event)

    hooks = Hooks()
    hooks.register(Today(), "today")
    hooks.register(Earlier(), "earlier")
    for _ in range(2):
        hooks.fire("empeval_run_started", event=started())
    assert got == [("x", {}), started()] * 2
    told = caplog.text
    assert told.count("plugin earlier: empeval_run_started takes folder and manifest no more") == 1
    assert "have it take 'event'" in told
    assert "today" not in told
    hooks.fire("empeval_run_finished", event=RunFinished(folder="x", metrics=["m"]))
    assert got[-1] == ["m"]


def test_what_a_hook_is_told_cannot_be_changed():
    event = started()
    with pytest.raises(AttributeError):
        event.folder = "y"


def test_a_result_that_is_false_is_a_result():
    class Zero:
        @hookimpl
        def empeval_resolve_model(self, uri):
            return 0 if uri == "zero" else None

    hooks = Hooks()
    hooks.register(Zero(), "zero")
    assert hooks.fire("empeval_resolve_model", uri="zero", arguments={}) == [0]
    assert hooks.fire("empeval_resolve_model", uri="other", arguments={}) == []


def test_a_misspelt_hook_is_a_problem_of_its_plugin_alone():
    class Misspelt:
        @hookimpl
        def empeval_run_startet(self, folder):
            raise AssertionError("nobody calls this")

        @hookimpl
        def empeval_run_finished(self, event):
            raise AssertionError("its plugin is not used")

    hooks, watching = Hooks(), Watching()
    hooks.register(Misspelt(), "misspelt")
    hooks.register(watching, "watching")
    assert hooks.names() == ["watching"]
    ((name, problem),) = hooks.problems
    assert name == "misspelt"
    assert "unknown hook 'empeval_run_startet'" in problem
    hooks.fire("empeval_run_finished", event=RunFinished(folder="x", metrics=[]))
    assert watching.calls == [("finished", 0)]


HOOKS = """
from empeval import hookimpl

@hookimpl
def empeval_register_commands(commands):
    commands.add("greet", "greets", greet).add_argument("name")

def greet(options):
    print("Hello,", options.name)
    return 5
"""
BAD = {
    "raises": "1 / 0",
    "leaves": "import sys; sys.exit(3)",
    "misspelt": "from empeval import hookimpl\n@hookimpl\ndef empeval_run_ended(folder): ...",
    "argued": "from empeval import hookimpl\n@hookimpl\ndef empeval_run_started(place): ...",
    "commanding": (
        "from empeval import hookimpl\n"
        "@hookimpl\ndef empeval_register_commands(commands): raise KeyError('verb')"
    ),
}


@pytest.fixture
def hooked(tmp_path, install):
    """A distribution that adds a verb, and others whose hooks fail in their own ways."""
    folder = tmp_path / "site"
    points = {"empeval": {"greeting": "greeting_hooks"}}
    make_distribution(folder, "greeter", points=points, modules={"greeting_hooks": HOOKS})
    for name, source in BAD.items():
        points = {"empeval": {name: f"{name}_hooks"}}
        make_distribution(
            folder, f"{name}-plugin", points=points, modules={f"{name}_hooks": source}
        )
    install(folder)


@pytest.mark.usefixtures("hooked")
def test_a_plugin_adds_a_verb_whatever_others_do(cli):
    outcome = cli("greet", "you")
    assert (outcome.code, outcome.out) == (5, "Hello, you\n")
    assert "greets" in cli("--help").out


LATER = """
from empeval import hookimpl

@hookimpl
def empeval_register_commands(commands):
    commands.add_later("greet", "greets", fill, description="Greets somebody.")

def fill(parser):
    {body}
    parser.add_argument("name", help="whom")
    parser.epilog = "examples:\\n  empeval greet you"
    parser.set_defaults(run=greet)

def greet(options):
    print("Hello,", options.name)
    return 5
"""


@pytest.fixture
def later(tmp_path, install):
    """Installs a plugin whose verb's options are declared when it is used."""

    def make(body="pass"):
        folder = make_distribution(
            tmp_path / "later",
            "later",
            points={"empeval": {"greeting": "later_hooks"}},
            modules={"later_hooks": LATER.format(body=body)},
        )
        install(folder)

    return make


def test_a_verb_whose_options_are_declared_later_is_a_verb_like_others(cli, later):
    later()
    assert "greets" in cli("--help").out
    outcome = cli("greet", "you")
    assert (outcome.code, outcome.out) == (5, "Hello, you\n")
    told = cli("greet", "--help").out
    assert told.startswith("usage: empeval greet [-h] name\n\nGreets somebody.\n")
    assert told.endswith("examples:\n  empeval greet you\n")
    assert "the following arguments are required: name" in cli("greet").err


def test_a_verb_whose_options_cannot_be_declared_fails_alone(cli, later):
    later("raise KeyError('no options')")
    assert "greets" in cli("--help").out
    assert cli("list", "tasks").code == 0
    outcome = cli("greet", "you")
    assert outcome.code == 1
    said = "The verb 'greet' of plugin 'later/greeting' fails with KeyError: 'no options'"
    assert outcome.err.startswith(f"error: {said}")


def test_a_verb_of_the_last_version_is_added_with_a_notice(cli, tmp_path, install):
    source = HOOKS.replace("(commands)", "(subcommands)").replace(
        'commands.add("greet", "greets", greet).add_argument("name")',
        'parser = subcommands.add_parser("greet"); parser.set_defaults(run=greet, name="you")',
    )
    folder = make_distribution(
        tmp_path / "earlier",
        "earlier",
        points={"empeval": {"greeting": "earlier_hooks"}},
        modules={"earlier_hooks": source},
    )
    install(folder)
    outcome = cli("greet")
    assert (outcome.code, outcome.out) == (5, "Hello, you\n")
    assert "plugin earlier/greeting: empeval_register_commands takes subcommands no" in outcome.err


@pytest.mark.usefixtures("hooked")
def test_hooks_that_cannot_be_used_are_listed_with_their_error(cli):
    outcome = cli("plugins", "list")
    assert outcome.code == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(outcome.out)}
    assert plugins["greeter"]["hooks"] == ["greeting"]
    assert plugins["greeter"]["errors"] == []
    for name, reason in {
        "raises": "cannot be loaded: ZeroDivisionError: division by zero",
        "leaves": "cannot be loaded: SystemExit: 3",
        "misspelt": "unknown hook 'empeval_run_ended'",
        "argued": "place",
        "commanding": "empeval_register_commands raised KeyError: 'verb'",
    }.items():
        (error,) = plugins[f"{name}-plugin"]["errors"]
        assert error.startswith(f"{name}-plugin/{name}: ")
        assert reason in error
