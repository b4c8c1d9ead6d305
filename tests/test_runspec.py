"""One record holds a whole run; a file can hold it, and the command line wins."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import empeval
from empeval import Run, RunSpec, UsageError
from empeval.asked import AskedTask
from empeval.runspec import limit_of, limited, make_spec, read_spec
from empeval.testing import FakeTask

YAML = """
model: "human:"
tasks: [ed-mini]
scorers: [surface]
task_args: {ed-mini: {turns: last}}
sampling: {max_tokens: 9, stop: ["a"]}
limit: 2
seed: 3
out: from-the-file
"""
TOML = """
model = "human:"
tasks = ["ed-mini"]
scorers = ["surface"]
limit = 2
seed = 3
out = "from-the-file"
[task_args.ed-mini]
turns = "last"
[sampling]
max_tokens = 9
stop = ["a"]
"""


@pytest.fixture(params=["yaml", "toml"])
def config(tmp_path, request):
    """A run in a file."""
    path = tmp_path / f"run.{request.param}"
    path.write_text({"yaml": YAML, "toml": TOML}[request.param])
    return path


def test_a_file_holds_a_whole_run(cli, tmp_path, config):
    found = cli("run", "--config", config.name)
    assert found.code == 0, found.err
    manifest = Run(tmp_path / "from-the-file").manifest
    assert (manifest.limit, manifest.seed) == (2, 3)
    entry = manifest.tasks["ed-mini"]
    assert entry.arguments == {"turns": "last"}
    assert (entry.sampling.max_tokens, entry.sampling.stop, entry.sampling.seed) == (9, ("a",), 3)
    assert list(manifest.scorers["ed-mini"]) == ["surface"]


def test_the_command_line_wins_and_what_it_does_not_say_stays(cli, tmp_path, config):
    words = ("--limit", "1", "--max-tokens", "5", "--out", "here", "--seed", "0")
    assert cli("run", "--config", config.name, *words).code == 0
    manifest = Run(tmp_path / "here").manifest
    assert (manifest.limit, manifest.seed) == (1, 0)
    sampling = manifest.tasks["ed-mini"].sampling
    assert (sampling.max_tokens, sampling.stop) == (5, ("a",))
    assert not (tmp_path / "from-the-file").exists()


def test_the_file_and_python_say_the_same(config):
    spec = read_spec(config)
    assert spec == make_spec(
        "human:",
        ["ed-mini"],
        ["surface"],
        task_args={"ed-mini.turns": "last"},
        sampling={"max_tokens": 9, "stop": ["a"]},
        limit=2,
        seed=3,
        out="from-the-file",
    )
    assert read_spec(config).changed(limit="5%", seed=None).limit == "5%"


def test_a_spec_is_run_as_it_is_and_with_changes(tmp_path):
    spec = RunSpec(model="human:", tasks=("ed-mini",), scorers=("surface",), limit=1)
    run = empeval.run(spec, out=tmp_path / "a")
    assert (run.manifest.limit, run.manifest.seed) == (1, 0)
    assert empeval.run(spec, limit=2, out=tmp_path / "b").manifest.limit == 2


WRONG = {
    "an unknown field": ("a.yaml", "model: x\ntask: [y]\n", "line 2: there is no 'task' here. Did"),
    "a text for a list": ("a.yaml", "tasks: eqbench\n", "line 1: 'tasks' makes no sense"),
    "a bad share": ("a.yaml", "limit: 200%\n", "--limit is '200%'"),
    "toml's own": ("a.toml", "tasks = \n", "a.toml is not valid TOML: Invalid value (at line 1"),
    "toml's fields": ("a.toml", "[sampling]\n[modle]\n", "'modle': there is no 'modle' here. Did"),
    "another format": ("a.json", "{}", "is no .yaml or .toml file"),
    "not text": ("a.yaml", b"\xff\n", "line 1: not UTF-8"),
}


@pytest.mark.parametrize(("name", "content", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_file_that_makes_no_sense_is_refused(cli, tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = cli("run", "--config", name)
    assert found.code == 2
    assert sentence in found.err


def test_a_run_needs_a_model_and_tasks_from_somewhere(cli, tmp_path):
    (tmp_path / "a.yaml").write_text("tasks: [ed-mini]\n")
    assert "No model is named" in cli("run", "--config", "a.yaml").err
    assert "No task is named" in cli("run", "--model", "human:").err
    assert "cannot be read" in cli("run", "--config", "gone.yaml").err


@given(st.integers(1, 100), st.integers(1, 60))
def test_a_share_is_rounded_up_and_never_nothing(percent, count):
    task = FakeTask(count=count)
    items = list(task.items())
    chosen = limited(task, items, f"{percent}%", 0)
    assert len(chosen) == max(1, -(-percent * count // 100))
    assert limited(task, items, "100%", 0) == items


def test_a_share_of_a_task_that_counts_dialogues_is_one_of_dialogues():
    whole = AskedTask("ed-mini", {}).entry
    some = AskedTask("ed-mini", {}, RunSpec(limit="25%")).entry
    assert some.n_clusters == -(-whole.n_clusters // 4)
    assert some.n_items < whole.n_items / 2


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(None, None), (3, 3), ("3", 3), ("10%", "10%"), (" 12.50 %", "12.5%"), ("100%", "100%")],
)
def test_limits_are_kept_in_one_form(limit, kept):
    assert limit_of(limit) == kept


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, "0%", "101%", "x", "-5%", "%", ""])
def test_limits_that_make_no_sense_are_refused(limit):
    with pytest.raises(UsageError, match="limit is"):
        limit_of(limit)


def test_patterns_stand_for_the_names_that_they_match(cli, tmp_path):
    found = cli("run", "--model", "human:", "--tasks", "ed-m*", "--scorers", "surf*",
                "--limit", "1", "--out", "a")  # fmt: skip
    assert found.code == 0, found.err
    assert list(Run(tmp_path / "a").manifest.tasks) == ["ed-mini"]
    assert list(Run(tmp_path / "a").manifest.scorers["ed-mini"]) == ["surface"]
    refused = cli("run", "--model", "human:", "--tasks", "qe*", "--out", "b")
    assert refused.code == 2
    assert "No task matches 'qe*'" in refused.err
    twice = cli("run", "--model", "human:", "--tasks", "ed-mini,ed-m*", "--scorers", "surface",
                "--limit", "1", "--dry-run", "--format", "json")  # fmt: skip
    assert twice.code == 0, twice.err


def test_the_schema_of_a_run_accepts_what_is_read(cli):
    import yaml

    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(cli("schema", "config").out))
    validator.validate(yaml.safe_load(YAML))
    assert not validator.is_valid({"modle": "x"})
    assert not validator.is_valid({"tasks": "x"})
