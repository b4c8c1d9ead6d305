"""What the library says goes through ``logging``; the command line prints it as it always did."""

from __future__ import annotations

import logging

import pytest
from support.command import python
from support.distributions import make_distribution

from empeval.toolkit import warn

PLUGIN = """
class Odd:
    @empeval.hookimpl
    def empeval_run_finished(self, event):
        raise ValueError("no\\x1b[2J sk-abcdefghijklmnopqrstuvwxyz0123")
from empeval.hooks import Hooks
hooks = Hooks()
hooks.register(Odd(), "odd")
for _ in range(2):
    hooks.fire("empeval_run_finished", event=None, folder="", metrics=[])
"""


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("", "plugin odd: empeval_run_finished raised ValueError: no\\x1b[2J ***\n"),
        ('logging.getLogger("empeval").setLevel("ERROR")', ""),
        ('logging.getLogger("empeval.hooks").setLevel("ERROR")', ""),
        ('logging.getLogger("empeval").addHandler(logging.NullHandler())', ""),
        (
            'logging.basicConfig(format="%(levelname)s|%(name)s|%(module)s|%(message)s")',
            "WARNING|empeval.hooks|hooks|plugin odd: empeval_run_finished raised ValueError: "
            "no\\x1b[2J ***\n",
        ),
    ],
    ids=["nothing set up", "silenced", "a child silenced", "a handler of one's own", "a format"],
)
def test_from_python_a_warning_is_a_log_record(tmp_path, setup, expected):
    outcome = python(f"import logging, empeval\n{setup}\n{PLUGIN}", folder=tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", expected)


def test_the_command_line_prints_what_is_logged_and_leaves_logging_as_it_was(cli, caplog, tmp_path):
    logger = logging.getLogger("empeval")
    logger.setLevel("ERROR")  # of somebody who calls the command line from Python
    before = (logger.level, logger.propagate, list(logger.handlers))
    try:
        saved = tmp_path / "a.jsonl"
        saved.write_text('{"id": "mini-01#2", "response": "I am sorry."}\n')
        asked = ("run", "--model", f"replay:{saved}", "--tasks", "ed-mini", "--scorers", "surface")
        assert "warning: ed-mini: " in cli(*asked).err
        assert (logger.level, logger.propagate, list(logger.handlers)) == before
    finally:
        logger.setLevel("NOTSET")
    assert caplog.messages == []


SAID = """
import logging
from empeval import hookimpl
from empeval.toolkit import warn

@hookimpl
def empeval_register_commands(commands):
    def run(options):
        log = logging.getLogger("empeval.mine")
        log.info("what goes on %s", 1)
        log.warning("careful")
        log.error("bad")
        log.debug("details")
        warn("of the toolkit\\x1b[2J")
        return 0
    commands.add("say", "say things", run)
"""


def test_at_the_command_line_each_level_is_said_in_its_way(cli, install, tmp_path):
    points = {"empeval": {"say": "sayings_hooks"}}
    modules = {"sayings_hooks": SAID}
    install(make_distribution(tmp_path / "dist", "sayings", points=points, modules=modules))
    outcome = cli("say")
    assert outcome.err.splitlines() == [
        "what goes on 1",
        "warning: careful",
        "error: bad",
        "warning: of the toolkit\\x1b[2J",
    ]


def test_a_plugins_warning_is_of_a_child_of_the_logger(caplog):
    warn("careful")
    (record,) = caplog.records
    assert (record.name, record.levelname) == (f"empeval.{__name__}", "WARNING")
    assert record.module == "test_logging"
