"""EQ-Bench 3's scenarios as scripts that a judge reads whole, on files of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.hub_server import ROOT
from support.model_server import MODEL
from support.scripted import Talker

import empeval
from empeval import DataError
from empeval.asked import AskedTask
from empeval.testing import TaskContract
from empeval_tasks.eqbench3.files import parse
from empeval_tasks.eqbench3.task import EQBench3, EQBench3Analysis

SCENES = """\
######## 1   | At work     | The lost parcel
####### Prompt1
A colleague says you lost a parcel.

What do you do?
####### Prompt2
It turns up in your bag.

######## 205 | A friend    | The late reply
####### Prompt1
Write back to your friend.

######## 401 | Analysis | The lost parcel
####### 1
# Scene
Two people and a parcel.
"""
FILES = {
    "scenario_prompts.txt": SCENES,
    "scenario_master_prompt.txt": "{scenario_prompt}\n--\nSay what you feel and do.\n",
    "scenario_master_prompt_message_drafting.txt": "{scenario_prompt}\n--\nDraft it.\n",
    "scenario_master_prompt_analysis.txt": "[[{scenario_prompt}]] Analyse this.\n",
    "debrief_prompt.txt": "Look back on it.\n",
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "eqbench3" / "data"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


class TestContractOfPlays(TaskContract):
    @pytest.fixture
    def task(self, folder):
        return EQBench3(folder=str(folder))


class TestContractOfAnalyses(TaskContract):
    @pytest.fixture
    def task(self, folder):
        return EQBench3Analysis(folder=str(folder))


def test_a_play_is_its_prompts_and_a_debrief_that_ends_what_is_judged(folder):
    play, drafting = EQBench3(folder=str(folder)).items()
    assert [(turn.content, turn.scored) for turn in play.script] == [
        (
            "A colleague says you lost a parcel.\n\nWhat do you do?\n--\nSay what you feel and do.",
            False,
        ),
        ("It turns up in your bag.\n--\nSay what you feel and do.", False),
        ("Look back on it.", True),
    ]
    assert play.metadata == {"category": "At work", "title": "The lost parcel"}
    assert drafting.script[0].content == "Write back to your friend.\n--\nDraft it."


def test_an_analysis_has_no_debrief(folder):
    (item,) = EQBench3Analysis(folder=str(folder.parent)).items()
    assert item.id == "401"
    assert [(turn.content, turn.scored) for turn in item.script] == [
        ("[[# Scene\nTwo people and a parcel.]] Analyse this.", True)
    ]


def test_the_data_directory_is_looked_at(folder, tmp_path, monkeypatch):
    (tmp_path / "mirror" / "EQ-bench").mkdir(parents=True)
    (tmp_path / "mirror" / "EQ-bench" / "eqbench3").symlink_to(folder.parent)
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path / "mirror"))
    assert len(list(EQBench3().items())) == 2


def test_without_the_files_it_is_said_where_they_are(monkeypatch, tmp_path):
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"https://github\.com/EQ-bench/eqbench3"):
        list(EQBench3().items())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Hello.\n" + SCENES, "line 1: text that belongs to no prompt"),
        (SCENES.replace("Prompt2", "Prompt3"), "line 6: '####### Prompt3' is out of its order"),
        (SCENES.replace("It turns up in your bag.", ""), "line 1: scenario 1 lacks a prompt"),
        ("####### Prompt1\nHello.\n", "line 1: '####### Prompt1' is out of its order"),
        ("\n", "there is no scenario"),
    ],
)
def test_a_file_of_another_layout_is_named_with_its_line(text, problem):
    with pytest.raises(DataError, match=problem):
        parse(text, "scenes.txt")


def test_a_form_without_its_gap_is_refused(folder):
    (folder / "scenario_master_prompt.txt").write_text("Say it.")
    with pytest.raises(DataError, match="there must be one"):
        list(EQBench3(folder=str(folder)).items())


def test_a_judge_scores_each_dialogue_once_and_reads_all_of_it(
    folder, tmp_path, model_server, monkeypatch
):
    asked = []

    def answer(question, request):
        asked.append(question)
        names = [line.split(":")[0] for line in question_form(request)]
        marks = dict.fromkeys(names, 10) | {"pragmatic_ei": 16, "warmth": 3}
        return {"text": "\n".join(f"{name}: {mark}" for name, mark in marks.items())}

    model_server.answer = answer
    target = f"openai:{MODEL}?rubric=eqbench3&base_url={model_server.url}"
    run = empeval.run(
        Talker(),
        ["eqbench3"],
        [f"judge:{target}"],
        task_args={"eqbench3.folder": str(folder)},
        out=tmp_path / "run",
    )
    (label,) = run.manifest.scorers["eqbench3"]
    (play, drafting) = run.scores("eqbench3", label)
    assert (play.id, drafting.id) == ("1#3", "205#2")
    assert play.values["warmth"] == 3.0
    assert play.values["overall"] == 11.0  # of five tens and a sixteen
    assert len(asked) == 2
    first = next(text for text in asked if "Look back" in text and "parcel" in text)
    steps = {line.id: line.response for line in run.steps("eqbench3")}
    (end,) = [line.response for line in run.responses("eqbench3") if line.id == "1#3"]
    for reply in (steps["1#1"], steps["1#2"], end):
        assert f"| Respondent: {reply}" in first
    assert "| User: Look back on it." in first
    (overall,) = [m for m in run.metrics() if m.metric == "overall"]
    assert (overall.value, overall.n) == (11.0, 2)


def question_form(request):
    system = request["messages"][0]["content"]
    return [line for line in system.splitlines() if ": a whole number from" in line]


def test_scorers_of_single_replies_do_not_apply(folder):
    with pytest.raises(empeval.UsageError, match="needs reply"):
        empeval.run(Talker(), ["eqbench3"], ["surface"], task_args={"eqbench3.folder": str(folder)})


def test_the_published_scenarios_are_read(monkeypatch):
    folder = ROOT.parent / "shared" / "data" / "eqbench3"
    if not Path(folder).is_dir():
        pytest.skip("the files of EQ-Bench 3 are not here")
    for name, dialogues, turns in (("eqbench3", 26, 99), ("eqbench3-analysis", 20, 20)):
        asked = AskedTask(name, {"folder": str(folder)})
        assert (asked.entry.n_items, len(asked.items)) == (dialogues, turns)
        assert asked.warnings == []
