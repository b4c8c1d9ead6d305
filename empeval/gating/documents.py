"""A gate's verdict as JUnit XML, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec

from empeval.amounts import amount, interval, probability
from empeval.comparing.records import Comparison
from empeval.errors import counted
from empeval.escaping import code, plain
from empeval.escaping import markdown as as_markdown
from empeval.files import write_text
from empeval.gating.verdict import Check, Verdict
from empeval.marks import mark_lines, mark_warnings

SIGNS = {"pass": "✅", "regression": "❌", "inconclusive": "⚠️"}

WORDS = {
    "pass": "No regression was found.",
    "regression": "There is a regression.",
    "inconclusive": "It cannot be told; the policy lets that block.",
}

METHOD = (
    "Intervals and `p` by a studentised bootstrap over clusters; with fewer than 10 of them by "
    "Student's t and by sign flips."
)


def junit(verdict: Verdict) -> str:
    """JUnit XML: a test case a check; a regression is a failure, an inconclusive one an error
    when it blocks and skipped when it does not.
    """
    blocks = verdict.outcome == "inconclusive"
    counts = {outcome: sum(c.outcome == outcome for c in verdict.checks) for outcome in SIGNS}
    suite = ElementTree.Element(
        "testsuite",
        name="empeval gate",
        tests=str(len(verdict.checks)),
        failures=str(counts["regression"]),
        errors=str(counts["inconclusive"] if blocks else 0),
        skipped=str(0 if blocks else counts["inconclusive"]),
    )
    said = [("audit", line) for line in audits(verdict)]
    said += [("items", line) for line in compared_items(verdict.comparison)]
    said += [("notice", line) for line in verdict.comparison.notices]
    said += [("note", line) for line in verdict.comparison.remarks]
    properties = ElementTree.SubElement(suite, "properties")
    for name, line in said:
        ElementTree.SubElement(properties, "property", name=name, value=plain(line))
    for check in verdict.checks:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"empeval.{check.kind}", name=plain(check.name)
        )
        if check.outcome == "pass":
            ElementTree.SubElement(case, "system-out").text = plain(check.said)
            continue
        kind = "failure" if check.outcome == "regression" else ("error" if blocks else "skipped")
        ElementTree.SubElement(case, kind, message=plain(check.said)).text = plain(check.said)
    ElementTree.indent(suite)
    text: str = ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
    return text + "\n"


def markdown(verdict: Verdict) -> str:
    """A comment for a pull request."""
    comparison = verdict.comparison
    lines = [
        f"### empeval gate: {SIGNS[verdict.outcome]} {verdict.outcome}",
        "",
        WORDS[verdict.outcome],
        "",
        f"Candidate {code(comparison.candidate_model)}, base {code(comparison.base_model)}.",
        "",
    ]
    lines += [f"**{as_markdown(text)}**\n" for text in comparison.notices]
    lines += [f"{as_markdown(text)}\n" for text in compared_items(comparison)]
    lines += [f"Note: {as_markdown(text)}\n" for text in comparison.remarks]
    lines += [f"**Forced:** {as_markdown(problem)}\n" for problem in comparison.forced]
    lines += ["| | check | result |", "|---|---|---|"]
    lines += [_row(check) for check in verdict.checks]
    lines += ["", "| metric | base | candidate | difference | 95 % interval | p | n |",
              "|---|---|---|---|---|---|---|"]  # fmt: skip
    for d in comparison.differences:
        if d.headline:
            lines.append(
                f"| {as_markdown(d.metric)} | {amount(d.sides.base.mean)} | "
                f"{amount(d.sides.candidate.mean)} | {amount(d.change.value)} | "
                f"{interval(d.change.interval)} | {probability(d.p_values.deciding)} | "
                f"{d.change.n} of {max(d.sides.base.items, d.sides.candidate.items)} |"
            )
    lines += ["", *(f"- {as_markdown(text)}" for text in audits(verdict))]
    lines += ["", METHOD]
    return "\n".join(lines) + "\n"


def compared_items(comparison: Comparison) -> list[str]:
    """How many items of each task both runs have, a line each."""
    return [
        f"{t.task}: {t.shared} of {counted(t.items, 'item')} compared" for t in comparison.tasks
    ]


def audits(verdict: Verdict) -> list[str]:
    """What is known of the scorers' agreement with people: a line a scorer, then warnings."""
    comparison = verdict.comparison
    names = {comparison.base: "base", comparison.candidate: "candidate"}
    said = [f"agreement with people, {line}" for line in mark_lines(comparison.audits, names)]
    return said + [f"warning: {text}" for text in mark_warnings(comparison.audits, names)]


def write(verdict: Verdict, paths: dict[str, Path]) -> None:
    """Write the documents that are asked for.

    Args:
        verdict: what the gate says.
        paths: ``junit``, ``markdown`` or ``json`` -> file.

    Raises:
        StorageError: a file cannot be written.
    """
    made = {
        "junit": lambda: junit(verdict),
        "markdown": lambda: markdown(verdict),
        "json": lambda: msgspec.json.format(msgspec.json.encode(verdict), indent=2).decode() + "\n",
    }
    for kind, path in paths.items():
        write_text(path, made[kind]())


def _row(check: Check) -> str:
    name, said = as_markdown(check.name), as_markdown(check.said)
    return f"| {SIGNS[check.outcome]} | {check.kind}: {name} | {said} |"
