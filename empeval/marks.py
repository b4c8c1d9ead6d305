"""What is known of a scorer's agreement with people, beside its metrics.

It is looked up when a scorer scores, because only then its plugin and its checkpoint are there,
and kept in the manifest. Whoever reads a run folder later needs neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from empeval.cards import ScorerCard
from empeval.certificates import Certificate, certificate_of, one_line
from empeval.domains import departures
from empeval.escaping import plain
from empeval.interfaces import Scorer
from empeval.records import Sample, Score
from empeval.runs import AuditMark, Manifest, Run

GENERAL = frozenset({"reply", "reference", "emotion"})
"""What any task of conversations may provide; see ``TaskCard.provides``."""

LONGEST = 400
"""Characters of a line; a certificate is a stranger's file."""


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """What a run folder says of a scorer's agreement with people.

    Attributes:
        run: the folder.
        task, scorer: whose metrics.
        audit: what is known.
    """

    run: str
    task: str
    scorer: str
    audit: AuditMark


def judges(card: ScorerCard) -> bool:
    """Whether a scorer says of replies which are better, so that people may disagree.

    One whose values have no direction describes. One that needs something of a task's own (an
    answer key) computes what that task defines.
    """
    directed = any(value.higher_is_better is not None for value in card.values)
    return directed and set(card.needs) <= GENERAL


def mark_of(
    name: str, scorer: Scorer, samples: Sequence[Sample], scores: Iterable[Score]
) -> AuditMark:
    """What is known of a scorer's agreement with people, and how these samples differ.

    Args:
        name: ``NAME`` or ``NAME:TARGET``, as the user wrote it.
        scorer: built.
        samples: of one task.
        scores: the scorer's, of these samples.
    """
    if not judges(scorer.card):
        return AuditMark(audited=None)
    certificate, reason = certificate_of(name, scorer)
    if certificate is None:
        return AuditMark(audited=False, line=reason)
    scored = {score.id for score in scores if score.status == "ok"}
    outside: list[str] = []
    if certificate.domain is not None:
        outside = departures(name, certificate.domain, samples, scored)
    return _cleaned(
        AuditMark(
            audited=True,
            line=_line(certificate),
            values=tuple(dict.fromkeys(a.value for a in certificate.agreements)),
            warnings=tuple(outside),
        )
    )


def _line(certificate: Certificate) -> str:
    """The certificate in a sentence, with the value and the rated set that it speaks of."""
    best = certificate.headline
    if best is None:
        return one_line(certificate)
    return f"{one_line(certificate)}; its {best.value} against {best.dimension} in {best.rated_set}"


def without_marks(manifest: Manifest, scorers: Mapping[str, Iterable[str]]) -> Manifest:
    """A manifest without what it says of these scorers (task -> labels): they score anew."""
    gone = {task: set(labels) for task, labels in scorers.items()}
    said = {
        _warning(task, text)
        for task, marks in manifest.audits.items()
        for label, mark in marks.items()
        if label in gone.get(task, ())
        for text in mark.warnings
    }
    left = {
        task: {label: mark for label, mark in marks.items() if label not in gone.get(task, ())}
        for task, marks in manifest.audits.items()
    }
    return msgspec.structs.replace(
        manifest,
        audits={task: marks for task, marks in left.items() if marks},
        warnings=[text for text in manifest.warnings if text not in said],
    )


def with_marks(manifest: Manifest, found: Mapping[str, Mapping[str, AuditMark]]) -> Manifest:
    """A manifest with what is known of these scorers (task -> label -> mark), of which it says
    nothing yet.
    """
    audits = {task: dict(marks) for task, marks in manifest.audits.items()}
    warnings = list(manifest.warnings)
    for task, marks in found.items():
        if marks:
            audits.setdefault(task, {}).update(marks)
        warnings += [_warning(task, text) for mark in marks.values() for text in mark.warnings]
    return msgspec.structs.replace(manifest, audits=audits, warnings=list(dict.fromkeys(warnings)))


def other_warnings(manifest: Manifest) -> list[str]:
    """The manifest's warnings without those that stand beside a scorer's metrics."""
    every = {task: list(marks) for task, marks in manifest.audits.items()}
    return without_marks(manifest, every).warnings


def marks_of(run: Run, tasks: Iterable[str] | None = None) -> list[Marked]:
    """What a run folder says of its scorers; nothing of those scored by an older empeval.

    Args:
        run: the folder.
        tasks: only these.
    """
    wanted = run.manifest.tasks if tasks is None else list(tasks)
    return [
        Marked(run=str(run.path), task=task, scorer=label, audit=_cleaned(mark))
        for task in wanted
        for label, mark in run.manifest.audits.get(task, {}).items()
        if label in run.manifest.scorers.get(task, {})
    ]


def mark_lines(marks: Sequence[Marked], names: Mapping[str, str] | None = None) -> list[str]:
    """A line a scorer, as text: ``politeness: not audited``.

    Args:
        marks: of one or more runs.
        names: run folder -> what a line calls it, where runs may differ. A line that holds for
            all of them names none.
    """
    every = names or {}
    lines: list[str] = []
    for scorer in dict.fromkeys(m.scorer for m in marks):
        said: dict[str, list[str]] = {}
        for mark in marks:
            if mark.scorer == scorer and mark.audit.line:
                name = every.get(mark.run, "")
                known = said.setdefault(mark.audit.line, [])
                if name not in known:
                    known.append(name)
        for line, runs in said.items():
            alike = len(said) == 1 and set(runs) >= set(every.values())
            whose = "" if alike or not any(runs) else f", {' and '.join(runs)}"
            lines.append(f"{scorer}{whose}: {line}")
    return lines


def mark_warnings(marks: Sequence[Marked], names: Mapping[str, str] | None = None) -> list[str]:
    """How runs lie outside of what their scorers were audited on, a sentence each."""
    every = names or {}
    return list(
        dict.fromkeys(
            _warning(", ".join(filter(None, (every.get(m.run), m.task))), text)
            for m in marks
            for text in m.audit.warnings
        )
    )


def _warning(where: str, text: str) -> str:
    return f"{where}: {text}."


def _cleaned(mark: AuditMark) -> AuditMark:
    return AuditMark(
        audited=mark.audited,
        line=_plain(mark.line),
        values=tuple(_plain(value) for value in mark.values),
        warnings=tuple(_plain(text) for text in mark.warnings),
    )


def _plain(text: str) -> str:
    """Text on one line that steers no terminal and does not run on."""
    clean = plain(" ".join(text.split())[: LONGEST + 1])
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 3] + "..."
