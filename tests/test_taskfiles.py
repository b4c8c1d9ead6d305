"""A task is one YAML file, and what is wrong with it is said with its line."""

from __future__ import annotations

import json
import textwrap

import pytest

from empeval import DataError, Message, Run, Sampling, UsageError, registry
from empeval.testing import TaskContract

WHOLE = """
name: what-happened
version: "1"
summary: Replies to what happened.
license: CC0-1.0
data: {file: stories.csv}
columns:
  id: number
  cluster: dialogue
  reference: reply
  target: {emotion: feeling}
  metadata: {who: name}
system: Answer in one sentence.
prompt: |
  {{ name }} says:
  {{ story }}
scorers: [surface]
metrics:
  - {name: words_strict, scorer: surface, value: words, failed_as: 0, scale: 2}
sampling: {max_tokens: 40, stop: ["\\n"]}
"""
SHORT = """
version: "1"
summary: s
license: l
data: {file: rows.jsonl}
prompt: "{{ text }}"
"""
ROWS = [
    ("1", "My dog died.", "So sorry.", "a", "sad", "Ann"),
    ("2", "I got the job!", "Wow, thank you.", "b", "joyful", "Bo"),
    ("3", "He never called.", "That hurts.", "b", "sad", "Ann"),
]


@pytest.fixture
def folder(tmp_path):
    """A folder with a task's file and its rows."""
    lines = ["number,story,reply,dialogue,feeling,name"]
    lines += [",".join(f'"{cell}"' for cell in row) for row in ROWS]
    (tmp_path / "stories.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "rows.jsonl").write_text('{"text": "Hello."}\n{"text": "Bye."}\n')
    (tmp_path / "t.yaml").write_text(WHOLE.lstrip())
    return tmp_path


def made(path):
    """The task in a file."""
    return registry.build(registry.resolve("tasks", str(path))[1], {}, label="the task")


def written(folder, text):
    (folder / "t.yaml").write_text(textwrap.dedent(text).lstrip())
    return folder / "t.yaml"


class TestContract(TaskContract):
    @pytest.fixture
    def task(self, folder):
        return made(folder / "t.yaml")


def test_rows_become_items_as_the_columns_say(folder):
    task = made(folder / "t.yaml")
    items = list(task.items())
    assert [item.id for item in items] == ["1", "2", "3"]
    assert [item.cluster for item in items] == ["a", "b", "b"]
    assert items[0].messages == (
        Message("system", "Answer in one sentence."),
        Message("user", "Ann says:\nMy dog died."),
    )
    assert items[1].reference == "Wow, thank you."
    assert (items[1].target, items[1].metadata) == ({"emotion": "joyful"}, {"who": "Bo"})
    assert task.card.provides == ("reply", "reference", "emotion")
    assert task.card.sampling == Sampling(max_tokens=40, stop=("\n",))


def test_it_runs_and_gives_its_own_metrics(cli, folder):
    found = cli("run", "--model", "human:", "--tasks", "t.yaml", "--out", "run")
    assert found.code == 0, found.err
    values = {(m.scorer, m.metric): m.value for m in Run(folder / "run").metrics()}
    words = [len(reply.split()) for _, _, reply, *_ in ROWS]
    assert values["surface", "words"] == pytest.approx(sum(words) / 3)
    assert values["", "words_strict"] == pytest.approx(2 * sum(words) / 3)
    assert Run(folder / "run").manifest.tasks["what-happened"].n_clusters == 2


def test_its_own_metrics_stay_when_another_scorer_scores(cli, folder):
    assert cli("run", "--model", "human:", "--tasks", "t.yaml", "--out", "run").code == 0
    before = [m for m in Run(folder / "run").metrics() if not m.scorer]
    (folder / "s.py").write_text("import empeval\n@empeval.scorer\ndef f(sample):\n    return 1\n")
    assert cli("score", "run", "--scorers", "s.py").code == 0
    after = Run(folder / "run").metrics()
    assert [m for m in after if not m.scorer] == before
    assert {m.scorer for m in after} == {"", "surface", "f"}


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "hub"])
def test_rows_come_from_any_source(folder, form, monkeypatch):
    rows = [{"text": "Hello.", "n": 1}, {"text": "Bye.", "n": 2}]
    where = folder / "org" / "name"
    where.mkdir(parents=True)
    if form == "csv":
        (where / "rows.csv").write_text("text,n\nHello.,1\nBye.,2\n")
    elif form == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), where / "rows.parquet")
    else:
        (where / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("EMPEVAL_DATA", str(folder))
    source = {"hub": "{hub: org/name, files: [rows.jsonl]}"}.get(
        form, f"{{file: org/name/rows.{form}}}"
    )
    text = SHORT.replace("{file: rows.jsonl}", source) + "columns: {id: n}\n"
    items = list(made(written(folder, text)).items())
    assert [(i.id, i.messages[0].content) for i in items] == [("1", "Hello."), ("2", "Bye.")]


def test_messages_in_the_place_of_a_prompt_make_a_dialogue(folder):
    text = SHORT.replace('prompt: "{{ text }}"\n', "") + (
        "messages:\n"
        "- {role: user, content: Hello.}\n"
        "- {role: assistant, content: 'Yes?'}\n"
        "- {role: user, content: '{{ text | upper }}'}\n"
    )
    (first, _) = made(written(folder, text)).items()
    assert [(m.role, m.content) for m in first.messages] == [
        ("user", "Hello."), ("assistant", "Yes?"), ("user", "HELLO."),
    ]  # fmt: skip


WRONG = {
    "not yaml": ("version: [1\nsummary: x", "t.yaml, line 2: expected ',' or ']'"),
    "a list": ("- a\n- b", "t.yaml, line 1: this must be 'name: value' lines"),
    "empty": ("", "t.yaml, line 1: this must be"),
    "a missing field": ("version: '1'\nsummary: x\nlicense: y", "line 1: lacks 'data'"),
    "an unknown field": (SHORT + "promt: x", "line 6: there is no 'promt' here. Did you mean"),
    "an unknown field inside": (
        SHORT + "columns:\n  id: a\n  refrence: b", "line 8: there is no 'refrence' here. Did you",
    ),
    "a number for a text": (SHORT.replace('"1"', "1"), "line 1: 'version' makes no sense"),
    "no for a text": (SHORT + "language: no", "line 6: 'language' makes no sense: Expected `str`"),
    "a text for a list": (SHORT + "scorers: surface", "line 6: 'scorers' makes no sense"),
    "an unknown decoding": (SHORT + "sampling: {max_token: 3}", "there is no 'max_token' here"),
    "a key twice": (SHORT + "license: m", "line 6: 'license' stands in line 3 already"),
    "an object": (SHORT + "citation: !!python/name:os.system", "line 6: could not determine a con"),
    "an alias": ("a: &x 1\nb: *x", "line 1: anchors and aliases"),
    "two sources": (
        SHORT.replace("{file: rows.jsonl}", "{file: a, hub: b}"), "line 4: give 'file' or 'hub'",
    ),
    "a hub without files": (
        SHORT.replace("{file: rows.jsonl}", "{hub: a/b}"), "line 4: 'hub' needs 'files'",
    ),
    "no prompt": (SHORT.replace("prompt:", "system:"), "give 'prompt' or 'messages'"),
    "a bad name": (SHORT + "name: a/b", "line 6: 'name' makes no sense"),
    "no template": (
        SHORT.replace('"{{ text }}"', "|\n  One\n  {{ text }\n  Two"), "t.yaml, line 7: unexpected",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_file_that_makes_no_sense_is_refused_with_the_line(folder, text, sentence):
    path = written(folder, text)
    with pytest.raises(DataError) as caught:
        made(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


ROWS_WRONG = {
    "no such column": (SHORT + "columns: {cluster: dialogue}", "line 6: row 1 of the data has no"),
    "no such column in a target": (
        SHORT + "columns:\n  target:\n    emotion: txt", "line 8: row 1 of the data has no column "
        "'txt'. Did you mean 'text'?",
    ),
    "no such variable": (
        SHORT.replace("{{ text }}", "{{ txet }}"), "line 5: row 1: 'txet' is undefined. Did you",
    ),
    "no file": (SHORT.replace("rows.jsonl", "gone.jsonl"), "line 4: "),
    "a broken file": (SHORT.replace("rows.jsonl", "bad.jsonl"), "bad.jsonl, line 2: not valid"),
    "a reference that is no text": (
        SHORT.replace("rows.jsonl", "numbers.jsonl") + "columns: {reference: n}", "item 1: Expect",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), ROWS_WRONG.values(), ids=ROWS_WRONG.keys())
def test_rows_that_do_not_fit_are_refused_with_both_lines(folder, text, sentence):
    (folder / "bad.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (folder / "numbers.jsonl").write_text('{"text": "a", "n": 4}\n')
    task = made(written(folder, text))
    with pytest.raises(DataError) as caught:
        list(task.items())
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ row.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ row.update({'text': 1}) }}",
    ],
)
def test_a_template_reaches_nothing_but_its_row(folder, template):
    text = SHORT.replace('"{{ text }}"', json.dumps(template))
    with pytest.raises(DataError, match=r"t\.yaml, line 5"):
        list(made(written(folder, text)).items())


def test_deep_nesting_is_refused_and_does_not_end_the_process(folder):
    with pytest.raises(DataError, match="line 1: nested more than 40 deep"):
        made(written(folder, "a: " + "[" * 20_000))


def test_the_schema_accepts_what_is_read_and_refuses_what_is_not(cli):
    import yaml

    jsonschema = pytest.importorskip("jsonschema")
    found = cli("schema", "task")
    assert found.code == 0
    validator = jsonschema.Draft202012Validator(json.loads(found.out))
    for text in (WHOLE, SHORT):
        validator.validate(yaml.safe_load(text))
    for text in (SHORT + "promt: x", SHORT + "sampling: {max_token: 3}", SHORT + "name: a/b"):
        assert not validator.is_valid(yaml.safe_load(text)), text


def test_a_changed_file_is_another_run_spec(cli, folder):
    words = ("run", "--model", "human:", "--tasks", "t.yaml", "--out", "run")
    assert cli(*words).code == 0
    (folder / "t.yaml").write_text(WHOLE + "# a remark\n")
    found = cli(*words)
    assert found.code == 2
    assert "what-happened version: 1+" in found.err


def test_options_and_targets_that_a_file_does_not_have_are_refused(folder):
    for text, sentence in (("t.yaml:x", "leave ':x' out"), ("gone.yaml", "cannot be read")):
        with pytest.raises(UsageError, match=sentence):
            made(folder / text)
    cls = registry.resolve("tasks", str(folder / "t.yaml"))[1]
    with pytest.raises(UsageError, match="It takes no options"):
        registry.build(cls, {"a": "1"}, label="task 't'")
