"""The command that compares published EQ-Bench results with our own score of the same answers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.eqbench import FERRY, REFERENCE, STOVE, answer, mirror, prompt, row
from support.hub_server import ROOT

from empeval_tasks.eqbench.scoring import item_score

OTHER = {"Calm": 1.0, "Jealous": 9.0, "Amused": 3.0, "Weary": 0.0}
SCORE = 10 * (10 + item_score(OTHER, REFERENCE)) / 2
ANSWERS = {"1": answer(), "2": answer(OTHER)}


@pytest.fixture(scope="module")
def command() -> ModuleType:
    path = ROOT / "benchmarks" / "eqbench_published.py"
    spec = importlib.util.spec_from_file_location("eqbench_published", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def questions(tmp_path: Path) -> str:
    rows = [row(prompt(FERRY)), row(prompt(STOVE)), row(prompt(FERRY, "Bo"))]
    return str(mirror(tmp_path, rows, "own/questions", "q.jsonl") / "own" / "questions" / "q.jsonl")


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def short_layout(score: float) -> dict[str, Any]:
    answers = {number: {"raw": text} for number, text in ANSWERS.items()}
    return {"model": "m", "published_benchmark_score": score, "questions": answers}


def repository_layout(score: float, iterations: int = 1) -> dict[str, Any]:
    runs = {str(i + 1): {"raw_inference": ANSWERS} for i in range(iterations)}
    return {"model_path": "m", "benchmark_score": score, "raw_results": runs}


@pytest.mark.parametrize("layout", [short_layout, repository_layout])
def test_a_score_that_agrees_is_success_and_one_that_does_not_is_failure(
    layout: Any, command: ModuleType, questions: str, tmp_path: Path
) -> None:
    good = write(tmp_path / "good.json", layout(SCORE + 0.04))
    bad = write(tmp_path / "bad.json", layout(SCORE + 0.06))
    assert command.main([good, "--questions", questions]) == 0
    assert command.main([good, bad, "--questions", questions]) == 1


def test_the_table_shows_both_scores(
    command: ModuleType, questions: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main([write(tmp_path / "a.json", short_layout(12.34)), "--questions", questions])
    shown = capsys.readouterr().out
    assert "12.34" in shown
    assert f"{SCORE:.3f}" in shown


def test_answers_are_converted_to_replay_lines(
    command: ModuleType, questions: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.json", short_layout(SCORE))
    command.main([path, "--questions", questions, "--convert", str(tmp_path / "out")])
    lines = (tmp_path / "out" / "a.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [{"id": number, "response": text} for number, text in ANSWERS.items()]
    assert [json.loads(line) for line in lines] == expected


def test_every_iteration_is_converted_to_a_file_of_its_own(
    command: ModuleType, questions: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.json", repository_layout(SCORE, iterations=2))
    assert command.main([path, "--questions", questions, "--convert", str(tmp_path / "out")]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a-1.jsonl", "a-2.jsonl"]


@pytest.mark.parametrize("content", [[], {}, {"questions": {}}, {"raw_results": 5}])
def test_a_file_of_something_else_is_an_error_that_names_it(
    content: Any,
    command: ModuleType,
    questions: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path / "odd.json", content)
    assert command.main([path, "--questions", questions]) == 2
    assert "odd.json" in capsys.readouterr().err


def test_our_score_of_published_answers_is_the_published_score(
    command: ModuleType,
    real_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = real_data.parent / "replay" / "eqbench_published"
    if not folder.is_dir():
        pytest.skip("no published EQ-Bench results beside the mirror of the data sets")
    monkeypatch.setenv("EMPEVAL_DATA", str(real_data))
    assert command.main([str(folder)]) == 0
    assert f"{len(list(folder.glob('*.json')))} files" in capsys.readouterr().out
