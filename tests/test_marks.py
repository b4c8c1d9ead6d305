"""What is known of a scorer's agreement with people stands beside its metrics, and only its own."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from support.answers import write_answers
from support.audited import certificate, tiny_judges
from support.command import finish, python, start

from empeval import Run
from empeval.certificates import OTHER_CHECKPOINT, OTHER_VERSION
from empeval.schemas import schema

AGREES = (
    "warm: agrees with people: Spearman .31 [.25, .37] on 1,200 replies rated 1-3, "
    "nothing was tried to fool it; its warmth against kindness in made-up"
)
HEADING = "agreement with people:"


@pytest.fixture
def judges(tmp_path, install):
    """Installs the tiny scorers; ``warm`` and ``newer`` have a certificate of version 1."""

    def make(**certificates):
        known = {"warm": certificate(), "newer": certificate()} | certificates
        folder = tiny_judges(tmp_path / "site", known)
        install(folder)
        return folder

    return make


@pytest.fixture
def dialogues(tmp_path):
    """Writes a file of dialogues: replies, or pairs of context and reply."""

    def write(replies, name="talks.jsonl"):
        lines = []
        for number, reply in enumerate(replies):
            context, text = reply if isinstance(reply, tuple) else ("My cat is ill.", reply)
            lines.append({"id": str(number), "context": [context], "response": text})
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return name

    return write


FINE = ["I am so sorry.", "Oh no, I am sorry to hear that.", "What is wrong with it?"]


def listed(out):
    """The lines under the heading, without their indentation."""
    _, _, after = out.partition(HEADING + "\n")
    return [line.removeprefix("  ") for line in after.partition("\n\n")[0].splitlines()]


def test_scoring_prints_a_line_a_judge_and_none_for_what_only_describes(cli, judges, dialogues):
    judges()
    scorers = "warm,unknown,newer,plain,surface"
    found = cli("score", dialogues(FINE), "--scorers", scorers, "--out", "run")
    assert found.code == 0, found.err
    lines = [AGREES, "unknown: not audited", f"newer: {OTHER_VERSION}"]
    assert listed(found.out) == lines
    assert listed(cli("show", "run").out) == lines


def test_a_formula_of_a_task_has_no_line(cli, judges):
    judges()
    asked = ("run", "--model", "human:", "--limit", "3", "--out", "run")
    found = cli(*asked, "--tasks", "ed-mini", "--scorers", "warm,plain")
    assert listed(found.out)[0] == AGREES
    assert "plain:" not in found.out
    write_answers(Path("answers.jsonl"), {"1": "I cannot say."})
    words = ("run", "--model", "replay:answers.jsonl", "--tasks", "eqbench-mini", "--out", "eq")
    found = cli(*words)
    assert "eqbench_v2" in found.out
    assert HEADING not in found.out
    audits = json.loads(cli("show", "eq", "--format", "json").out)["audits"]
    assert [mark["audit"]["audited"] for mark in audits] == [None]


def test_another_checkpoint_never_borrows_a_certificate(cli, judges, dialogues, tmp_path):
    judges()
    (tmp_path / "other.txt").write_text("theirs")
    (tmp_path / "same.txt").write_text("ours")
    words = ("score", dialogues(FINE), "--out", "run", "--scorers")
    found = cli(*words, "warm,warm:other.txt,warm:same.txt")
    assert found.code == 0, found.err
    own, other, same = listed(found.out)
    assert own == AGREES
    assert other == f"warm@other.txt: {OTHER_CHECKPOINT}"
    assert same == AGREES.replace("warm:", "warm@same.txt:", 1)


def test_scoring_again_with_other_weights_takes_the_line_away(cli, judges, dialogues, tmp_path):
    judges()
    long = ["I am so sorry " * 5] * 3
    assert cli("score", dialogues(long), "--scorers", "warm", "--out", "run").code == 0
    assert len(Run("run").manifest.warnings) == 1
    (tmp_path / "weights.txt").write_text("theirs")
    found = cli("score", "run", "--scorers", "warm")
    assert listed(found.out) == [f"warm: {OTHER_CHECKPOINT}"]
    assert ".31" not in (tmp_path / "run" / "run.json").read_text()
    assert Run("run").manifest.warnings == []
    (tmp_path / "weights.txt").unlink()
    for _ in range(2):
        again = cli("score", "run", "--scorers", "warm")
        assert listed(again.out)[0] == AGREES
    assert len(Run("run").manifest.warnings) == 1


def test_metrics_that_are_kept_keep_their_line(cli, judges, dialogues):
    judges()
    cli("score", dialogues(FINE), "--scorers", "warm", "--out", "run")
    assert listed(cli("score", "run", "--scorers", "unknown").out) == [
        AGREES,
        "unknown: not audited",
    ]


def test_a_run_folder_is_read_without_the_plugin(cli, dialogues, tmp_path):
    site = tiny_judges(tmp_path / "site", {"warm": certificate()})
    talks = dialogues(FINE * 4)
    for name in ("a", "b"):
        words = ("score", talks, "--scorers", "warm", "--out", name)
        done = finish(start(*words, folder=tmp_path, path=[site]))
        assert done.code == 0, done.err
    (tmp_path / "gate.toml").write_text('[[headline]]\nmetric = "warmth"\nmargin = 1.0\n')
    gate = ("gate", "b", "--baseline", "a", "--policy", "gate.toml")
    for command in (("show", "a"), ("compare", "a", "b"), gate):
        assert AGREES in listed(cli(*command).out), command
    assert cli("export", "a", "--out", "tables", "--format", "csv").code == 0
    assert AGREES in (tmp_path / "tables" / "about.csv").read_text()
    assert cli("report", "a", "b", "-o", "report.html").code == 0
    assert AGREES.partition(": ")[2] in (tmp_path / "report.html").read_text()


def test_what_is_written_fits_the_schema_and_old_folders_are_read(cli, judges, dialogues, tmp_path):
    judges()
    long = ["I am so sorry " * 5] * 3
    cli("score", dialogues(long), "--scorers", "warm,unknown,plain", "--out", "run")
    file = tmp_path / "run" / "run.json"
    manifest = json.loads(file.read_text())
    jsonschema.validate(manifest, schema("run"))
    marks = manifest["audits"]["dialogues"]
    assert {name: mark["audited"] for name, mark in marks.items()} == {
        "warm": True, "unknown": False, "plain": None,
    }  # fmt: skip
    assert marks["warm"]["values"] == ["warmth"]
    del manifest["audits"]
    file.write_text(json.dumps(manifest))
    jsonschema.validate(manifest, schema("run"))
    for verb in (("show", "run"), ("compare", "run", "run"), ("report", "run", "-o", "r.html")):
        found = cli(*verb)
        assert found.code == 0, found.err
        assert HEADING not in found.out
    again = cli("score", "run", "--scorers", "warm")
    assert listed(again.out)[0] == AGREES


def words(count):
    return " ".join(["sorry"] + ["the"] * (count - 1))


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ([5] * 8 + [9] * 2, None),  # a fifth is not more than a fifth
        ([2] * 5 + [8] * 5, None),  # the ends are inside
        ([5] * 7 + [9] * 3, "30 % of these have more"),
        ([5] * 7 + [1] * 3, "30 % of these have fewer"),
        ([5] * 6 + [9] * 3 + [1], "30 % of these have more and 10 % of these have fewer"),
    ],
)
def test_replies_of_other_lengths_are_remarked_on(cli, judges, dialogues, lengths, said):
    judges()
    talks = dialogues([words(n) for n in lengths])
    found = cli("score", talks, "--scorers", "warm,unknown", "--out", "run")
    expected = []
    if said:
        expected = [f"dialogues: warm was audited on replies of 2 to 8 words; {said}."]
    assert Run("run").manifest.warnings == expected
    for out in (found.out, cli("show", "run").out, cli("compare", "run", "run").out):
        shown = [line for line in out.splitlines() if "was audited on" in line]
        assert len(shown) == len(expected)
        assert all(one in line for one, line in zip(expected, shown, strict=True))


def test_replies_that_have_no_score_do_not_count_in_lengths(cli, judges, dialogues):
    judges()
    cli("score", dialogues([words(5)] * 3 + [""] * 5), "--scorers", "warm", "--out", "run")
    assert Run("run").manifest.warnings == []


def test_contexts_and_languages_of_another_kind_are_remarked_on(cli, judges, dialogues):
    domain = {"words": [1, 5, 80], "context_words": [1, 4, 9.5], "language": "en"}
    judges(warm=certificate(domain=domain))
    talk = "My cat is ill and I do not know what to do."
    german = "Das tut mir wirklich leid für dich."
    talks = dialogues([("My cat is ill.", german)] * 2 + [(talk, german), (talk, FINE[0])])
    cli("score", talks, "--scorers", "warm", "--out", "run")
    assert Run("run").manifest.warnings == [
        "dialogues: warm was audited on contexts of 1 to 9.5 words; 50 % of these have more.",
        "dialogues: warm was audited on English; 75 % of these replies do not look it.",
    ]


HOSTILE = "\x1b[2Jwarmth\x9b31m\u202e\n<script>alert(1)</script>|`*[x](y)" + "long " * 200


@pytest.mark.parametrize("form", ["table", "md", "json"])
def test_what_a_certificate_says_is_text_on_a_terminal(cli, judges, dialogues, form):
    evil = certificate()
    evil["agreements"][0] |= {"value": HOSTILE, "dimension": HOSTILE, "rated_set": HOSTILE}
    judges(warm=evil | {"primary": HOSTILE})
    command = ("score", dialogues(FINE), "--scorers", "warm", "--out", "run", "--format", form)
    cli(*command)
    for out in (cli("show", "run", "--format", form).out, cli("compare", "run", "run").out):
        assert not set(out) & {"\x1b", "\x9b", "\u202e"}
        assert max(map(len, out.splitlines())) < 3000
    if form == "md":
        out = cli("show", "run", "--format", "md").out
        assert "<script>" not in out.replace("\\<", "")


def test_a_folder_that_somebody_changed_is_shown_as_text(cli, judges, dialogues, tmp_path):
    judges()
    cli("score", dialogues(FINE), "--scorers", "warm", "--out", "run")
    file = tmp_path / "run" / "run.json"
    manifest = json.loads(file.read_text())
    manifest["audits"]["dialogues"]["warm"] = {
        "audited": True, "line": HOSTILE, "values": [HOSTILE], "warnings": [HOSTILE],
    }  # fmt: skip
    file.write_text(json.dumps(manifest))
    out = cli("show", "run").out
    assert "warmth" in out
    assert not set(out) & {"\x1b", "\x9b", "\u202e"}
    assert cli("report", "run", "-o", "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_certificate_that_cannot_be_read_is_none(cli, judges, dialogues):
    judges(warm='{"scorer": ')
    found = cli("score", dialogues(FINE), "--scorers", "warm", "--out", "run")
    assert listed(found.out) == ["warm: not audited"]


def test_the_list_says_who_is_audited_and_imports_nobody(tmp_path):
    site = tiny_judges(tmp_path / "site", {"warm": certificate()})
    code = (
        "import sys\nfrom empeval.cli import main\n"
        "main(['list', 'scorers', '--format', 'json'])\nsys.stdout.flush()\n"
        "print('tiny_judges' in sys.modules, file=sys.stderr)\n"
    )
    found = python(code, folder=tmp_path, path=[site])
    assert found.err.strip() == "False"
    rows = {row["name"]: row["audited"] for row in json.loads(found.out)}
    assert rows["warm"] == "yes"
    assert rows["unknown"] == "no"
