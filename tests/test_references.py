"""A scorer, a task or a model in a file of one's own is used where a name may stand."""

from __future__ import annotations

import importlib.util
import json

import pytest

import empeval
from empeval import Run, UsageError
from empeval.references import parse_reference, split_target

SCORER = '''
import empeval

@empeval.scorer(unit="count", low=0)
def thanks(sample, *, word: str = "thank"):
    """How often a reply says thank you."""
    return sample.text.lower().count(word)
'''
TASK = '''
import empeval

@empeval.task(license="CC0-1.0", scorers=["my_scorer.py:thanks"])
def talks(*, count: int = 2):
    """Openings of talks."""
    yield "I got the job!"
    for number in range(1, count):
        yield {"id": f"dog-{number}", "prompt": "My dog died.", "cluster": "pets"}
'''
MODEL = """
import empeval

class Polite(empeval.Generator):
    def __init__(self, target: str = "", *, times: int = 1):
        self.word, self.times = target or "Thanks", times

    @property
    def card(self):
        return empeval.ModelCard(name="polite", fingerprint=f"{self.word} {self.times}")

    def generate(self, items, sampling):
        for item in items:
            yield empeval.Response(item.id, f"{self.word}. " * self.times)
"""


@pytest.fixture
def files(tmp_path):
    """A scorer, a task and a model in files."""
    for name, text in {"my_scorer": SCORER, "my_task": TASK, "my_model": MODEL}.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def metrics(folder):
    return {(m.task, m.scorer, m.metric): m.value for m in Run(folder).metrics()}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("my_scorer.py:Thanks", ("my_scorer.py", "Thanks", None)),
        ("./a/my_scorer.py:Thanks:word=x:y", ("my_scorer.py", "Thanks", "word=x:y")),
        ("my_scorer.py", ("my_scorer.py", "", None)),
        ("../my_task.yaml", ("my_task.yaml", "", None)),
        ("t.yml", ("t.yml", "", None)),
    ],
)
def test_a_file_with_a_name_behind_it_is_a_reference(text, parts):
    found = parse_reference(text)
    assert (found.path.name, found.attribute, found.target) == parts
    assert found.path.is_absolute()


@pytest.mark.parametrize(
    "text", ["mvc", "mvc:./folder", "mvc:weights.py", "hf:./x.yaml", "replay:a.jsonl", "eq.pyx", ""]
)
def test_names_and_targets_are_no_references(text):
    assert parse_reference(text) is None
    assert split_target(text) == (text.partition(":")[0], text.partition(":")[2] or None)


def test_everything_of_a_run_may_be_in_files(cli, files):
    words = ("--model", "my_model.py:Polite:Thank you", "--tasks", "my_task.py:talks")
    found = cli("run", *words, "--model-args", "times=3", "--task-args", "talks.count=4",
                "--out", "run")  # fmt: skip
    assert found.code == 0, found.err
    assert metrics(files / "run") == {("talks", "thanks", "thanks"): 3.0}
    manifest = Run(files / "run").manifest
    assert (manifest.tasks["talks"].n_items, manifest.tasks["talks"].n_clusters) == (4, 2)
    assert manifest.tasks["talks"].version.startswith("1+")
    assert manifest.scorers["talks"]["thanks"].distribution.startswith("my_scorer.py ")


def test_a_finished_run_is_scored_by_a_file_from_another_folder(cli, files, monkeypatch):
    assert cli("run", "--model", "my_model.py", "--tasks", "my_task.py", "--out", "run").code == 0
    (files / "elsewhere").mkdir()
    monkeypatch.chdir(files / "elsewhere")
    found = cli("score", "../run", "--scorers", "../my_scorer.py:thanks:word=than")
    assert found.code == 0, found.err
    assert metrics(files / "run")["talks", "thanks@word-than", "thanks"] == 1.0


