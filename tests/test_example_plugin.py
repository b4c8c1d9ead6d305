"""A stranger's plugin is installed, found, used and survives its neighbours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.answers import write_answers
from support.command import finish, python, start
from support.distributions import make_distribution

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "empeval-politeness"
RUN = ("run", "--model", "replay:answers.jsonl", "--tasks", "ed-mini", "--out", "out")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the example as pip installs it."""
    pytest.importorskip("hatchling", reason="pip needs it to build the example offline")
    folder = tmp_path_factory.mktemp("site")
    where = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *where, str(EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def neighbours(tmp_path) -> Path:
    """Everything that can be wrong with a distribution, and one that has the same name for it."""
    folder = tmp_path / "neighbours"
    make_distribution(
        folder,
        "bad-neighbour",
        version="0.1",
        points={
            "empeval.scorers": {
                "unimportable": "bad_neighbour_missing:Scorer",
                "baseless": "json:JSONDecoder",
                "outdated": "bad_neighbour_old:Old",
            },
            "empeval.generators": {"leaving": "bad_neighbour_leaves:Leaving"},
            "empeval": {
                "raising": "bad_neighbour_raises",
                "misspelt": "bad_neighbour_misspelt",
            },
        },
        modules={
            "bad_neighbour_old": "from empeval import Scorer\nclass Old(Scorer): interface = 0\n",
            "bad_neighbour_leaves": "raise SystemExit('goodbye')\n",
            "bad_neighbour_raises": "1 / 0\n",
            "bad_neighbour_misspelt": (
                "from empeval import hookimpl\n@hookimpl\ndef empeval_run_finnished(folder): ...\n"
            ),
        },
    )
    module = "from empeval_politeness.scorer import Politeness\nclass Other(Politeness): ...\n"
    points = {"empeval.scorers": {"politeness": "other_politeness:Other"}}
    modules = {"other_politeness": module}
    make_distribution(folder, "other-politeness", points=points, modules=modules)
    return folder


@pytest.fixture
def empeval(tmp_path, site):
    """The command in a process that sees the example, and perhaps more."""
    write_answers(tmp_path / "answers.jsonl", {"mini-01#2": "So sorry. Thank you.", "x": "y"})

    def run(*arguments, path=()):
        return finish(start(*arguments, folder=tmp_path, path=[site, *path]))

    return run


def test_it_is_listed_by_its_name_and_distribution(empeval):
    rows = json.loads(empeval("list", "scorers", "--format", "json").out)
    assert {
        "name": "politeness",
        "plugin": "empeval-politeness 1.0.0",
        "class": "empeval_politeness.scorer:Politeness",
        "audited": "no",
    } in rows


def test_it_scores_a_run_and_its_hook_is_called(empeval, tmp_path):
    outcome = empeval(*RUN, "--scorers", "politeness")
    assert outcome.code == 0, outcome.err
    assert "out: ed-mini has 2.00 polite words a reply" in outcome.err
    (metric,) = json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]
    assert (metric["scorer"], metric["metric"]) == ("politeness", "polite_words")
    assert (metric["value"], metric["n"], metric["n_failed"]) == (2.0, 1, 67)


def test_its_own_tests_pass(site, tmp_path):
    code = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    outcome = python(code, "-q", "tests", folder=tmp_path, path=[site])
    assert outcome.code == 0, outcome.out


def test_bad_neighbours_take_nothing_down(empeval, neighbours):
    assert empeval("list", "scorers", path=[neighbours]).code == 0
    outcome = empeval(*RUN, "--scorers", "empeval-politeness/politeness", path=[neighbours])
    assert outcome.code == 0, outcome.err
    assert "has 2.00 polite words" in outcome.err
    assert "bad-neighbour" not in outcome.err


def test_bad_neighbours_are_listed_each_with_its_error(empeval, neighbours):
    outcome = empeval("plugins", "list", "--check", path=[neighbours])
    assert outcome.code == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(outcome.out)}
    errors = plugins["bad-neighbour"]["errors"]
    for fragments in (
        ("bad-neighbour/unimportable", "ModuleNotFoundError"),
        ("bad-neighbour/baseless", "is not a subclass of Scorer"),
        ("bad-neighbour/outdated", "was written for interface version 0; this is version 1"),
        ("bad-neighbour/leaving", "SystemExit: goodbye"),
        ("bad-neighbour/raising", "ZeroDivisionError"),
        ("bad-neighbour/misspelt", "unknown hook 'empeval_run_finnished'"),
    ):
        assert [e for e in errors if all(f in e for f in fragments)], fragments
    assert len(errors) == 6
    for name in ("empeval", "empeval-politeness", "other-politeness"):
        assert plugins[name]["errors"] == []
    assert plugins["empeval-politeness"]["hooks"] == ["politeness"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unimportable", "cannot be loaded: ModuleNotFoundError"),
        ("baseless", "is not a subclass of Scorer"),
        ("outdated", "was written for interface version 0"),
    ],
)
def test_who_asks_for_a_bad_neighbour_is_told_what_is_wrong(
    empeval, neighbours, tmp_path, name, reason
):
    outcome = empeval(*RUN, "--scorers", name, path=[neighbours])
    assert outcome.code == 2
    assert f"'bad-neighbour/{name}'" in outcome.err
    assert reason in outcome.err
    assert not (tmp_path / "out").exists()


def test_of_two_plugins_with_one_name_each_is_had_by_its_full_name(empeval, neighbours, tmp_path):
    outcome = empeval(*RUN, "--scorers", "politeness", path=[neighbours])
    assert outcome.code == 2
    assert "empeval-politeness/politeness or other-politeness/politeness" in outcome.err
    assert not (tmp_path / "out").exists()
    both = "empeval-politeness/politeness,other-politeness/politeness"
    outcome = empeval(*RUN, "--scorers", both, path=[neighbours])
    assert outcome.code == 0, outcome.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]
    assert {f"{m['scorer']} {m['metric']}" for m in metrics} == {
        "empeval-politeness/politeness polite_words",
        "other-politeness/politeness polite_words",
    }
    assert len(list((tmp_path / "out" / "scores" / "ed-mini").iterdir())) == 2


def test_it_is_audited_like_any_other(empeval, tmp_path):
    rated = [
        {"context": f"Day {k} was long.", "response": "Thank you, " * (k % 3) + f"{k}.",
         "rating": 1 + k % 3 + k % 2}
        for k in range(30)
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rated)
    (tmp_path / "rated.jsonl").write_text(lines)
    arguments = ("--ratings", "rated.jsonl", "--out", "audits")
    outcome = empeval("audit", "politeness", *arguments)
    assert outcome.code == 0, outcome.err
    audit = json.loads((tmp_path / "audits" / "politeness" / "audit.json").read_text())
    assert audit["distribution"] == "empeval-politeness 1.0.0"
    (agreement,) = audit["agreements"]
    assert agreement["value"] == "polite_words"
    assert agreement["spearman"]["value"] > 0.5
    # who counts polite words is fooled by saying thank you, not by padding
    passed = {trial["name"]: trial["passed"] for trial in audit["trials"]}
    assert passed["neutral padding"] is True
    assert passed["a stranger's reply"] is False
    assert audit["peak_memory_mb"] > 10
