"""The part of ``RESULTS.md`` that ``empeval audit`` and the teacher say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from empeval import UsageError
from empeval.auditing.agreement import agreement
from empeval.auditing.asking import Text
from empeval.auditing.audit import read_finished
from empeval.auditing.gathering import Gathered
from empeval.auditing.rated import Dimension, RatedSet
from empeval.auditing.rivals import trivial_rivals
from empeval.certificates import Agreement, Certificate, KnownEstimate
from empeval_training.judges import grid
from empeval_training.teacher.labelling import MEASURED, MECHANISMS, Labeller, rows_of
from empeval_training.teacher.targets import NAMES

TEACHER = "the teacher"

TEXT = """## Agreement with people

What `empeval audit` says of the checkpoints that ship: Spearman with people on the test part of
each rated set, whose dialogues no fitting and no choice has seen. 95 % intervals resample
dialogues. `mechanisms` is the sum of the three levels, compared with the sum of the three outputs
where a scorer has them, otherwise with its headline value.

{agreement}

Pairs of replies to one dialogue that are ordered as people ordered them (0.5 is chance):

{pairs}

### Less the trivial rivals

Spearman of the scorer less that of the rival on the same replies, resampled together; a figure
whose interval is above 0 is significantly above the rival.

{differences}

The same for pairs within a dialogue:

{pair_differences}

### What raters reach among themselves

{ceilings}

## What a reply can do to its score

Trials of `empeval audit`: mean change of `empathy` in points, on replies of the rated sets' test
part, and whether the rule was kept. The sentences are others than those in training.

{trials}
"""


def audits_text(audits: Path, labeller: Labeller | None) -> str:
    """The section's text.

    Args:
        audits: what ``empeval audit NAME ... --out`` wrote.
        labeller: the teachers; ``None`` leaves their row out.

    Raises:
        UsageError: there is no finished audit.
    """
    found = [read_finished(path) for path in sorted(audits.glob("*/audit.json"))]
    certificates = {one.scorer: one for one in found if one is not None}
    if not certificates:
        raise UsageError(f"{audits} holds no finished audit; make one with empeval audit.")
    rows: dict[str, Sequence[Agreement]] = {}
    if labeller is not None:
        rows[TEACHER] = teacher_agreements(labeller)
    rows |= {name: one.agreements for name, one in certificates.items()}
    return TEXT.format(
        agreement=_table(rows, lambda a: _shown(a.spearman)),
        pairs=_table(rows, lambda a: _shown(a.pairs_within_dialogue), lambda a: "rating" in a),
        differences=_against(rows, "against"),
        pair_differences=_against(rows, "against_pairs"),
        ceilings=_ceilings(next(iter(certificates.values())).agreements),
        trials=_trials(certificates),
    )


def teacher_agreements(labeller: Labeller) -> list[Agreement]:
    """The teachers' agreement with the test part of the sets that every model is measured on."""
    agreements = []
    for rated in labeller.sets:
        if rated.name not in MEASURED:
            continue
        test = rated.only("test")
        latents = labeller.latents_of(test, "test")
        for dimension in rated.dimensions:
            if dimension.name == "mechanisms":
                scores = np.sum([labeller.expected(latents, m) for m in MECHANISMS], axis=0)
            elif dimension.name in NAMES:
                scores = labeller.expected(latents, dimension.name)
            else:
                scores = labeller.read(rows_of(test), latents)[0]
            made = _agreement(test, dimension, scores)
            agreements += [made] if made else []
    return agreements


def _agreement(rated: RatedSet, dimension: Dimension, scores: np.ndarray) -> Agreement | None:
    texts = [Text(r.context, r.reply) for r in rated.replies]
    gathered = Gathered(rated, "test")
    return agreement(
        gathered, dimension, rated.replies, scores, dimension.name, trivial_rivals(texts)
    )[0]


def _shown(figure: KnownEstimate | None) -> str:
    if figure is None:
        return "-"
    ends = figure.interval
    return f"{figure.value:.3f}" + (f" [{ends.low:.3f}, {ends.high:.3f}]" if ends else "")


def _key(one: Agreement) -> str:
    own = one.dimension not in ("empathy",)
    return f"{one.rated_set} {one.dimension}" if own else one.rated_set


def _columns(rows: Mapping[str, Sequence[Agreement]]) -> list[str]:
    return list(dict.fromkeys(_key(a) for own in rows.values() for a in own))


def _table(rows, shown, wanted=lambda key: True) -> str:  # type: ignore[no-untyped-def]
    columns = [c for c in _columns(rows) if wanted(c)]
    n = {_key(a): a.spearman.n for own in rows.values() for a in own}
    table = []
    for name, own in rows.items():
        by_key = {_key(a): a for a in own}
        table.append([name, *(shown(by_key[c]) if c in by_key else "-" for c in columns)])
    return grid(table, ["scorer", *(f"{c} (n {n[c]})" for c in columns)])


def _against(rows: Mapping[str, Sequence[Agreement]], field: str) -> str:
    columns = _columns(rows)
    table = []
    for name, own in rows.items():
        by_key = {_key(a): getattr(a, field) for a in own}
        for rival in sorted({r for found in by_key.values() for r in found} - {"random"}):
            cells = [_shown(by_key.get(c, {}).get(rival)) for c in columns]
            table.append([f"{name} - {rival}", *cells])
    used = [i for i, c in enumerate(columns) if any(row[i + 1] != "-" for row in table)]
    return grid(
        [[row[0], *(row[i + 1] for i in used)] for row in table], ["", *(columns[i] for i in used)]
    )


def _ceilings(agreements: Sequence[Agreement]) -> str:
    rows = [[_key(a), _shown(a.ceiling), a.ceiling_kind or "-"] for a in agreements]
    return grid(rows, ["rated set", "ceiling", "how"])


def _trials(certificates: Mapping[str, Certificate]) -> str:
    names = list(dict.fromkeys(t.name for one in certificates.values() for t in one.trials))
    table = []
    for name in names:
        cells = []
        for one in certificates.values():
            trial = next((t for t in one.trials if t.name == name), None)
            if trial is None or trial.change is None:
                cells.append("-")
                continue
            kept = {True: "kept", False: "broken", None: "-"}[trial.passed]
            cells.append(f"{_shown(trial.change)} {kept}")
        table.append([name, *cells])
    return grid(table, ["trial", *certificates])
