"""Comparisons as tables and sentences, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from empeval.amounts import amount, interval, probability
from empeval.cli.text import ALONE, blank, print_marks, print_notices, print_rows, say
from empeval.comparing.adjusting import ALPHA
from empeval.comparing.many import ManyRuns, Matrix, Ranked
from empeval.comparing.records import Comparison, Difference
from empeval.comparing.words import (
    NO_HEADLINE,
    matrix_cells,
    name_of,
    ranks_of,
    sentence,
    verdict_of,
)
from empeval.errors import counted, some


def print_comparison(result: Comparison, form: str, *, everything: bool) -> None:
    """A comparison as tables and sentences."""
    say(f"base       {result.base}  {result.base_model}", form)
    say(f"candidate  {result.candidate}  {result.candidate_model}", form)
    blank(form)
    print_notices(result.notices, form)
    for problem in result.forced:
        say(f"FORCED: {problem}", form)
    for task in result.tasks:
        alone = f"; only in base {task.only_base}, only in candidate {task.only_candidate}"
        say(
            f"{task.task}: {task.shared} of {counted(task.items, 'item')} shared, "
            f"{counted(task.clusters, 'cluster')}"
            f"{alone if task.only_base or task.only_candidate else ''}"
            f"{f'; {task.changed} changed and left out' if task.changed else ''}; words an answer "
            f"{task.base_words:.1f} and {task.candidate_words:.1f}",
            form,
        )
    for remark in result.remarks:
        say(f"note: {remark}", form)
    blank(form)
    shown = [d for d in result.differences if d.headline or everything]
    rest = len(result.differences) - len(shown)
    every = [difference_row(d) for d in shown]
    if len(result.tasks) == 1 and form == "table":  # it stands above already
        every = [{k: v for k, v in row.items() if k != "task"} for row in every]
    if every:
        print_rows(every, form)
    else:
        say(NO_HEADLINE, form)
    if rest:
        blank(form)
        say(f"{counted(rest, 'more metric')}: --all", form)
    blank(form)
    sentences = [sentence(d) for d in shown if d.headline]
    for words in sentences:
        say(words, form)
    if sentences:
        blank(form)
    print_marks(result.audits, form, {result.base: "base", result.candidate: "candidate"})
    details = [_details(d) for d in shown if d.headline]
    if details:
        print_rows(_turned(details), form, more=True)
        blank(form)
    if result.noise:
        for one in result.noise:
            reach = "" if one.reach is None else (
                f"; two repeats differ by up to {amount(one.reach)} 19 times in 20"
            )  # fmt: skip
            say(f"{one.metric}: sd of {one.runs} repeats {amount(one.sd)}{reach}", form)
        blank(form)
    if result.rates:
        print_rows(
            [
                {
                    "task": r.task,
                    "answers": r.kind,
                    "base": f"{r.base:.1f} %",
                    "candidate": f"{r.candidate:.1f} %",
                    "difference": amount(r.change.value),
                    "95% interval": interval(r.change.interval),
                    "p": probability(r.p),
                }
                for r in result.rates
            ],
            form,
            more=True,
        )
        blank(form)
    _print_slices(result, form, everything=everything)


def _print_slices(result: Comparison, form: str, *, everything: bool) -> None:
    chosen = [
        s
        for s in result.slices
        if everything or (s.p_adjusted is not None and s.p_adjusted < ALPHA)
    ]
    if chosen:
        print_rows(
            [
                {
                    "metric": f"{s.task} {s.metric}",
                    "slice": f"{s.name} = {s.value}",
                    "difference": amount(s.change.value),
                    "95% interval": interval(s.change.interval),
                    "p": probability(s.p),
                    "p (BH)": probability(s.p_adjusted),
                    "n": f"{s.change.n} of {s.items}" + (", too small" if s.too_small else ""),
                }
                for s in chosen
            ],
            form,
            more=True,
        )
        blank(form)
    small = [s for s in result.slices if s.too_small and s not in chosen]
    if small:
        parts = some([f"{s.name} = {s.value} ({s.change.n})" for s in small])
        say(
            f"{counted(len(small), 'slice is', 'slices are')} too small to be judged: {parts}", form
        )
    hidden = len(result.slices) - len(chosen) - len(small)
    if hidden:
        shown = counted(hidden, "slice shows", "slices show")
        say(f"{shown} no difference after Benjamini-Hochberg: --all lists them", form)


def difference_row(d: Difference) -> dict[str, str]:
    """A metric as a row of a table."""
    return {
        "task": d.task,
        "metric": f"{d.scorer}.{d.metric}",
        "base": amount(d.sides.base.mean),
        "candidate": amount(d.sides.candidate.mean),
        "difference": amount(d.change.value),
        "95% interval": interval(d.change.interval),
        "p (Holm)": probability(d.p_values.holm),
        "n": f"{d.change.n} of {max(d.sides.base.items, d.sides.candidate.items)}",
        "verdict": verdict_of(d),
    }


def _turned(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """A table with a column a row: few metrics of which much is said fit a terminal so."""
    first, *others = rows[0]
    return [{first: key} | {row[first]: row[key] for row in rows} for key in others]


def _details(d: Difference) -> dict[str, str]:

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.0f} %"

    base, candidate, left = d.sides.base, d.sides.candidate, d.at_equal_length
    return {
        "metric": name_of(d),
        "n": f"{d.change.n} ({d.change.clusters})",
        "p": probability(d.p_values.deciding),
        "p (sign flips)": probability(d.p_values.sign_flips),
        "p (t)": probability(d.p_values.t),
        "p (McNemar)": probability(d.p_values.mcnemar),
        "effect size": amount(d.effect.size),
        "improved": share(d.effect.improved),
        "correlation": amount(d.effect.correlation),
        "saved by pairing": share(d.effect.variance_saved),
        "detectable": amount(d.power.detectable),
        "clusters for the margin": "-" if d.power.needed is None else str(d.power.needed),
        "without a score": f"{base.unscored} of {base.items}, "
        f"{candidate.unscored} of {candidate.items}",
        "worst case": amount(d.worst_case),
        "at equal length": (
            f"{amount(left.change.value)} [{interval(left.change.interval)}]" if left else "-"
        ),
    }


def print_many(many: ManyRuns, form: str) -> None:
    """Rankings and pairs of three or more runs."""
    print_notices(many.notices, form)
    for problem in many.forced:
        say(f"FORCED: {problem}", form)
    for remark in many.remarks:
        say(f"note: {remark}", form)
    if form in ALONE:
        print_rows([_metric(m) | _rank(r) for m in many.matrices for r in m.ranking], form)
    for matrix in many.matrices:
        say(
            f"{matrix.task} {matrix.scorer}.{matrix.metric}, {matrix.shared} of {matrix.items} "
            "items have a value in every run",
            form,
        )
        if form not in ALONE:
            _print_matrix(matrix, form)
    print_marks(
        many.audits, form, {r.run: Path(r.run).name for m in many.matrices for r in m.ranking}
    )


def _metric(matrix: Matrix) -> dict[str, str]:
    return {"task": matrix.task, "metric": f"{matrix.scorer}.{matrix.metric}"}


def _rank(ranked: Ranked) -> dict[str, str]:

    return {
        "rank": str(ranked.rank),
        "ranks": ranks_of(ranked),
        "run": Path(ranked.run).name,
        "model": ranked.model,
        "mean": amount(ranked.estimate.value),
        "95% interval": interval(ranked.estimate.interval),
        "groups": ranked.groups,
    }


def _print_matrix(matrix: Matrix, form: str) -> None:
    blank(form)
    print_rows([_rank(r) for r in matrix.ranking], form)
    blank(form)
    say("Runs that share a letter could not be told apart; that does not make them the same.", form)
    blank(form)
    ranks = {r.run: r.rank for r in matrix.ranking}
    ordered = sorted(matrix.pairs, key=lambda p: (ranks[p.candidate], ranks[p.base]))
    print_rows(
        [
            {
                "candidate": Path(pair.candidate).name,
                "base": Path(pair.base).name,
                "difference": amount(d.change.value),
                "95% interval": interval(d.change.interval),
                "p": probability(d.p_values.deciding),
                "p (Holm)": probability(d.p_values.holm),
                "n": str(d.change.n),
                "verdict": verdict_of(d),
            }
            for pair in ordered
            for d in (pair.difference,)
        ],
        form,
    )
    blank(form)
    print_rows(_grid(matrix), form)
    blank(form)
    say("numbered by rank, as above; * these two are told apart", form)
    blank(form)


def _grid(matrix: Matrix) -> list[dict[str, str]]:
    """The row's run less the column's; a star where they differ."""
    cells = matrix_cells(matrix)
    order = [r.run for r in matrix.ranking]
    return [
        {
            "row less column": str(number),
            **{str(n): cells.get((row, column), "") for n, column in enumerate(order, 1)},
        }
        for number, row in enumerate(order, 1)
    ]
