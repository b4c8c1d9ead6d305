"""A certificate as tables and sentences, for a terminal, Markdown and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from empeval.certificates import Agreement, Certificate, KnownEstimate, Trial, one_line, short
from empeval.escaping import markdown as as_markdown

Rows = list[dict[str, str]]

MOST_NAME = 16
"""Signs of a rated set's name in a table."""

FEW_PAIRS = 20
"""With fewer pairs a share of them is not shown in tables; the record has it."""


def agreement_rows(certificate: Certificate) -> Rows:
    """One row for each thing that was rated: how far the scorer agrees."""
    return [
        {
            "rated": rated_name(a),
            "n (dialogues)": f"{a.spearman.n} ({a.spearman.clusters})",
            "Spearman": short(a.spearman),
            "in a dialogue": _enough(a.pairs_within_dialogue),
            "ceiling": _bare(a.ceiling),
            "share": "-"
            if a.share_of_ceiling is None
            else f"{100 * a.share_of_ceiling.value:.0f} %",
        }
        for a in certificate.agreements
    ]


def rival_rows(certificate: Certificate) -> Rows:
    """One row for each thing that was rated: the scorer's Spearman less each rival's."""
    names = list(dict.fromkeys(name for a in certificate.agreements for name in a.against))
    return [
        {
            "less a rival's": rated_name(a),
            **{name: _or_dash(a.against.get(name)) for name in names},
        }
        for a in certificate.agreements
    ]


def pair_rows(certificate: Certificate) -> Rows:
    """The same of pairs inside of a dialogue, where there are enough of them."""
    some = [
        a
        for a in certificate.agreements
        if a.pairs_within_dialogue is not None and a.pairs_within_dialogue.n >= FEW_PAIRS
    ]
    names = list(dict.fromkeys(name for a in some for name in a.against_pairs))
    return [
        {
            "pairs, less a rival's": rated_name(a),
            **{name: _or_dash(a.against_pairs.get(name)) for name in names},
        }
        for a in some
    ]


def agreement_tables(certificate: Certificate) -> list[Rows]:
    """Everything about agreement, a table after the other; those without rows are left out."""
    makers = (agreement_rows, rival_rows, pair_rows, more_rows)
    return [rows for maker in makers if (rows := maker(certificate))]


def more_rows(certificate: Certificate) -> Rows:
    """The statistics that the first table has no room for."""
    return [
        {
            "rated": rated_name(a),
            "tau-b": _bare(a.kendall),
            "kappa": _bare(a.quadratic_kappa),
            "in system": _bare(a.pairs_within_system),
            "systems": _bare(a.between_systems),
            "rater": _bare(a.one_rater),
            "length": _bare(a.length),
            "raters'": _bare(a.length_raters),
        }
        for a in certificate.agreements
    ]


def rated_name(agreement: Agreement) -> str:
    """A rated set and its dimension, short enough for a table."""
    name = agreement.rated_set
    if len(name) > MOST_NAME:
        name = f"{name[: MOST_NAME - 3]}..."
    return f"{name} {agreement.dimension}"[: MOST_NAME + 20]


def trial_rows(trials: Sequence[Trial]) -> Rows:
    """One row for each trial."""
    return [
        {
            "trial": t.name,
            "passed": verdict(t),
            "change": "-" if t.change is None else _change(t.change),
            "unit": t.unit,
            "sd": "-" if t.sds is None else f"{t.sds:+.2f}",
            "n": str(t.n),
        }
        for t in trials
    ]


def verdict(trial: Trial) -> str:
    """``yes``, ``NO``, or a dash."""
    return {True: "yes", False: "NO", None: "-"}[trial.passed]


def cost_line(certificate: Certificate) -> str:
    """What the scorer costs."""
    parts = []
    if certificate.milliseconds_alone is not None:
        parts.append(f"{_amount(certificate.milliseconds_alone.value)} ms a reply alone (median)")
    if certificate.replies_per_second is not None:
        parts.append(f"{certificate.replies_per_second.value:,.0f} replies/s in batches of 32")
    if certificate.peak_memory_mb is not None:
        parts.append(f"peak memory {certificate.peak_memory_mb:,.0f} MB of a process")
    return ", ".join(parts) or "not measured"


def domain_line(certificate: Certificate) -> str:
    """What was audited."""
    d = certificate.domain
    if d is None:
        return "not stated"
    return (
        f"replies of {d.words[0]:.0f} to {d.words[2]:.0f} words (median {d.words[1]:.0f}), "
        f"contexts of {d.context_words[0]:.0f} to {d.context_words[2]:.0f} (median "
        f"{d.context_words[1]:.0f}), language {d.language}"
    )


