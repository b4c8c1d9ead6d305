"""Parts that installed components play, and a stranger who has their names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.distributions import make_distribution

import empeval
from empeval import registry
from empeval.asked import AskedTask, scorers_for
from empeval.auditing.rivals import rival_scorers
from empeval.dialogues import Dialogues
from empeval.roles import playing, with_examples
from empeval.testing import fake_item

OURS = "empeval.roles"
CORE = Path(empeval.__file__).parent
WORDS = {"baseline", "choices", "eq", "judge"}
"""Names that are everyday words of this field as well."""


@pytest.fixture
def stranger(tmp_path, install):
    """A distribution that has names of ours for scorers and tasks of its own, and plays parts."""
    fakes = dict.fromkeys(("mvc", "similarity", "surface"), "empeval.testing:FakeScorer")
    folder = make_distribution(
        tmp_path / "stranger",
        "a-stranger",
        points={
            "empeval.scorers": {**fakes, "warm": "strange_module:Warm"},
            "empeval.tasks": {"eqbench": "empeval.testing:FakeTask"},
            OURS: {
                "dialogues.1": "strange_module:Warm",
                "dialogues.2": "empeval.testing:FakeScorer",
                "dialogues.3": "strange_module:Nobody",
                "rival.1": "strange_module:Warm",
                "example.task": "empeval.testing:FakeTask",
            },
        },
        modules={
            "strange_module": "from empeval.testing import FakeScorer\n"
            "class Warm(FakeScorer):\n    pass\n"
        },
    )
    install(folder)


def test_empevals_own_play_the_parts():
    assert playing("dialogues") == ["mvc", "stm", "baseline", "surface", "similarity"]
    assert playing("rival") == ["similarity"]
    assert playing("offline") == ["eqbench-mini", "ed-mini"]
    assert playing("nobody") == []


@pytest.mark.usefixtures("stranger")
def test_a_strangers_come_after_them_and_under_their_full_names_where_ours_have_them():
    ours = ["mvc", "stm", "baseline", "surface", "similarity"]
    assert playing("dialogues") == [*ours, "warm", "a-stranger/mvc"]
    assert playing("rival") == ["similarity", "warm"]
    assert with_examples("--tasks {task} --scorers {scorer}") == "--tasks eqbench --scorers surface"


def test_where_nobody_plays_an_example_shows_what_is_wanted(monkeypatch):
    monkeypatch.setenv("EMPEVAL_DISABLE_PLUGINS", "*")
    assert with_examples("--tasks {task},{offline} {other}") == "--tasks TASK,TASK {other}"


@pytest.mark.usefixtures("stranger")
def test_a_stranger_with_the_name_of_a_tasks_scorer_changes_nothing():
    task = AskedTask("ed-mini", {}).task
    chosen = scorers_for({"ed-mini": task}, None)["ed-mini"]
    named = {one.label: one.entry.distribution for one in chosen}
    version = empeval.__version__
    assert list(named) == list(task.card.scorers)
    assert set(named.values()) == {f"empeval {version}"}
    assert {"mvc", "surface"} <= set(named)


@pytest.mark.usefixtures("stranger")
def test_saved_dialogues_are_scored_by_ours_and_by_who_offers():
    chosen = scorers_for({"dialogues": Dialogues([fake_item("1")])}, None)["dialogues"]
    assert [(one.entry.name, one.entry.distribution.partition(" ")[0]) for one in chosen] == [
        ("mvc", "empeval"),
        ("stm", "empeval"),
        ("baseline", "empeval"),
        ("surface", "empeval"),
        ("similarity", "empeval"),
        ("warm", "a-stranger"),
        ("a-stranger/mvc", "a-stranger"),
    ]


@pytest.mark.usefixtures("stranger")
def test_an_audits_rivals_are_whoever_plays_the_part():
    rivals, left_out = rival_scorers()
    assert [one.owner for one in rivals] == [
        "scorer 'empeval/similarity'",
        "scorer 'a-stranger/warm'",
    ]
    assert left_out == []


@pytest.mark.usefixtures("stranger")
def test_a_help_text_names_what_is_installed(cli, monkeypatch):
    assert "--tasks eqbench-mini,ed-mini\n" in cli("run", "--help").out
    monkeypatch.setenv("EMPEVAL_DISABLE_PLUGINS", "empeval/offline.1")
    assert "--tasks ed-mini\n" in cli("run", "--help").out
    assert "--tasks ed-mini\n" in cli("--help").out


def test_the_core_names_no_task_and_no_scorer():
    names = {c.name for kind in ("tasks", "scorers") for c in registry.components(kind)
             if c.distribution == "empeval"} - WORDS  # fmt: skip
    assert {"mvc", "ed-empathy", "surface"} <= names
    found = []
    for path in sorted(CORE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = re.split(r"[^\w-]+", node.value)
                where = f"{path.relative_to(CORE)}:{node.lineno}"
                found += [f"{where} {name}" for name in names if name in words]
    assert found == []
