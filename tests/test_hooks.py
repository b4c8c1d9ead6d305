"""Hook modules are called, and none takes the run or another one down."""

from __future__ import annotations

import json

import pytest
from support.distributions import make_distribution
from support.odd import Watching

import empeval
from empeval import hookimpl
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
        def empeval_response_written(self, folder, task, response):
            seen.append(len(empeval.Run(folder).responses(task)))

    hooks = Hooks()
    hooks.register(Reader(), "reader")
    empeval.run("repeating:", ["days"], [], limit=4, out=tmp_path / "run", hooks=hooks)
    assert seen == [1, 2, 3, 4]


@pytest.mark.usefixtures("odd_plugins")
def test_a_hook_that_raises_is_reported_once_and_hurts_nobody(tmp_path, capsys):
    class Raising:
        @hookimpl
        def empeval_response_written(self, response):
            raise ZeroDivisionError("no")

    hooks, watching = Hooks(), Watching()
    hooks.register(Raising(), "raising")
    hooks.register(watching, "watching")
    run = empeval.run("repeating:", ["days"], [], limit=4, out=tmp_path / "run", hooks=hooks)
    assert run.complete
    assert [call[0] for call in watching.calls].count("response") == 4
    assert hooks.problems == [("raising", "empeval_response_written raised ZeroDivisionError: no")]
    assert capsys.readouterr().err.count("warning: plugin raising") == 1


def test_hooks_are_called_in_the_order_of_registration():
    class Named:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def empeval_run_started(self, folder):
            return self.name

    hooks = Hooks()
    names = [f"plugin-{number}" for number in range(20)]
    for name in names:
        hooks.register(Named(name), name)
    assert hooks.fire("empeval_run_started", folder="x", manifest={}) == names
    assert hooks.names() == sorted(names)


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
        def empeval_run_finished(self, folder):
            raise AssertionError("its plugin is not used")

    hooks, watching = Hooks(), Watching()
    hooks.register(Misspelt(), "misspelt")
    hooks.register(watching, "watching")
    assert hooks.names() == ["watching"]
    ((name, problem),) = hooks.problems
    assert name == "misspelt"
    assert "unknown hook 'empeval_run_startet'" in problem
    hooks.fire("empeval_run_finished", folder="x", metrics=[])
    assert watching.calls == [("finished", 0)]


HOOKS = """
from empeval import hookimpl

@hookimpl
def empeval_register_commands(subcommands):
    parser = subcommands.add_parser("greet", help="greets")
    parser.add_argument("name")
    parser.set_defaults(run=greet)

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
        "@hookimpl\ndef empeval_register_commands(subcommands): raise KeyError('verb')"
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
