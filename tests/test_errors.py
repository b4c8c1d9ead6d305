"""Errors for programs: a code, a hint and objects, from Python and as JSON at the command line."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import json
import multiprocessing
import pickle
import re
import sys
from pathlib import Path

import pytest
from support.hub_server import ROOT
from support.made_runs import make_run

import empeval
from empeval import (
    ChangedRunError,
    ContainedError,
    DataError,
    EmpevalError,
    HubError,
    IncompleteRunError,
    MissingPackageError,
    NotComparableError,
    OtherRunSpecError,
    RunFolderError,
    UnknownNameError,
    UsageError,
)
from empeval.extras import missing_package


def raised(kind, call, *given, **named):
    """The error that a call ends with."""
    with pytest.raises(kind) as caught:
        call(*given, **named)
    assert type(caught.value) is kind
    return caught.value


@pytest.fixture
def runs(tmp_path):
    """Two finished runs by hand that can be compared."""
    return [make_run(tmp_path / name, [1.0, 2.0, 3.0]) for name in ("base", "new")]


def test_an_unknown_name_comes_with_those_that_there_are():
    error = raised(UnknownNameError, empeval.run, "human:", ["ed-mni"])
    assert (error.code, error.exit_code, error.kind, error.name) == (
        "unknown-name", 2, "task", "ed-mni",
    )  # fmt: skip
    assert error.close[0] == "ed-mini"
    assert {"ed-mini", "eqbench"} <= set(error.known)
    assert error.hint.startswith("Did you mean 'ed-mini'")
    assert str(error) == f"Unknown task 'ed-mni'. {error.hint}"


def test_an_option_is_such_a_name_too():
    error = raised(UnknownNameError, empeval.run, "human:", ["ed-mini"], task_args={
        "ed-mini": {"colour": "red"}
    })  # fmt: skip
    assert (error.kind, error.name, error.known) == ("option", "colour", ["turns"])
    assert error.hint == "Known: turns."


def test_an_unfinished_run_says_how_much_of_it_is_there(tmp_path):
    base = make_run(tmp_path / "base", [1.0, 2.0, 3.0])
    new = make_run(tmp_path / "new", [1.0, 2.0, 3.0], status="running")
    for lines in new.path.rglob("*.jsonl"):
        lines.write_text(lines.read_text().split("\n", 1)[0] + "\n")
    error = raised(IncompleteRunError, empeval.compare, base.path, new.path)
    assert (error.code, error.answered, error.wanted) == ("run-incomplete", 1, 3)
    assert Path(error.run) == new.path
    assert error.lacking == ["talks: 1 of 3 answers", "talks, scorer warmth: 1 of 3 scores"]
    assert "--partial" in error.hint


def test_runs_that_cannot_be_compared_say_what_differs(tmp_path, runs):
    other = make_run(tmp_path / "other", [1.0, 2.0, 3.0], data="sha256:other")
    error = raised(NotComparableError, empeval.compare, runs[0].path, other.path)
    assert error.code == "not-comparable"
    assert (Path(error.base), Path(error.candidate)) == (runs[0].path, other.path)
    assert error.problems == ["talks: data fingerprint sha256:data and sha256:other"]
    assert error.hint.startswith("--force")
    strange = make_run(tmp_path / "strange", [1.0], task="walks")
    error = raised(NotComparableError, empeval.compare, runs[0].path, strange.path)
    assert error.problems == ["they share no task"]


def test_a_missing_package_says_what_installs_it():
    error = missing_package(ModuleNotFoundError("no", name="nowhere_at_all"))
    assert error is None
    error = MissingPackageError("'hf:'", "torch", "hf")
    assert (error.code, error.package, error.extra) == ("missing-package", "torch", "hf")
    assert error.install == error.hint == "pip install 'empeval[hf]'"
    assert str(error) == "'hf:' needs torch, which is not installed: pip install 'empeval[hf]'"


def test_a_damaged_line_is_named_by_file_and_number(tmp_path, runs):
    saved = tmp_path / "saved.jsonl"
    saved.write_text('{"id": "mini-01#2", "response": "Oh."}\n{"id": "mini-01#4", "resp\n')
    error = raised(DataError, empeval.score, saved, ["surface"])
    assert (error.code, error.path, error.line) == ("data-line", str(saved), 2)
    lines = next((runs[0].path / "responses").iterdir())
    lines.write_text("{}\n" + lines.read_text())
    error = raised(RunFolderError, empeval.compare, *(run.path for run in runs))
    assert (error.code, Path(error.path), error.line) == ("run-line", lines, 1)
    assert "delete that line" in error.hint


def test_a_folder_with_another_run_spec_and_one_that_was_changed(tmp_path):
    run = empeval.run("human:", ["ed-mini"], ["surface"], limit=1, out=tmp_path / "run")
    error = raised(
        OtherRunSpecError, empeval.run, "human:", ["ed-mini"], ["surface"], limit=2, out=run.path
    )
    assert (error.code, Path(error.run)) == ("other-run-spec", run.path)
    assert any("limit" in text for text in error.differences)
    other = empeval.run("human:", ["ed-mini"], ["surface"], limit=1, out=tmp_path / "other")
    metrics = run.path / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"n"', '"m"', 1).replace('"m"', '"n"', 1) + " ")
    metrics.write_text(re.sub(r'"value": ?[\d.]+', '"value": 99.0', metrics.read_text(), count=1))
    error = raised(ChangedRunError, empeval.compare, run.path, other.path)
    assert (error.code, Path(error.run), Path(error.file)) == ("run-changed", run.path, metrics)


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"HF_HUB_OFFLINE": "1"}, "hub-unreachable"), ({}, "hub-not-found")],
)
def test_a_hub_that_does_not_answer_is_told_from_one_that_has_no_such_thing(hub, settings, code):
    done = hub.python(
        "import empeval, json\n"
        "try: empeval.load_rows('org/set', ['a.jsonl'])\n"
        "except empeval.HubError as error: print(json.dumps(error.to_dict()))",
        **settings,
    )
    told = json.loads(done.stdout)
    assert (told["code"], told["repo"]) == (code, "org/set")
    assert told["hint"]
    assert told["message"].endswith(told["hint"])


EVERY = [
    EmpevalError("That."),
    EmpevalError("That", 5),
    UsageError("That.", hint="Do this."),
    UnknownNameError("No 'a'.", kind="task", name="a", known=["ab", "c"]),
    NotComparableError("No.", base="a", candidate=Path("b"), problems=["x"], hint="--force"),
    DataError("f, line 3: no.", path=Path("f"), line=3),
    RunFolderError("No.", path="f"),
    IncompleteRunError("No.", run="a", answered=1, wanted=2, lacking=["x"], hint="Again."),
    ChangedRunError("No.", run="a", file="a/b", hint="Anew."),
    OtherRunSpecError("No.", run="a", differences=["seed: 0 -> 1"]),
    HubError("No.", repo="org/name", hint="Wait.", code="hub-unreachable"),
    MissingPackageError("It", "torch", "hf"),
    ContainedError("scorer 'a/b'", "ValueError: no"),
    empeval.LimitReachedError("No.", option="--max-cost", limit=1.0, spent=2.0, hint="More."),
    empeval.BusyError("No.", path=Path("f"), hint="wait for it"),
    empeval.PluginError("No."),
    empeval.SeveralError([UsageError("A."), HubError("B.", repo="a/b", code="hub-refused")]),
    empeval.StorageError("Full."),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_all_that_it_holds(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert (again.code, again.hint, again.exit_code) == (error.code, error.hint, error.exit_code)
    assert again.to_dict() == error.to_dict()
    assert json.loads(json.dumps(again.to_dict())) == error.to_dict()
    if error.code != "several":  # errors themselves are equal to none but themselves
        assert all(getattr(again, name) == getattr(error, name) for name in error.objects)


def _in_another_process():
    empeval.run("human:", ["ed-mni"])


def test_it_comes_out_of_another_process_as_it_was_raised():
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool:
        error = raised(UnknownNameError, pool.submit(_in_another_process).result)
    assert error.name == "ed-mni"
    assert error.close[0] == "ed-mini"


def test_with_another_message_it_is_the_same_error():
    error = MissingPackageError("It", "torch", "hf")
    again = error.reworded("The task needs it.")
    assert str(again) == "The task needs it."
    assert str(error).startswith("It needs torch")
    assert (type(again), again.package, again.hint) == (type(error), "torch", error.hint)


def test_a_plugins_own_error_has_a_code_of_its_own():
    class NoLexiconError(UsageError):
        code = "no-lexicon"
        objects = ("language", "folder")

        def __init__(self, language):
            super().__init__(f"No lexicon for {language}.", hint="Name one.")
            self.language, self.folder = language, Path("x")

    assert NoLexiconError("Welsh").to_dict() == {
        "code": "no-lexicon",
        "message": "No lexicon for Welsh. Name one.",
        "hint": "Name one.",
        "language": "Welsh",
        "folder": "x",
    }


FAILING = """
from empeval import HubError, Scorer, ScorerCard, ValueCard