def remarks(certificate: Certificate) -> list[str]:
    """Sentences that a reader of the estimates must know."""
    said = [*certificate.notes]
    compared = {a.value for a in certificate.agreements if a.value != certificate.primary}
    said += [
        f"{a.rated_set} {a.dimension} is compared with {a.value}"
        for a in certificate.agreements
        if a.value in compared
    ]
    same: dict[str, list[str]] = {}  # what is said of several sets is said once
    for a in certificate.agreements:
        for note in [*a.notes, *([a.ceiling_kind] if a.ceiling is None else [])]:
            same.setdefault(note, []).append(f"{a.rated_set} {a.dimension}")
    said += [f"{', '.join(dict.fromkeys(where))}: {note}" for note, where in same.items()]
    return list(dict.fromkeys(said))


def rivals_line(certificate: Certificate) -> str:
    """How far the headline's agreement is from each trivial rival's; a dash where none was."""
    best = certificate.headline
    against = {} if best is None else best.against
    return ", ".join(f"{name} {short(less)}" for name, less in against.items()) or "-"


def failed_line(certificate: Certificate) -> str:
    """The names of the trials that were failed; a dash where none was."""
    return ", ".join(t.name for t in certificate.trials if t.passed is False) or "-"


def failed_trials(certificate: Certificate) -> list[str]:
    """What each failed trial asked, and what came out."""
    return [
        f"{t.name}: {_change(t.change)} {t.unit}; asked: {t.rule.partition(' (by the ')[0]}"
        for t in certificate.trials
        if t.passed is False and t.change is not None
    ]


def undecided_trials(certificate: Certificate) -> list[str]:
    """Trials that could not be made, and why."""
    return [f"{t.name} not tried: {t.note}" for t in certificate.trials if t.passed is None]


def part_of(certificate: Certificate) -> str:
    """Which parts of rated sets the estimates are of."""
    parts = sorted({a.part for a in certificate.agreements})
    return " and ".join(parts) or "none"


def markdown(certificate: Certificate) -> str:
    """The whole certificate as a Markdown document."""
    return "\n".join(_markdown(certificate)) + "\n"


def _markdown(certificate: Certificate) -> Iterator[str]:
    from tabulate import tabulate

    def table(rows: Rows) -> str:
        cells = [[as_markdown(cell) for cell in row.values()] for row in rows]
        return tabulate(cells, headers=list(rows[0]), tablefmt="github", disable_numparse=True)

    c = certificate
    yield f"# Audit of {as_markdown(c.scorer)}\n"
    yield f"{as_markdown(one_line(c))}.\n"
    yield f"* version {as_markdown(c.version)}, {as_markdown(c.distribution)}"
    yield f"* fingerprint {as_markdown(c.fingerprint or 'none')}"
    yield f"* headline value: {as_markdown(c.primary)}"
    yield f"* cost: {cost_line(c)}"
    yield f"* audited on: {domain_line(c)}; parts: {part_of(c)}"
    yield f"* made {c.made} by empeval {c.empeval}\n"
    if c.agreements:
        yield "## Agreement with people\n"
        for rows in agreement_tables(c):
            yield table(rows) + "\n"
    for kind, title in KINDS.items():
        trials = [t for t in c.trials if t.kind == kind]
        if trials:
            yield f"## {title}\n"
            rows = trial_rows(trials)
            for row, trial in zip(rows, trials, strict=True):
                row["rule"] = trial.rule
                row["note"] = trial.note
            yield table(rows) + "\n"
    said = remarks(c)
    if said:
        yield "## Remarks\n"
        yield from (f"* {as_markdown(text)}" for text in said)
        yield ""
    sources = {a.rated_set: a for a in c.agreements}
    if sources:
        yield "## Rated replies\n"
        for name, a in sources.items():
            licence = as_markdown(a.license or "no licence stated")
            yield f"* {as_markdown(name)}: {as_markdown(a.source)}; {licence}"


KINDS = {"flattery": "What can fool it", "invariance": "What must not matter"}
"""Kinds of trials, and what they are called."""


def _or_dash(known: KnownEstimate | None) -> str:
    return "-" if known is None else short(known)


def _enough(known: KnownEstimate | None) -> str:
    return "-" if known is None or known.n < FEW_PAIRS else short(known)


def _bare(known: KnownEstimate | None) -> str:
    return "-" if known is None else short(KnownEstimate(value=known.value))


def _change(known: KnownEstimate) -> str:
    ends = known.interval
    value = _signed(known.value)
    return value if ends is None else f"{value} [{_signed(ends.low)}, {_signed(ends.high)}]"


def _signed(value: float) -> str:
    size = abs(value)
    if size and size < 0.0005:
        return f"{value:+.0e}"
    return f"{value:+.3f}" if size < 10 else f"{value:+.1f}"


def _amount(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