def test_no_file_that_a_run_folder_names_is_run(cli, files):
    """A folder may come from anybody."""
    evil = TASK.replace("import empeval", "import empeval, pathlib\npathlib.Path('RUN').touch()")
    (files / "my_task.py").write_text(evil)
    assert cli("run", "--model", "my_model.py", "--tasks", "my_task.py", "--out", "run").code == 0
    (files / "RUN").unlink()
    found = cli("score", "run", "--scorers", "surface")
    assert found.code == 0, found.err
    assert not (files / "RUN").exists()
    asked = cli("score", "run")
    assert asked.code == 2
    assert "talks is not installed here, so nobody knows its own scorers" in asked.err


def test_a_file_that_is_called_like_an_installed_task_is_not_that_task(cli, files):
    (files / "t.py").write_text("import empeval\n" + TASK.replace("def talks", "def eqbench"))
    assert cli("run", "--model", "my_model.py", "--tasks", "t.py", "--out", "run").code == 0
    assert cli("score", "run").code == 2, "EQ-Bench's own scorer has nothing to say of it"


def test_a_changed_scorer_scores_anew_and_a_changed_task_is_another_run_spec(cli, files):
    words = ("run", "--model", "my_model.py", "--tasks", "my_task.py", "--out", "run")
    assert cli(*words).code == 0
    before = Run(files / "run").manifest.scorers["talks"]["thanks"].version
    (files / "my_scorer.py").write_text(SCORER.replace(".count(word)", ".count(word) + 1"))
    assert cli(*words).code == 0
    assert metrics(files / "run") == {("talks", "thanks", "thanks"): 2.0}
    assert Run(files / "run").manifest.scorers["talks"]["thanks"].version != before
    (files / "my_task.py").write_text(TASK + "# a remark\n")
    found = cli(*words)
    assert found.code == 2
    assert "another run spec" in found.err
    assert "talks version: 1+" in found.err


def test_runs_of_a_changed_scorer_are_not_compared(cli, files):
    words = ("run", "--model", "my_model.py", "--tasks", "ed-mini", "--limit", "2")
    scorers = ("--scorers", "my_scorer.py:thanks")
    assert cli(*words, *scorers, "--out", "a").code == 0
    assert cli(*words, *scorers, "--model-args", "times=2", "--out", "b").code == 0
    fine = cli("compare", "a", "b", "--metrics", "thanks", "--format", "json")
    assert fine.code == 0, fine.err
    (difference,) = json.loads(fine.out)["differences"]
    assert difference["change"]["value"] == 1.0
    (files / "my_scorer.py").write_text(SCORER + "# a remark\n")
    assert cli(*words, *scorers, "--model-args", "times=2", "--out", "b").code == 0
    refused = cli("compare", "a", "b", "--metrics", "thanks")
    assert refused.code == 2
    assert "version" in refused.err


