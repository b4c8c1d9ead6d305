"""The JSON Schemas hold for what real runs write, and for nothing damaged."""

from __future__ import annotations

import copy
import json
from functools import cache

import jsonschema
import pytest
from support.answers import write_answers

import empeval
from empeval.schemas import schema

FILES = ("run", "responses", "scores", "metrics")


@cache
def validator(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    return jsonschema.Draft202012Validator(schema(name))


def written(run):
    """Every record of a run folder with the name of its schema."""
    yield "run", json.loads((run.path / "run.json").read_text())
    yield "metrics", json.loads((run.path / "metrics.json").read_text())
    for kind in ("responses", "scores"):
        for path in (run.path / kind).rglob("*.jsonl"):
            for line in path.read_text().splitlines():
                yield kind, json.loads(line)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Two tasks, answers of every kind, answers that are missing, scores that failed."""
    folder = tmp_path_factory.mktemp("real")
    answers = {"mini-01#2": "I am sorry.", "mini-01#4": "", "mini-02#2": "<think>hm</think>Oh!"}
    model = f"replay:{write_answers(folder / 'answers.jsonl', answers)}"
    return empeval.run(
        model, ["ed-mini", "eqbench-mini"], ["surface", "eqbench"], out=folder / "run"
    )


def test_what_a_real_run_writes_is_valid(real):
    records = list(written(real))
    assert {name for name, _ in records} == set(FILES)
    for name, record in records:
        validator(name).validate(record)


@pytest.mark.usefixtures("odd_plugins")
@pytest.mark.parametrize("model", ["torn:", "repeating:", "slow:"])
def test_what_a_run_of_odd_plugins_writes_is_valid(tmp_path, model):
    scorers = ["length", "nan", "raising", "numpy", "inventive"]
    run = empeval.run(model, ["days"], scorers, out=tmp_path / "run", limit=7, seed=3)
    records = list(written(run))
    assert records
    for name, record in records:
        validator(name).validate(record)


def test_what_scoring_a_file_writes_is_valid(tmp_path):
    file = tmp_path / "dialogues.jsonl"
    file.write_text('{"id": 1, "context": ["I lost my dog."], "response": "Oh no."}\n')
    run = empeval.score(file, ["surface"], out=tmp_path / "run")
    records = list(written(run))
    assert records
    for name, record in records:
        validator(name).validate(record)


def damages():
    yield "responses", lambda r: r.pop("item_hash")
    yield "responses", lambda r: r.update(status="done")
    yield "responses", lambda r: r.update(response=None)
    yield "responses", lambda r: r.update(prompt_tokens="seven")
    yield "responses", lambda r: r["item"].update(id=7)
    yield "responses", lambda r: r["item"]["messages"][0].update(role="robot")
    yield "scores", lambda r: r.update(status="great")
    yield "scores", lambda r: r.update(values={"words": "many"})
    yield "scores", lambda r: r.pop("id")
    yield "metrics", lambda r: r.update(schema=2)
    yield "metrics", lambda r: r["metrics"][0].update(n=None)
    yield "metrics", lambda r: r["metrics"][0].pop("unit")
    yield "run", lambda r: r.update(status="resting")
    yield "run", lambda r: r.pop("model")


@pytest.mark.parametrize(("name", "damage"), list(damages()))
def test_a_damaged_record_is_not_valid(real, name, damage):
    record = copy.deepcopy(next(record for kind, record in written(real) if kind == name))
    assert validator(name).is_valid(record)
    damage(record)
    assert not validator(name).is_valid(record)


@pytest.mark.parametrize("name", FILES)
def test_the_command_line_prints_them(cli, name):
    outcome = cli("schema", name)
    assert outcome.code == 0
    assert json.loads(outcome.out) == json.loads(json.dumps(schema(name)))


def test_there_is_no_schema_of_other_files(cli):
    outcome = cli("schema", "thesis")
    assert outcome.code == 2
    assert "invalid choice: 'thesis'" in outcome.err


def test_metrics_have_the_names_that_other_programs_read():
    names = set(schema("metrics")["$defs"]["Metric"]["properties"])
    assert names >= {
        *("task", "scorer", "metric", "value", "ci_low", "ci_high"),
        *("n", "n_failed", "unit", "higher_is_better"),
    }