class One(Scorer):
    card = ScorerCard(version="1", summary="It fails.", values=(
        ValueCard(name="v", unit="points", summary="Nothing."),
    ))

    def score(self, samples):
        name = type(self).__name__
        raise HubError(f"{name}.", repo=f"org/{name}", code="hub-refused")

class Two(One):
    pass
"""


def test_of_several_scorers_that_fail_each_error_is_there(cli, tmp_path):
    (tmp_path / "mine.py").write_text(FAILING)
    asked = ("run", "--model", "human:", "--tasks", "ed-mini", "--limit", "1", "--format", "json")
    outcome = cli(*asked, "--scorers", "mine.py:One,mine.py:Two")
    error = told(outcome)
    assert (outcome.code, error["code"], error["message"]) == (1, "several", "One. Two.")
    assert [one["repo"] for one in error["errors"]] == ["org/One", "org/Two"]


def told(outcome):
    """The error in the last line of standard error."""
    (error,) = json.loads(outcome.err.splitlines()[-1]).items()
    assert error[0] == "error"
    return error[1]


def test_with_json_an_error_is_one_object_with_the_same_exit_code(cli):
    plain = cli("run", "--model", "human:", "--tasks", "ed-mni")
    assert plain.err.endswith(". [unknown-name]\n")
    for words in (["--format", "json"], ["--format=json"], ["--for", "json"]):
        outcome = cli("run", "--model", "human:", "--tasks", "ed-mni", *words)
        assert (outcome.code, outcome.out) == (2, "")
        assert len(outcome.err.splitlines()) == 1
        error = told(outcome)
        assert plain.err == f"error: {error['message']} [unknown-name]\n"
        assert (error["code"], error["kind"], error["close"][0]) == (
            "unknown-name", "task", "ed-mini",
        )  # fmt: skip
    assert "{" not in cli("run", "--model", "human:", "--tasks", "ed-mni", "--format", "csv").err


def test_a_code_that_says_no_more_than_the_exit_code_is_not_shown(cli, runs):
    asked = ("compare", *(run.path for run in runs), "--margin", "x")
    outcome = cli(*asked)
    assert outcome.code == 2
    assert outcome.err.startswith("error: --margin")
    assert "[" not in outcome.err
    assert told(cli(*asked, "--format", "json"))["code"] == "invalid-input"


def test_a_command_at_the_end_of_a_message_can_be_copied_without_a_code(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setattr("empeval.api.prepare", lambda *_, **__: importlib.import_module("pandas"))
    monkeypatch.setattr("empeval.extras.is_installed", lambda package: False)
    asked = ("run", "--model", "human:", "--tasks", "ed-mini")
    assert cli(*asked).err.endswith(": pip install 'empeval[pandas]'\n")
    error = told(cli(*asked, "--format", "json"))
    assert (error["code"], error["install"]) == (
        "missing-package", "pip install 'empeval[pandas]'",
    )  # fmt: skip


@pytest.mark.parametrize("words", [["run", "--modl", "x"], ["list", "tsks"], ["runs", "lost"], []])
def test_a_command_line_that_cannot_be_parsed_is_such_an_error(cli, words):
    assert cli(*words).err.startswith("usage: ")
    outcome = cli(*words, "--format", "json")
    error = told(outcome)
    assert outcome.code == 2
    assert error["code"] == "invalid-input"
    assert error["hint"].endswith("--help' has the options.")


def test_what_an_object_holds_steers_no_terminal_and_holds_no_secret(cli, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sehr-geheim-123")
    outcome = cli("show", "a\x1b[2Jsehr-geheim-123", "--format", "json")
    assert "sehr-geheim" not in outcome.err
    assert "\x1b" not in outcome.err
    assert told(outcome)["name"] == "a\x1b[2J***"


def test_what_nobody_foresaw_and_ctrl_c_are_objects_too(cli, monkeypatch):
    def fail(*_, **__):
        raise problem

    monkeypatch.setattr("empeval.api.prepare", fail)
    asked = ("run", "--model", "human:", "--tasks", "ed-mini", "--format", "json")
    problem = ZeroDivisionError("no")
    outcome = cli(*asked)
    assert (outcome.code, told(outcome)["code"]) == (1, "defect")
    assert told(outcome)["message"] == "ZeroDivisionError: no"
    problem = KeyboardInterrupt()
    outcome = cli(*asked)
    assert (outcome.code, told(outcome)["code"]) == (130, "interrupted")
    assert "\ninterrupted: every finished answer is saved" in cli(*asked[:-2]).err


def test_a_run_that_came_to_nothing_says_so_in_an_object(cli, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "mini-01#2", "response": ""}\n')
    asked = ("run", "--model", "replay:a.jsonl", "--tasks", "ed-mini", "--scorers", "surface")
    outcome = cli(*asked, "--format", "json")
    error = told(outcome)
    assert (outcome.code, error["code"]) == (1, "nothing-usable")
    assert error["failures"]
    assert Path(error["run"], "metrics.json").is_file()
    assert json.loads(outcome.out)["status"] == "complete"
    assert cli(*asked).err.splitlines()[-1].endswith("[nothing-usable]")


@pytest.fixture(scope="module")
def written():
    """``docs/error_codes.py``."""
    spec = importlib.util.spec_from_file_location("error_codes", ROOT / "docs" / "error_codes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_codes_is_what_the_classes_say(written):
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert text == written.page(text), "python docs/error_codes.py writes it anew"


def test_every_class_of_error_is_on_it_with_a_code_of_its_own(written):
    every = {cls.__name__: cls for cls in written.kinds()}
    assert all(isinstance(error, tuple(every.values())) for error in EVERY)
    line = re.compile(r"^class (\w+)\((\w+)\):", re.MULTILINE)
    for path in (ROOT / "empeval").rglob("*.py"):
        for name, base in line.findall(path.read_text(encoding="utf-8")):
            if base in every and not name.startswith("_"):
                assert name in every, path
    codes = [code for cls in every.values() for code in (cls.code, *cls.finer)]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    for cls in every.values():
        assert cls.__doc__
        assert cls.exit_code in (1, 2)