def test_a_scorer_in_a_file_is_audited(cli, files):
    rated = [
        {"context": f"Day {k}.", "response": "Thank you. " * (k % 3), "rating": k % 3}
        for k in range(12)
    ]
    (files / "rated.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rated))
    found = cli("audit", "my_scorer.py:thanks", "--ratings", "rated.jsonl", "--no-cost",
                "--trials", "5", "--out", "audits")  # fmt: skip
    assert found.code == 0, found.err
    made = json.loads((files / "audits" / "thanks" / "audit.json").read_text())
    assert made["agreements"][0]["spearman"]["value"] == pytest.approx(1.0)


def test_what_is_in_a_file_is_shown_and_checked(cli, files):
    (shown,) = json.loads(cli("show", "my_scorer.py:thanks", "--format", "json").out)
    assert (shown["kind"], shown["name"], shown["options"]) == ("scorer", "thanks", {"word": "str"})
    assert cli("show", "my_scorer.py:gone").code == 2
    (files / "my_scorer.py").write_text("print('NOISE')\n" + SCORER.replace("low=0", "high=0"))
    found = cli("plugins", "check", "my_scorer.py:thanks:word=o", "--format", "json")
    assert found.code == 1
    failed = {row["check"]: row["result"] for row in json.loads(found.out) if row["result"] != "ok"}
    assert "prints 'NOISE" in failed["importing it is quick and quiet"]
    assert "outside of its card's range" in failed["its own samples are scored"]
    assert "no scorer 'gone'" in cli("plugins", "check", "gone", "--kind", "scorer").err


BROKEN = {
    "not there": ("gone.py:x", None, "gone.py cannot be read: No such file"),
    "a folder": ("folder.py:x", None, "it is a folder"),
    "syntax": ("s.py:x", "def x(:\n", "SyntaxError: invalid syntax (s.py, line 1)"),
    "raises": ("s.py:x", "\n\n1 / 0\n", "ZeroDivisionError: division by zero (s.py, line 3)"),
    "leaves": ("s.py:x", "raise SystemExit(0)", "SystemExit: 0 (s.py, line 1)"),
    "no such name": ("s.py:Thansk", SCORER + "Thanks = thanks\n", "has no 'Thansk'. Did you mean"),
    "nothing in it": ("s.py", "x = 1\n", "holds no scorer; name one as s.py:NAME"),
    "two in it": ("s.py", SCORER + SCORER.replace("def thanks", "def t2"), "holds 2 scorers"),
    "plain function": ("s.py:f", "def f(sample): return 1\n", "put @empeval.scorer on it"),
    "another kind": ("my_task.py:talks", None, "is not a subclass of Scorer"),
    "an old interface": ("s.py:thanks", SCORER + "thanks.interface = 0\n", "interface version 0"),
    "a task's file": ("t.yaml", "a: 1\n", "describes a task; a scorer is named as FILE.py:NAME"),
    "bad option": ("my_scorer.py:thanks:wrd=x", None, "Unknown option 'wrd' of thanks; it takes"),
    "no option": ("my_scorer.py:thanks:x", None, "write its options as :option=value"),
    "wrong arguments": (
        "s.py:f", "import empeval\n@empeval.scorer\ndef f(a, b): return 1\n",
        "f(a, b) must take one argument, the sample",
    ),
}  # fmt: skip


def test_a_function_as_generator_is_told_what_there_is(cli, files):
    (files / "g.py").write_text("def g(messages): return 1\n")
    found = cli("run", "--model", "g.py:g", "--tasks", "ed-mini", "--out", "run")
    assert found.code == 2
    assert "a generator is a class; derive one from empeval.Generator" in found.err


@pytest.mark.parametrize(("reference", "text", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_gets_a_sentence_and_writes_nothing(cli, files, reference, text, sentence):
    (files / "folder.py").mkdir()
    if text is not None:
        (files / reference.partition(":")[0]).write_text(text)
    found = cli("run", "--model", "my_model.py", "--tasks", "ed-mini", "--scorers", reference,
                "--out", "run")  # fmt: skip
    assert found.code == 2
    assert sentence in found.err
    assert "Traceback" not in found.err
    assert not (files / "run").exists()


def test_a_scorer_that_raises_says_the_line_of_its_file(cli, files):
    (files / "s.py").write_text(
        "import empeval\n@empeval.scorer\ndef f(sample):\n    return 1 / 0\n"
    )
    cli("run", "--model", "my_model.py", "--tasks", "ed-mini", "--scorers", "s.py", "--limit", "1",
        "--out", "run")  # fmt: skip
    notes = {score.note for score in Run(files / "run").scores("ed-mini", "f")}
    assert notes == {"ZeroDivisionError: division by zero (s.py, line 4)"}


def test_a_file_imports_what_lies_beside_it_and_leaves_nothing_there(cli, files):
    (files / "helper_of_thanks.py").write_text("WORD = 'thank'\n")
    text = SCORER.replace("import empeval", "import empeval\nfrom helper_of_thanks import WORD")
    (files / "deep").mkdir()
    (files / "deep" / "s.py").write_text(text)
    (files / "deep" / "helper_of_thanks.py").write_text("WORD = 'thank'\n")
    words = ("run", "--model", "my_model.py", "--tasks", "ed-mini", "--limit", "1", "--out", "run")
    found = cli(*words, "--scorers", "deep/s.py:thanks")
    assert found.code == 0, found.err
    assert not list((files / "deep").glob("__pycache__/s.*"))


def test_an_edit_within_the_same_second_counts(cli, files):
    for factor in (2, 3, 4):  # of one length: neither size nor time tells them apart
        (files / "s.py").write_text(SCORER.replace(".count(word)", f".count(word) * {factor}"))
        words = ("run", "--model", "my_model.py", "--tasks", "ed-mini", "--limit", "1")
        assert cli(*words, "--scorers", "s.py:thanks", "--out", "run").code == 0
        assert metrics(files / "run")["ed-mini", "thanks", "thanks"] == factor


def test_python_takes_objects_and_classes_and_paths(files, monkeypatch):
    space: dict = {"__name__": "typed"}
    exec(TASK.replace('["my_scorer.py:thanks"]', "[]"), space)
    exec(SCORER, space)
    exec(MODEL, space)
    scorers = [space["thanks"], space["thanks"](word="x"), str(files / "my_scorer.py")]
    with pytest.raises(UsageError, match="Two scorers of talks would write to the same file"):
        empeval.run(space["Polite"](), [space["talks"]], scorers, out=files / "a")
    runs = [
        empeval.run(space["Polite"](times=n), [space["talks"](count=3)], scorers[:2],
                    out=files / str(n))
        for n in (1, 2)
    ]  # fmt: skip
    assert {(m.task, m.scorer): m.value for m in runs[1].metrics()} == {
        ("talks", "thanks"): 2.0,
        ("talks", "thanks@word-x"): 0.0,
    }
    made = empeval.compare(files / "1", str(files / "2"), metrics=["thanks"])
    assert [d.change.value for d in made.differences if d.scorer == "thanks"] == [1.0]
    if importlib.util.find_spec("pandas"):
        table = made.to_pandas().set_index("scorer")
        assert table.loc["thanks", "change.value"] == 1.0
        assert table.loc["thanks", "sides.base.mean"] == 1.0


def test_a_cell_that_is_typed_anew_is_a_changed_scorer(files):
    for factor in (1, 2):
        cell: dict = {"__name__": "__main__"}
        exec(SCORER.replace(".count(word)", f".count(word) * {factor}"), cell)
        made = empeval.run(files / "my_model.py", [files / "my_task.py"], [cell["thanks"]],
                           out=files / "a")  # fmt: skip
        assert [m.value for m in made.metrics()] == [float(factor)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"scorers": [len]}, "is no scorer: give its name, FILE.py:NAME, or a Scorer"),
        ({"scorers": [lambda sample: 1]}, "Put @empeval.scorer on it"),
        ({"tasks": [7]}, "7 is no task"),
        ({"tasks": [empeval.Scorer]}, "is no task"),
        ({"model": 3}, "3 is no generator"),
    ],
)
def test_objects_of_another_kind_are_refused(tmp_path, given, sentence):
    with pytest.raises(UsageError, match=r"no (scorer|task|generator)") as caught:
        empeval.run(**{"model": "human:", "tasks": ["ed-mini"], "out": tmp_path / "r"} | given)
    assert sentence in str(caught.value)


def test_results_become_long_tables(files):
    pandas = pytest.importorskip("pandas")
    run = empeval.run(str(files / "my_model.py"), [str(files / "my_task.py")], out=files / "a")
    table = run.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert list(table["item"]) == ["1", "dog-1"]
    assert set(table["value_name"]) == {"thanks"}
    assert table["value"].mean() == run.metrics()[0].value
    assert list(table["cluster"]) == ["1", "pets"]


def test_without_pandas_a_table_says_what_to_install(files, monkeypatch):
    run = empeval.run(str(files / "my_model.py"), [str(files / "my_task.py")], out=files / "a")
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'empeval\[pandas\]'"):
        run.to_pandas()
