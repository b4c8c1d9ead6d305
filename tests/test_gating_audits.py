"""Comparing and gating say what is known of the scorers; a policy may demand that it is known."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import jsonschema
import pytest
from support.made_runs import make_run, normal

from empeval.gating.passed import read_note
from empeval.runs import AuditMark
from empeval.schemas import schema

LINE = "agrees with people: Spearman .31 on 1,200 replies"
OUTSIDE = "warmth was audited on replies of 2 to 85 words; 61 % of these have more"
AUDITED = AuditMark(audited=True, line=LINE, values=("warmth",), warnings=(OUTSIDE,))
OF_ANOTHER_VALUE = AuditMark(audited=True, line=LINE, values=("kindness",))
NOT = AuditMark(audited=False, line="not audited")
FORMULA = AuditMark(audited=None)
POLICY = 'resamples = 300\n{}[[headline]]\nmetric = "warmth"\nmargin = 0.5\n'
REQUIRE = "require_audit = true\n"


@pytest.fixture
def run(tmp_path):
    def make(name, audit, shift=0.0, spread=0.1, **options):
        noise = normal(60, 2 + len(name), 0, spread)
        values = [b + shift + e for b, e in zip(normal(60, 1, 5), noise, strict=True)]
        make_run(tmp_path / name, values, audit=audit, **options)
        return name

    return make


@pytest.fixture
def gate(cli, tmp_path):
    def ask(base, candidate, extra="", *options):
        (tmp_path / "gate.toml").write_text(POLICY.format(extra))
        return cli("gate", candidate, "--baseline", base, "--policy", "gate.toml", *options)

    return ask


@pytest.mark.parametrize(
    ("base", "candidate", "shift", "plain", "required"),
    [
        (AUDITED, AUDITED, 0.0, 0, 0),
        (NOT, AUDITED, 0.0, 0, 0),  # the base was scored before the audit, by the same scorer
        (None, AUDITED, 0.0, 0, 0),
        (FORMULA, FORMULA, 0.0, 0, 0),
        (NOT, NOT, 0.0, 0, 4),
        (None, None, 0.0, 0, 4),  # folders of an older version
        (OF_ANOTHER_VALUE, OF_ANOTHER_VALUE, 0.0, 0, 4),
        (NOT, NOT, -2.0, 3, 3),  # a demand makes no gate milder
    ],
)
def test_a_policy_may_demand_an_audit(run, gate, base, candidate, shift, plain, required):
    one, other = run("base", base), run("candidate", candidate, shift)
    assert gate(one, other).code == plain
    found = gate(one, other, REQUIRE)
    assert found.code == required, found.out
    assert gate(one, other, REQUIRE + 'inconclusive = "pass"\n').code == required


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (NOT, "warmth: not audited."),
        (None, "does not say whether warmth is audited"),
        (OF_ANOTHER_VALUE, "was audited for kindness, not for warmth."),
    ],
)
def test_the_check_says_why_it_cannot_be_told(run, gate, mark, why):
    found = gate(run("base", mark), run("candidate", mark), REQUIRE, "--format", "json")
    (check,) = json.loads(found.out)["checks"]
    assert check["outcome"] == "inconclusive"
    assert "The policy requires an audit" in check["said"]
    assert why in check["said"]


@pytest.mark.parametrize(("base", "code"), [(AUDITED, 0), (NOT, 4), (None, 4)])
def test_a_forced_gate_lends_no_audit_to_another_version(run, gate, base, code):
    one = run("base", base, scorer_version="0")
    found = gate(one, run("candidate", AUDITED), REQUIRE, "--force")
    assert found.code == code, found.out


def test_every_document_of_a_gate_has_the_lines(run, gate, tmp_path):
    files = ("--junit", "gate.xml", "--markdown", "gate.md", "--json", "gate.json")
    found = gate(run("base", NOT), run("candidate", AUDITED), "", *files)
    said = [f"warmth, base: {NOT.line}", f"warmth, candidate: {LINE}"]
    warning = f"candidate, talks: {OUTSIDE}."
    assert all(f"  {line}\n" in found.out for line in [*said, f"warning: {warning}"])
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    values = [one.get("value") for one in suite.findall("properties/property[@name='audit']")]
    expected = [*(f"agreement with people, {line}" for line in said), f"warning: {warning}"]
    assert values == expected
    assert len(suite.findall("testcase")) == int(suite.get("tests"))
    comment = (tmp_path / "gate.md").read_text()
    assert all(f"- {line}\n" in comment for line in expected)
    verdict = json.loads((tmp_path / "gate.json").read_text())
    jsonschema.validate(verdict, schema("gate"))
    marks = {m["run"]: m["audit"]["line"] for m in verdict["comparison"]["audits"]}
    assert marks == {"base": NOT.line, "candidate": LINE}
    assert read_note(tmp_path / "candidate").audits == expected


def test_documents_hold_hostile_lines_as_text(run, gate, tmp_path):
    evil = AuditMark(audited=True, line="\x1b[2J<img src=x onerror=alert(1)>|`*[x](y)\x00\nnew")
    files = ("--junit", "gate.xml", "--markdown", "gate.md")
    found = gate(run("base", evil), run("candidate", evil), "", *files)
    assert "\x1b" not in found.out
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    assert "<img src=x" in suite.find("properties/property[@name='audit']").get("value")
    (line,) = [x for x in (tmp_path / "gate.md").read_text().splitlines() if "img" in x]
    assert "<img" not in line
    assert "[x]" not in line.replace("\\[", "").replace("\\]", "")


def test_old_notes_and_runs_without_marks_add_nothing(run, gate, tmp_path):
    files = ("--junit", "gate.xml", "--markdown", "gate.md")
    found = gate(run("base", None), run("candidate", None), "", *files)
    assert "agreement" not in found.out + (tmp_path / "gate.md").read_text()
    every = ElementTree.parse(tmp_path / "gate.xml").getroot().findall("properties/property")
    assert [(one.get("name"), one.get("value")) for one in every] == [
        ("items", "talks: 60 of 60 items compared"),
        ("note", "both runs are of the same model"),
    ]
    assert "note: both runs are of the same model" in found.out
    assert "Note: both runs are of the same model" in (tmp_path / "gate.md").read_text()
    note = tmp_path / "candidate" / "gate.json"
    old = {k: v for k, v in json.loads(note.read_text()).items() if k != "audits"}
    note.write_text(json.dumps(old))
    assert read_note(tmp_path / "candidate").outcome == "pass"


def test_a_comparison_has_one_line_where_both_runs_say_the_same(cli, run):
    words = ("compare", run("base", AUDITED), run("candidate", AUDITED), "--resamples", "300")
    out = cli(*words).out
    assert out.count(LINE) == 1
    assert f"  warmth: {LINE}\n" in out
    data = json.loads(cli(*words, "--format", "json").out)
    jsonschema.validate(data, schema("comparison"))
    assert [m["audit"]["line"] for m in data["audits"]] == [LINE, LINE]


def test_a_line_that_one_run_lacks_names_the_other(cli, run):
    words = ("compare", run("base", None), run("candidate", AUDITED), "--resamples", "300")
    assert f"  warmth, candidate: {LINE}\n" in cli(*words).out


def test_many_runs_have_lines_by_their_names(cli, run):
    runs = [run("a", NOT), run("bb", AUDITED, 1.0), run("ccc", AUDITED, 2.0)]
    out = cli("compare", *runs, "--resamples", "300").out
    assert "  warmth, a: not audited\n" in out
    assert f"  warmth, bb and ccc: {LINE}\n" in out
    data = json.loads(cli("compare", *runs, "--resamples", "300", "--format", "json").out)
    assert [m["audit"]["audited"] for m in data["audits"]] == [False, True, True]


def test_a_report_has_the_lines_beside_the_metrics_and_each_warning_once_there(cli, run, tmp_path):
    runs = [run("a", NOT), run("b", AUDITED, 1.0)]
    assert cli("report", *runs, "-o", "report.html", "--resamples", "300").code == 0
    page = (tmp_path / "report.html").read_text()
    _, _, first = page.partition('<section id="verdict">')
    first, _, _ = first.partition("</section>")
    assert "<b>warmth, A</b>: not audited" in first
    assert f"<b>warmth, B</b>: {LINE}" in first
    assert first.count(OUTSIDE) == 1
