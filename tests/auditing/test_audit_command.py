"""``empeval audit`` from the command line: files, going on, bad input, the page."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from support.command import finish, start
from support.rated_rows import rows, write

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--no-cost", "--trials", "40")


@pytest.fixture(autouse=True)
def no_similarity(monkeypatch):
    """The rival of sentence embeddings is tried once; elsewhere it would only take time."""
    monkeypatch.setattr("empeval.auditing.rivals.playing", lambda role: ["not-installed"])


@pytest.fixture
def mine(tmp_path):
    return write(tmp_path / "mine.jsonl", rows(120, raters=2))


def read(path):
    return json.loads(Path(path).read_text())


def without_time(certificate):
    return {key: value for key, value in certificate.items() if key != "made"}


def test_an_audit_prints_tables_that_fit_and_leaves_its_files(cli, biased, mine, tmp_path):
    outcome = cli("audit", "marks", "sorry-counter", "--ratings", str(mine), *QUICK)
    assert outcome.code == 0, outcome.err
    assert "marks: agrees with people: Spearman " in outcome.out
    assert "on 120 replies rated 1-5" in outcome.out
    assert "FAILED a stranger's reply" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
    folder = tmp_path / "empeval-audits"
    assert (folder / "audit.html").is_file()
    for name in ("marks", "sorry-counter"):
        audit = read(folder / name / "audit.json")
        assert (audit["scorer"], audit["primary"]) == (name, "empathy")
        (agreement,) = audit["agreements"]
        assert agreement["spearman"]["n"] == 120
        assert agreement["spearman"]["clusters"] == 60
        assert agreement["ceiling"]["n"] == 120
        assert {"length", "sorry", "random"} <= set(agreement["rivals"])
        markdown = (folder / name / "audit.md").read_text()
        assert "## What can fool it" in markdown


def test_the_record_is_of_the_schema(cli, biased, mine, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    assert cli("audit", "marks", "--ratings", str(mine), *QUICK).code == 0
    schema = json.loads(cli("schema", "audit").out)
    jsonschema.validate(read(tmp_path / "empeval-audits" / "marks" / "audit.json"), schema)


def test_a_finished_audit_is_printed_without_asking_the_scorer(
    cli, biased, mine, tmp_path, monkeypatch
):
    command = ("audit", "marks", "--ratings", str(mine), *QUICK)
    first = cli(*command)
    from support.biased import Marks

    with monkeypatch.context() as patch:
        patch.setattr(Marks, "score", lambda *_: pytest.fail("it was asked again"))
        assert cli(*command).out == first.out
    # what was asked otherwise is answered anew
    assert "on 60 replies" in cli(*command, "--limit", "60").out


def test_scores_of_another_version_are_not_taken(cli, biased, mine, tmp_path, monkeypatch):
    command = ("audit", "marks", "--ratings", str(mine), *QUICK)
    cli(*command)
    import msgspec
    from support.biased import Marks

    monkeypatch.setattr(Marks, "card", msgspec.structs.replace(Marks.card, version="2"))
    monkeypatch.setattr(Marks, "of", lambda self, sample: 1.0 + len(sample.text) % 5)
    cli(*command)
    audit = read(tmp_path / "empeval-audits" / "marks" / "audit.json")
    assert audit["version"] == "2"
    lines = (tmp_path / "empeval-audits" / "scores" / "marks.jsonl").read_text().splitlines()
    assert len({json.loads(line)["judge"] for line in lines}) == 2


def test_fresh_forgets_what_was_kept(cli, biased, mine, tmp_path, monkeypatch):
    command = ("audit", "marks", "--ratings", str(mine), *QUICK)
    cli(*command)
    before = read(tmp_path / "empeval-audits" / "marks" / "audit.json")
    from support.biased import Marks

    monkeypatch.setattr(Marks, "of", lambda self, sample: 1.0 + len(sample.text) % 5)
    cli(*command, "--fresh")
    after = read(tmp_path / "empeval-audits" / "marks" / "audit.json")
    assert after["agreements"][0]["spearman"] != before["agreements"][0]["spearman"]


def test_an_audit_killed_in_the_middle_goes_on_to_the_same_end(biased_folder, tmp_path):
    mine = write(tmp_path / "mine.jsonl", rows(40))
    command = ("audit", "slow-marks", "--ratings", str(mine), *QUICK)
    # embeddings would only take time here
    where = {"folder": tmp_path, "path": [biased_folder]}
    where["EMPEVAL_DISABLE_PLUGINS"] = "empeval/similarity"
    process = start(*command, "--out", "killed", **where, SLOW_MARKS="0.01")
    scores = tmp_path / "killed" / "scores" / "slow-marks.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if scores.exists() and scores.read_bytes().count(b"\n") >= 150:
            break
        time.sleep(0.02)
    process.kill()
    process.communicate()
    kept = scores.read_bytes()
    assert kept.count(b"\n") >= 150
    assert not (tmp_path / "killed" / "slow-marks" / "audit.json").exists()
    scores.write_bytes(kept + b'{"key": "torn')
    for out in ("killed", "whole"):
        outcome = finish(start(*command, "--out", out, **where))
        assert outcome.code == 0, outcome.err
    assert scores.read_bytes().startswith(kept)
    killed, whole = (
        without_time(read(tmp_path / out / "slow-marks" / "audit.json"))
        for out in ("killed", "whole")
    )
    assert killed == whole
    whole_scores = (tmp_path / "whole" / "scores" / "slow-marks.jsonl").read_text()
    assert sorted(scores.read_text().splitlines()) == sorted(whole_scores.splitlines())


def test_without_ratings_trials_are_made_on_our_own_replies(cli, biased, monkeypatch):
    monkeypatch.delenv("EMPEVAL_RATINGS", raising=False)
    outcome = cli("audit", "marks", *QUICK)
    assert outcome.code == 0, outcome.err
    assert "agreement with people not measured, flattery " in outcome.out
    assert "invariance 4 of 4 passed" in outcome.out


def test_agreement_alone_asks_about_the_rated_replies_and_says_that_nothing_was_tried(
    cli, biased, mine, tmp_path
):
    outcome = cli("audit", "marks", "--ratings", str(mine), "--trials", "0")
    assert outcome.code == 0, outcome.err
    assert "nothing was tried to fool it" in outcome.out.replace("\n", " ")
    folder = tmp_path / "empeval-audits"
    alone = read(folder / "marks/audit.json")
    assert alone["trials"] == []
    assert alone["peak_memory_mb"] is None
    assert len((folder / "scores/marks.jsonl").read_text().splitlines()) == 120
    assert cli("audit", "marks", "--ratings", str(mine), *QUICK).code == 0
    whole = read(folder / "marks/audit.json")
    assert whole["trials"]
    assert alone["agreements"] == whole["agreements"]
    refused = cli("audit", "marks", "--trials", "0")
    assert refused.code == 2
    assert "--trials 0 measures agreement alone" in refused.err


def test_a_folder_of_ratings_may_stand_in_the_environment(cli, biased, mine, monkeypatch):
    monkeypatch.setenv("EMPEVAL_RATINGS", str(mine.parent))
    assert "on 120 replies" in cli("audit", "marks", *QUICK).out


def test_what_is_wrong_is_said_in_a_sentence(cli, biased, tmp_path):
    for arguments, reason in (
        (("audit",), "Name a scorer to audit"),
        (("audit", "nobody"), "Unknown scorer 'nobody'"),
        (("audit", "eqbench"), "needs eqbench of a task's items"),
        (("audit", "marks", "--ratings", "nowhere.csv"), "no file or folder nowhere.csv"),
        (("audit", "marks", "--map", "x"), "not of the form key=value"),
    ):
        outcome = cli(*arguments)
        assert outcome.code == 2, arguments
        assert reason in outcome.err
    assert not (tmp_path / "empeval-audits").exists()


def test_ratings_that_say_nothing_leave_the_trials(cli, biased, tmp_path):
    same = [{**row, "rating": 3} for row in rows(40)]
    path = write(tmp_path / "same.jsonl", same)
    outcome = cli("audit", "marks", "--ratings", str(path), *QUICK)
    assert outcome.code == 0, outcome.err
    assert "all 40 ratings are 3; nothing to agree with" in " ".join(outcome.out.split())


def test_a_second_audit_into_the_same_folder_waits_its_turn(cli, biased, tmp_path):
    from empeval.workspace import locked

    with locked(tmp_path / "audits"):
        outcome = cli("audit", "marks", "--out", "audits", *QUICK)
    assert outcome.code == 2
    assert "Another empeval is writing to audits" in outcome.err


def test_a_rival_that_cannot_be_loaded_is_left_out_with_its_reason(cli, biased, mine):
    outcome = cli("audit", "marks", "--ratings", str(mine), *QUICK)
    assert "the rival 'not-installed' is left out: Unknown scorer" in outcome.err
    assert "similarity" not in outcome.out


def test_layouts_are_listed_without_a_scorer(cli):
    out = cli("audit", "--list-ratings").out
    for name in ("epitome", "condolence", "esconv-feedback", "(your own)"):
        assert name in out
    listed = json.loads(cli("audit", "--list-ratings", "--format", "json").out)
    assert {"rated set", "columns", "what"} == set(listed[0])


def test_json_holds_the_certificates(cli, biased, mine):
    outcome = cli("audit", "marks", "--ratings", str(mine), *QUICK, "--format", "json")
    (certificate,) = json.loads(outcome.out)
    assert certificate["scorer"] == "marks"


EVIL = "<img src=x onerror=alert(1)>|`*\x1b[31m"


def test_names_of_files_and_columns_reach_page_and_terminal_as_text(cli, biased, tmp_path):
    lines = [{**row, "system": f"{EVIL}{row['system']}"} for row in rows(80)]
    path = write(tmp_path / f"{EVIL.replace('/', '')}.jsonl", lines)
    outcome = cli("audit", "marks", "--ratings", str(path), *QUICK)
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out
    page = (tmp_path / "empeval-audits" / "audit.html").read_text()
    assert "<img" not in page
    assert "&lt;img" in page
    assert "Content-Security-Policy" in page
    assert "<script" not in page
    markdown = (tmp_path / "empeval-audits" / "marks" / "audit.md").read_text()
    assert "<img" not in markdown.replace("\\<img", "")
    assert "\x1b" not in markdown


def test_the_page_needs_nothing_else_and_has_every_scorer(cli, biased, mine, tmp_path):
    cli("audit", "marks", "sorry-counter", "--ratings", str(mine), *QUICK)
    page = (tmp_path / "empeval-audits" / "audit.html").read_text()
    assert not re.search(r'(src|href)="(?!#)', page.replace("xlink:", ""))
    assert page.count("<svg") == 3  # one of the rated set, one of each scorer's trials
    for name in ("marks", "sorry-counter"):
        assert f'">{name}</h2>' in page


def test_the_example_of_the_document_is_what_comes_out(cli, tmp_path):
    document = (ROOT / "docs" / "auditing.md").read_text()
    table = re.search(r"```csv\n(.*?)```", document, re.DOTALL)[1]
    command = re.search(r"^    empeval (audit surface .*)$", document, re.MULTILINE)[1]
    shown = re.search(r"```text\n(.*?)```", document, re.DOTALL)[1]
    (tmp_path / "mine.csv").write_text(table)
    outcome = cli(*command.split())
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(shown)
