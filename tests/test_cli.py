"""The command line: what it prints, its exit codes, and how it speaks of mistakes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.answers import write_answers
from support.command import environment
from support.distributions import make_distribution

import empeval

RUN = ("run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface")
FILES = {
    "good.jsonl": b'{"id": "mini-01#2", "response": "Oh no."}\n',
    "other.jsonl": b'{"id": "hit:1", "response": "Oh no."}\n',
    "broken.jsonl": b'{"id": "mini-01#2", "response": "Oh no."}\n{"id": "mini\n',
    "cut.jsonl": b'{"id": "mini-01#2", "response": "Oh no."}\n{"id": "mini-01#4", "resp',
    "latin.jsonl": b'\n{"id": "mini-01#2", "response": "caf\xe9"}\n',
    "empty.jsonl": b"",
    "list.jsonl": b"[1]\n",
    "dialogue.jsonl": b'{"id": 1, "context": ["Hi.", "Hello."], "response": "Oh."}\n',
    "full/thesis.tex": b"Dear reader,",
    "odd/run.json": b"{}",
}


def replay(file, *more):
    return ["run", "--model", f"replay:{file}", "--tasks", "ed-mini", "--scorers", "surface", *more]


WRONG = {
    "unknown scheme": ([*RUN, "--model", "humane:"], ["scheme 'humane:'", "'human'"]),
    "no scheme": ([*RUN, "--model", "gpt2"], ["'gpt2' has no scheme", "hf:gpt2"]),
    "a scheme without its colon": ([*RUN, "--model", "human"], ["Did you mean 'human:'?"]),
    "unknown task": ([*RUN, "--tasks", "ed-mimi"], ["Unknown task 'ed-mimi'", "'ed-mini'"]),
    "unknown scorer": ([*RUN, "--scorers", "surfce"], ["Unknown scorer 'surfce'", "'surface'"]),
    "no task": ([*RUN, "--tasks", ","], ["No task is named", "empeval list tasks"]),
    "a task twice": ([*RUN, "--tasks", "ed-mini,ed-mini"], ["A task is named twice"]),
    "no model": (["run", "--tasks", "ed-mini"], ["--model"]),
    "unknown verb": (["rune"], ["invalid choice: 'rune'", "did you mean 'run' or 'runs'?"]),
    "unknown form": (["list", "tasks", "--format", "jsn"], ["did you mean 'json'?"]),
    "no verb": ([], ["VERB"]),
    "unknown option": (
        [*RUN, "--warmth", "3"],
        ["usage: empeval run ", "empeval run: error: unrecognized arguments: --warmth 3\n"],
    ),
    "unknown option of an action": (
        ["models", "list", "--jsn"],
        ["empeval models list: error: unrecognized arguments: --jsn"],
    ),
    "mistyped option": ([*RUN, "--temprature=1"], ["did you mean '--temperature'?"]),
    "mistyped required option": (
        ["gate", "a", "--baseline", "b", "--polcy", "c"],
        ["are required: --policy; there is no --polcy, did you mean '--policy'?"],
    ),
    "broken answers": (replay("broken.jsonl"), ["broken.jsonl, line 2: not valid JSON"]),
    "cut answers": (replay("cut.jsonl"), ["cut.jsonl, line 2", "seems cut off"]),
    "answers not in UTF-8": (replay("latin.jsonl"), ["latin.jsonl, line 2: not UTF-8"]),
    "no answers": (replay("empty.jsonl"), ["empty.jsonl holds no answer"]),
    "answers that are no objects": (
        replay("list.jsonl"),
        ["list.jsonl, element 1: not a JSON object"],
    ),
    "no file of answers": (replay("none.jsonl"), ["There is no file none.jsonl"]),
    "a folder of answers": (replay("full"), ["full is a folder"]),
    "too long a name": (replay("x" * 300), ["There is no file xxx"]),
    "answers to other questions": (replay("other.jsonl"), ["answers none", "hit:1", "mini-01#2"]),
    "out is a file": (replay("good.jsonl", "--out", "good.jsonl"), ["good.jsonl is a file"]),
    "out is below a file": (replay("good.jsonl", "--out", "good.jsonl/x"), ["cannot be written"]),
    "out has other things": (replay("good.jsonl", "--out", "full"), ["full holds something"]),
    "out is another program's": (replay("good.jsonl", "--out", "odd"), ["odd/run.json cannot be"]),
    "out is too long": (replay("good.jsonl", "--out", "x" * 300), ["File name too long"]),
    "limit below 1": ([*RUN, "--limit", "-3"], ["--limit is", "a whole number of 1 or more"]),
    "limit 0": ([*RUN, "--limit", "0"], ["--limit is 0; it must be 1 or more"]),
    "limit of words": ([*RUN, "--limit", "few"], ["'few'; give a whole number of 1 or more"]),
    "no tokens": ([*RUN, "--max-tokens", "0"], ["'0' is not a whole number of 1 or more"]),
    "seed of words": ([*RUN, "--seed", "x"], ["invalid int value: 'x'"]),
    "temperature nan": ([*RUN, "--temperature", "nan"], ["--temperature is nan", "0 or more"]),
    "temperature below 0": ([*RUN, "--temperature=-1"], ["--temperature is -1.0"]),
    "temperature hot": ([*RUN, "--temperature", "hot"], ["invalid float value: 'hot'"]),
    "top-p of 0": ([*RUN, "--top-p", "0"], ["--top-p is 0.0", "above 0 and at most 1"]),
    "empty stop": ([*RUN, "--stop", ""], ["it is empty; give the text"]),
    "model args of words": (
        [*RUN, "--model-args", "fast"],
        ["'fast' is not of the form key=value"],
    ),
    "model args unknown": ([*RUN, "--model-args", "fast=1"], ["Unknown option 'fast'", "human:"]),
    "model args twice": ([*RUN, "--model-args", "a=1,a=2"], ["'a' is given twice"]),
    "task args of words": ([*RUN, "--task-args", "last"], ["--task-args: 'last' is not of the"]),
    "task args unknown": (
        [*RUN, "--task-args", "trun=last"],
        ["Unknown option 'trun' of task 'ed-mini'", "'turns'"],
    ),
    "task args of no choice": (
        [*RUN, "--task-args", "ed-mini.turns=first"],
        ["Option 'turns' of task 'ed-mini' is 'first'; it takes one of all, last"],
    ),
    "task args of another task": (
        [*RUN, "--task-args", "eqbench.prompts=revise"],
        ["task 'eqbench', which is not among --tasks"],
    ),
    "a scorer that does not fit": (
        [*RUN, "--scorers", "eqbench"],
        ["The scorer 'eqbench' needs", "none of the tasks ed-mini provides"],
    ),
    "a scorer with a target": ([*RUN, "--scorers", "surface:x"], ["takes no target"]),
    "human with a target": ([*RUN, "--model", "human:x"], ["takes nothing after the colon"]),
    "human without replies": (
        ["run", "--model", "human:", "--tasks", "eqbench-mini"],
        ["needs human replies, and eqbench-mini has none"],
    ),
    "no mirror": ([*RUN, "--data-dir", "none"], ["none"]),
    "score nothing": (["score", "none"], ["There is no run folder or file none"]),
    "score a strange folder": (["score", "full"], ["full is no run folder"]),
    "score a strange run": (["score", "odd"], ["odd/run.json cannot be read as a manifest"]),
    "score broken dialogues": (["score", "broken.jsonl"], ["broken.jsonl, line 2: not valid JSON"]),
    "score unfinished dialogues": (["score", "dialogue.jsonl"], ["'context' has 2 turns"]),
    "score to a file": (
        ["score", "good.jsonl", "--out", "full"],
        ["good.jsonl, line 1: there is an answer", "needs 'context' or 'messages'"],
    ),
    "score too long a name": (["score", "x" * 300], ["There is no run folder or file xxx"]),
    "show nothing": (["show", "nothing"], ["'nothing' is neither a run folder nor a component"]),
    "show a strange folder": (["show", "full"], ["full is no run folder"]),
    "show too long a name": (["show", "x" * 300], ["is neither a run folder nor a component"]),
    "list strange things": (["list", "friends"], ["invalid choice: 'friends'"]),
}


def everything_in(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize(("arguments", "fragments"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_gets_a_sentence_and_writes_nothing(cli, tmp_path, arguments, fragments):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = everything_in(tmp_path)
    outcome = cli(*arguments)
    assert outcome.code == 2, outcome
    for fragment in fragments:
        assert fragment in outcome.err
    assert "Traceback" not in outcome.err
    assert "defect" not in outcome.err
    assert outcome.out == ""
    assert everything_in(tmp_path) == before


def test_a_run_prints_its_metrics_and_where_they_are(cli):
    outcome = cli(*RUN, "--limit", "2", "--out", "out")
    assert (outcome.code, outcome.err) == (0, "")
    assert "human:  (complete)" in outcome.out
    assert "run folder: out" in outcome.out
    words = next(line for line in outcome.out.splitlines() if " words " in line)
    assert words.startswith("ed-mini  surface")
    assert cli("show", "out").out == outcome.out


def test_a_run_without_out_goes_to_a_folder_named_after_model_and_run_spec(cli, tmp_path):
    for limit in ("1", "1", "2"):
        assert cli(*RUN, "--limit", limit).code == 0
    names = sorted(path.name for path in (tmp_path / "empeval-runs").iterdir())
    assert len(names) == 2
    assert all(name.startswith("human-") for name in names)


def test_metrics_can_be_printed_as_json_and_as_markdown(cli):
    cli(*RUN, "--limit", "2", "--out", "out")
    metrics = json.loads(cli("show", "out", "--format", "json").out)
    assert metrics["status"] == "complete"
    assert metrics["metrics"] == json.loads(Path("out/metrics.json").read_text())["metrics"]
    table = cli("show", "out", "--format", "md").out
    assert "| task    | scorer   | metric" in table


def test_a_dry_run_shows_prompts_and_writes_nothing(cli, tmp_path):
    outcome = cli(*RUN, "--limit", "2", "--dry-run")
    assert outcome.code == 0
    assert "nothing is written" in outcome.out
    assert "[system] You are chatting with a friend" in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_can_be_read_by_a_program(cli, tmp_path):
    outcome = cli(*RUN, "--limit", "2", "--dry-run", "--format", "json")
    asked = json.loads(outcome.out)
    (task,) = asked["tasks"]
    assert asked["model"]["uri"] == "human:"
    assert (task["task"], task["scorers"], task["prompt_tokens"]) == ("ed-mini", ["surface"], None)
    assert task["n_items"] > 2 >= task["n_clusters"]
    assert task["prompts"][0]["text"].startswith("[system] You are chatting with a friend")
    assert list(tmp_path.iterdir()) == []


def test_warnings_go_to_standard_error_and_into_the_manifest(cli, tmp_path):
    write_answers(tmp_path / "a.jsonl", {"mini-01#2": "Oh no.", "nowhere": "?"})
    outcome = cli(*replay("a.jsonl", "--out", "out"))
    assert outcome.code == 0
    assert "warning: ed-mini: 67 ids have no answer: mini-01#4, mini-02#2" in outcome.err
    assert "warning: a.jsonl: 1 id belongs to no item that was asked: nowhere." in outcome.err
    assert len(empeval.Run("out").manifest.warnings) == 2


def test_stop_strings_may_be_written_with_a_backslash(cli):
    assert cli(*RUN, "--limit", "1", "--stop", r"\n", "--stop", r"a\\n", "--out", "o").code == 0
    assert empeval.Run("o").manifest.tasks["ed-mini"].sampling.stop == ("\n", "a\\n")


def test_scores_are_added_to_a_run_folder(cli):
    cli("run", "--model", "human:", "--tasks", "ed-mini", "--scorers", ",", "--out", "out")
    assert empeval.Run("out").metrics() == []
    outcome = cli("score", "out", "--scorers", "surface")
    assert outcome.code == 0
    assert "words" in outcome.out
    assert cli("score", "out", "--out", "elsewhere").code == 2


def test_an_unfinished_run_is_not_scored_and_its_command_is_told(cli, monkeypatch):
    command = [*RUN, "--stop", "the end", "--out", "out"]
    monkeypatch.setattr(sys, "argv", ["empeval", *command])
    cli(*command)
    path = empeval.Run("out").responses_path("ed-mini")
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")
    outcome = cli("score", "out", "--scorers", "surface")
    assert outcome.code == 2
    assert "out is unfinished: 1 of 68 answers of ed-mini are there" in outcome.err
    assert f"Run its command again first: empeval {shlex.join(command)}" in outcome.err


@pytest.mark.parametrize("kind", ["tasks", "scorers", "generators"])
def test_what_is_installed_is_listed_with_its_distribution(cli, kind):
    rows = json.loads(cli("list", kind, "--format", "json").out)
    assert rows
    audited = {"audited"} if kind == "scorers" else set()
    assert all(set(row) == {"name", "plugin", "class"} | audited for row in rows)
    names = {row["name"] for row in rows}
    assert names >= {"tasks": {"ed-mini"}, "scorers": {"surface"}, "generators": {"human"}}[kind]
    assert "ed-mini" in cli("list", "tasks").out


@pytest.mark.parametrize("name", ["ed-mini", "surface", "replay", "hf", "eqbench", "empeval/hf"])
def test_a_component_can_be_shown_without_using_it(cli, name):
    described = json.loads(cli("show", name, "--format", "json").out)
    for facts in described:
        assert name in (facts["name"], f"empeval/{facts['name']}")
        assert facts["summary"]
        assert facts["plugin"].startswith("empeval ")
    assert cli("show", name).out.startswith("kind ")


def test_options_of_a_task_are_shown_with_their_choices(cli):
    (facts,) = json.loads(cli("show", "ed-mini", "--format", "json").out)
    assert facts["options"] == {"turns": "Literal['all', 'last']"}


def test_plugins_are_listed_as_json(cli):
    plugins = json.loads(cli("plugins", "list", "--check").out)
    (own,) = [plugin for plugin in plugins if plugin["name"] == "empeval"]
    assert {"kind": "generator", "name": "human", "class": "empeval.generators.human:Human"} in own[
        "components"
    ]
    assert own["errors"] == []


VERBS = ["run", "score", "list", "show", "models", "plugins", "schema", "doctor"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_examples(cli, verb):
    outcome = cli(verb, "--help")
    assert outcome.code == 0
    assert f"examples:\n  empeval {verb}" in outcome.out
    assert f"    {verb} " in cli("--help").out


def test_the_doctor_says_what_works_and_what_does_not(cli, tmp_path, install, monkeypatch):
    pytest.importorskip("torch", reason="the extra 'hf' is not installed")
    monkeypatch.setenv("EMPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path / "no-such-folder"))
    points = {"empeval.scorers": {"unimportable": "bad_neighbour_missing:Scorer"}}
    install(make_distribution(tmp_path / "site", "bad-neighbour", points=points))
    outcome = cli("doctor")
    assert (outcome.code, outcome.err) == (1, "")
    found = [line.split(maxsplit=2) for line in outcome.out.splitlines()]
    states = {(subject, state) for state, subject, _ in found}
    assert states >= {
        *(("empeval", "ok"), ("torch", "ok"), ("plugin", "ok"), ("plugin", "fail")),
        *(("model", "note"), ("data", "fail")),
    }
    failures = [finding for state, subject, finding in found if state == "fail"]
    assert len(failures) == 2
    assert any(f.startswith("bad-neighbour: The scorer plugin") for f in failures)


def test_what_a_plugin_says_in_lines_is_one_finding_of_the_doctor(cli, tmp_path, install):
    points = {"empeval.scorers": {"wordy": "wordy_module:Scorer"}}
    modules = {"wordy_module": 'raise RuntimeError("no\\nway")'}
    install(make_distribution(tmp_path / "site", "wordy", points=points, modules=modules))
    (line,) = [line for line in cli("doctor").out.splitlines() if "wordy" in line]
    assert line.startswith("fail  plugin")
    assert "RuntimeError: no way. Reinstall or remove 'wordy'" in line


def test_the_doctor_says_that_torch_does_not_work_and_goes_on(cli, monkeypatch):
    pytest.importorskip("torch", reason="the extra 'hf' is not installed")
    from empeval.generators.hf import loading

    def broken(device):
        raise OSError("libcudart.so: cannot open shared object file")

    monkeypatch.setattr(loading, "choose_device", broken)
    outcome = cli("doctor")
    assert outcome.code == 1
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("fail  torch")]
    assert line.endswith("does not work: OSError: libcudart.so: cannot open shared object file")
    assert "\nok    data" in outcome.out or "\nnote  data" in outcome.out


@pytest.mark.usefixtures("odd_plugins")
def test_what_goes_wrong_inside_a_plugin_is_no_traceback(cli, monkeypatch):
    command = ("run", "--model", "dying:", "--tasks", "days", "--scorers", "length", "--out", "o")
    outcome = cli(*command)
    assert outcome.code == 1
    assert "'odd-plugins/dying' fails with RuntimeError: out of memory" in outcome.err
    assert "EMPEVAL_DEBUG=1 shows where" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.setenv("EMPEVAL_DEBUG", "1")
    with pytest.raises(empeval.EmpevalError, match="out of memory"):
        cli(*command)


def test_with_debugging_a_mistake_shows_where_it_was_found(cli, monkeypatch):
    monkeypatch.setenv("EMPEVAL_DEBUG", "1")
    with pytest.raises(empeval.UsageError):
        cli(*RUN, "--model", "gpt2")


def empeval_with(stdout, *arguments, folder, **settings):
    return subprocess.run(
        [sys.executable, "-m", "empeval", *arguments],
        cwd=folder,
        env=environment(**settings),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("--help",), ("list", "scorers"), ("schema", "run")])
@pytest.mark.parametrize("settings", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_reader_that_goes_away_is_no_error(tmp_path, arguments, settings):
    reader, writer = os.pipe()
    os.close(reader)
    done = empeval_with(writer, *arguments, folder=tmp_path, **settings)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("settings", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_output_to_a_full_disk_is_an_error_and_no_defect(tmp_path, settings):
    with open("/dev/full", "w") as full:
        done = empeval_with(full, "schema", "run", folder=tmp_path, **settings)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Standard output")
    assert "the disk is full" in done.stderr
    assert done.stderr.count("\n") == 1


def test_text_that_the_terminal_cannot_show_is_replaced(tmp_path):
    row = {"id": "1", "context": ["Hi."], "response": "😢"}
    (tmp_path / "größe😢.jsonl").write_text(json.dumps(row))
    settings = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    command = ("score", "größe😢.jsonl", "--scorers", "surface", "--out", "o")
    done = empeval_with(subprocess.PIPE, *command, folder=tmp_path, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert "file:gr??e?.jsonl" in done.stdout


def test_the_module_is_the_command(tmp_path):
    done = empeval_with(subprocess.PIPE, "--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"empeval {empeval.__version__}\n")
