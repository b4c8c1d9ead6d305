"""Folders are counted against their manifest; what failed is said, and asked again."""

from __future__ import annotations

import csv
import json

import pytest
from support import leaving
from support.distributions import make_distribution
from support.made_runs import make_run, normal

import empeval
from empeval import Response, Run, Score
from empeval.comparing.two import compare

COUNT = 40
GATE = 'resamples = 200\n[[headline]]\nmetric = "warmth"\nmargin = 1.0\n'
ASK = ("run", "--model", "leaving:x", "--tasks", "leaving", "--scorers", "staying", "--out", "run")


@pytest.fixture
def pair(tmp_path):
    """Two runs that are alike, and a policy; returns their folders."""
    values = normal(COUNT, 1, 5)
    (tmp_path / "gate.toml").write_text(GATE)
    return [make_run(tmp_path / name, values) for name in ("base", "candidate")]


@pytest.fixture
def plugin(tmp_path, install):
    install(make_distribution(tmp_path / "site", "leaving-plugin", points=leaving.POINTS))
    leaving.where.clear()
    yield
    leaving.where.clear()


def edit(path, change):
    """Change the lines of a file."""
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


CUTS = {
    "answers deleted": (lambda run: run.responses_path("talks"), lambda x: x[:15]),
    "scores deleted": (lambda run: run.scores_path("talks", "warmth"), lambda x: x[:15]),
    "an answer twice": (lambda run: run.responses_path("talks"), lambda x: [*x, x[3]]),
    "a score twice": (lambda run: run.scores_path("talks", "warmth"), lambda x: [*x[:-1], x[3]]),
    "another id": (
        lambda run: run.scores_path("talks", "warmth"),
        lambda x: [*x[:-1], x[-1].replace('"id":"39"', '"id":"400"')],
    ),
    "no scores at all": (lambda run: run.scores_path("talks", "warmth"), lambda x: []),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("side", [0, 1])
def test_a_folder_that_is_not_what_it_says_is_refused_by_every_verb(cli, pair, cut, side):
    file, change = CUTS[cut]
    edit(file(pair[side]), change)
    base, candidate = (run.path for run in pair)
    for words in (
        ("compare", base, candidate),
        ("gate", candidate, "--baseline", base, "--policy", "gate.toml"),
        ("report", base, candidate, "-o", "report.html"),
        ("export", pair[side].path, "--out", "sheets", "--format", "csv"),
    ):
        found = cli(*words)
        assert found.code == 2, words
        assert f"{pair[side].path} says that it is complete and is not" in found.err
        assert "--partial" in found.err


def test_partial_takes_it_and_every_table_counts(cli, pair, tmp_path):
    edit(pair[1].responses_path("talks"), lambda x: x[:15])
    edit(pair[1].scores_path("talks", "warmth"), lambda x: x[:15])
    base, candidate = (run.path for run in pair)
    compared = cli("compare", base, candidate, "--partial")
    assert "talks: 15 of 40 items shared" in compared.out
    assert "15 of 40" in next(x for x in compared.out.splitlines() if "warmth.warmth" in x)
    gated = cli(
        "gate", candidate, "--baseline", base, "--policy", "gate.toml", "--partial",
        "--markdown", "gate.md", "--junit", "gate.xml",
    )  # fmt: skip
    assert gated.code in (3, 4), "25 of 40 items are not there"
    report = cli("report", base, candidate, "-o", "report.html", "--partial")
    sheets = cli("export", candidate, "--out", "sheets", "--format", "csv", "--partial")
    assert (compared.code, report.code, sheets.code) == (0, 0, 0)
    files = ("gate.md", "gate.xml", "report.html", "sheets/about.csv")
    texts = [(tmp_path / name).read_text(encoding="utf-8") for name in files]
    shown = cli("show", candidate).out
    for text in (compared.out, gated.out, shown, *texts):
        assert "15 of 40" in text


def test_of_a_doubled_item_neither_line_counts(pair):
    def doubled(lines):
        return [*lines, lines[3].replace("Answer 3.", "Another answer.")]

    edit(pair[1].responses_path("talks"), doubled)
    result = compare(*pair, partial=True, resamples=200)
    assert (result.tasks[0].shared, result.tasks[0].items) == (COUNT - 1, COUNT + 0)
    assert result.differences[0].change.n == COUNT - 1


def test_runs_of_other_items_are_compared_only_on_request(cli, tmp_path):
    base = make_run(tmp_path / "base", normal(30, 1))
    candidate = make_run(tmp_path / "few", normal(20, 1))
    found = cli("compare", base.path, candidate.path)
    assert found.code == 2
    assert "not the same items (10 only in base; --partial compares the shared)" in found.err
    partial = cli("compare", base.path, candidate.path, "--partial")
    assert partial.code == 0
    assert "talks: 20 of 30 items shared" in partial.out
    forced = cli("compare", base.path, candidate.path, "--force")
    assert forced.code == 0
    assert "FORCED: talks: not the same items" in forced.out


def test_two_models_are_said_whichever_lines_name_them(cli, tmp_path):
    run = make_run(tmp_path / "run", normal(COUNT, 1, 5))

    def named(lines):
        rows = [json.loads(line) for line in lines]
        for number, row in enumerate(rows):
            row["model"] = {0: None, 1: "first", 2: "second"}.get(number)
        rows[3] |= {"model": "third", "status": "error"}  # it gave no answer
        return [json.dumps(row) + "\n" for row in rows]

    edit(run.responses_path("talks"), named)
    shown = cli("show", run.path).out
    assert "the answers are not of one model (1 by first, 1 by second)" in shown


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(("count", "said"), [(1, False), (2, True)])
def test_many_failures_stand_above_every_table(cli, tmp_path, count, said):
    statuses = ["truncated"] * count + ["ok"] * (30 - count)
    values = normal(30, 1, 5)
    base = make_run(tmp_path / "base", values)
    run = make_run(tmp_path / "new", values, statuses=statuses)
    (tmp_path / "gate.toml").write_text(GATE)
    line = f"talks: {count} of 30 answers were cut or failed ({count} truncated)"
    shown = cli("show", run.path).out
    compared = cli("compare", base.path, run.path).out
    gated = cli("gate", run.path, "--baseline", base.path, "--policy", "gate.toml").out
    assert cli("report", run.path, "-o", "report.html").code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert cli("export", run.path, "--format", "csv", "--out", "sheets").code == 0
    with open(tmp_path / "sheets" / "about.csv", newline="") as file:
        about = [row for row in csv.reader(file) if row[0] == "notice"]
    for text in (shown, compared, gated, page, str(about)):
        assert (line in text) == said
    for text, table in ((shown, "95% interval"), (compared, "95% interval"), (gated, "check ")):
        assert not said or text.index(line) < text.index(table)
    assert not said or page.index(line) < page.index("<table")


@pytest.mark.usefixtures("plugin")
def test_a_task_without_a_single_answer_is_no_success(cli, monkeypatch):
    def generate(self, items, sampling):
        for item in items:
            yield Response(item.id, "", "error", note="the server \x1b[31mis away")

    with monkeypatch.context() as broken:
        broken.setattr(leaving.Voice, "generate", generate)
        for _ in range(2):  # the second time, too
            found = cli(*ASK)
            assert found.code == 1
            assert "leaving: 0 of 4 answers can be used. The first (0) is error" in found.err
            assert "the server \\x1b[31mis away" in found.err
            assert "0 of 4 answered (4 error)" in found.out
    again = cli(*ASK)
    assert again.code == 0
    assert "4 of 4 answered (4 ok)" in again.out


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("status", ["error", "refused", "unparsed"])
def test_a_scorer_that_scores_nothing_is_no_success_and_errors_are_tried_again(
    cli, monkeypatch, tmp_path, status
):
    asked = []

    def score(self, samples):
        asked.extend(s.id for s in samples)
        return [Score(s.id, status, note="not today") for s in samples]

    monkeypatch.setattr(leaving.Other, "score", score)
    found = cli(*ASK)
    assert found.code == 1
    said = f"0 of 4 answers got a score. The first (0) is {status}: not today"
    assert f"leaving, scorer staying: {said}" in found.err
    assert cli(*ASK).code == 1
    assert cli("score", "run", "--scorers", "staying").code == 1
    times = 3 if status == "error" else 1
    assert sorted(asked) == sorted("0123" * times)
    assert len(Run(tmp_path / "run").scores("leaving", "staying")) == 4


@pytest.mark.usefixtures("plugin")
def test_only_what_failed_is_asked_again(cli, monkeypatch, tmp_path):
    asked, scored = [], []
    broken = {"1", "2"}

    def generate(self, items, sampling):
        for item in items:
            asked.append(item.id)
            bad = item.id in broken - {"2"}
            yield Response(item.id, "" if bad else "Fine.", "error" if bad else "ok")

    def score(self, samples):
        scored.extend(s.id for s in samples)
        bad = {"2"} & broken
        return [
            Score(s.id, "error") if s.id in bad else Score(s.id, values={"length": 5.0})
            for s in samples
        ]

    monkeypatch.setattr(leaving.Voice, "generate", generate)
    monkeypatch.setattr(leaving.Other, "score", score)
    first = cli(*ASK)
    assert (first.code, sorted(asked), sorted(scored)) == (0, list("0123"), list("023"))
    assert "3 of 4 answered (1 error, 3 ok)" in first.out
    broken.clear()
    asked.clear()
    scored.clear()
    assert cli(*ASK).code == 0
    assert asked == ["1"]
    run = Run(tmp_path / "run")
    assert run.complete
    assert {s.status for s in run.scores("leaving", "staying")} == {"ok"}
    assert {m.n for m in run.metrics()} == {4}
    asked.clear()
    assert cli(*ASK).code == 0
    assert asked == []


@pytest.mark.usefixtures("plugin")
def test_an_answer_that_is_null_fails_alone(tmp_path):
    lines = [{"id": str(n), "response": None if n == 2 else "Fine."} for n in range(4)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = empeval.run(f"replay:{tmp_path}/a.jsonl", ["leaving"], ["staying"], out=tmp_path / "run")
    assert {line.id: line.status for line in run.responses("leaving")}["2"] == "error"
    (metric,) = run.metrics()
    assert (metric.n, metric.n_failed) == (3, 1)


@pytest.mark.parametrize("verb", ["compare", "gate", "score", "run", "report", "export"])
def test_answers_that_were_changed_after_they_were_scored_are_refused(cli, tmp_path, verb):
    asked = ("run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface")
    for name in ("base", "candidate"):
        assert cli(*asked, "--out", name).code == 0
    (tmp_path / "gate.toml").write_text('[[headline]]\nmetric = "words"\nmargin = 1.0\n')
    path = tmp_path / "candidate" / "responses" / "ed-mini.jsonl"
    edit(
        path,
        lambda lines: [line.replace('"response":"', '"response":"Get lost. ') for line in lines],
    )
    command = {
        "compare": ("compare", "base", "candidate", "--partial"),
        "gate": ("gate", "candidate", "--baseline", "base", "--policy", "gate.toml"),
        "score": ("score", "candidate", "--scorers", "surface"),
        "run": (*asked, "--out", "candidate"),
        "report": ("report", "base", "candidate", "-o", "page.html"),
        "export": ("export", "candidate", "--out", "sheets", "--format", "csv"),
    }[verb]
    outcome = cli(*command)
    assert outcome.code == 2
    assert "ed-mini.jsonl was changed after it was scored" in outcome.err
