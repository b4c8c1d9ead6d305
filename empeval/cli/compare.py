"""``empeval compare``: what differs between runs, and how sure that is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from empeval.cli.options import Verbs, add_format, add_verb, names, positive

if TYPE_CHECKING:
    from empeval.comparing.many import ManyRuns, Matrix, Ranked
    from empeval.comparing.records import Comparison, Difference

EPILOG = """examples:
  empeval compare empeval-runs/OLD empeval-runs/NEW --margin 3
  empeval compare empeval-runs/OLD empeval-runs/NEW --margin eqbench_v2=3,mvc.empathy=0.1
  empeval compare empeval-runs/OLD empeval-runs/NEW --repeat-of empeval-runs/OLD-seed-2
  empeval compare empeval-runs/A empeval-runs/B empeval-runs/C --metrics eqbench_v2

The margin is the smallest difference that matters to you: fix it before you look. Runs are joined
by item; no model is loaded. Three or more runs give a matrix, ranks and groups.
"""


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = add_verb(verbs, "compare", "compare runs item by item", EPILOG)
    parser.add_argument("base", metavar="BASE")
    parser.add_argument("candidates", metavar="CANDIDATE", nargs="+")
    parser.add_argument(
        "--margin",
        metavar="M | NAME=M,...",
        help="the smallest difference that matters, for all headline figures or by name",
    )
    parser.add_argument("--metrics", type=names, metavar="A,B", help="the headline figures")
    parser.add_argument(
        "--repeat-of",
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs that repeat BASE with other seeds: how much it moves by itself",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="compare what differs in version, data or scorer, and say so",
    )
    parser.add_argument("--partial", action="store_true", help="take unfinished runs as they are")
    parser.add_argument(
        "--max-unscored",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="the share of a run's items that a figure may lack the score of (default 0.05); "
        "with more, the verdict is by the worst case",
    )
    parser.add_argument("--resamples", type=positive, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default 0)")
    parser.add_argument("--all", action="store_true", help="every figure and slice in the table")
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from empeval.cli.text import print_json
    from empeval.comparing.many import compare_many
    from empeval.comparing.two import compare
    from empeval.errors import UsageError
    from empeval.runs import Run

    runs = [Run(path) for path in (options.base, *options.candidates)]
    shared = {
        "margins": read_margin(options.margin),
        "metrics": options.metrics,
        "force": options.force,
        "partial": options.partial,
        "max_unscored": options.max_unscored,
        "resamples": options.resamples,
        "seed": options.seed,
    }
    if len(runs) == 2:
        repeats = [Run(path) for path in options.repeat_of]
        result = compare(runs[0], runs[1], repeats=repeats, **shared)
        if options.format == "json":
            print_json(result)
        else:
            print_comparison(result, options.format, everything=options.all)
        return 0
    if options.repeat_of:
        raise UsageError("--repeat-of goes with one BASE and one CANDIDATE.")
    many = compare_many(runs, **shared)
    if options.format == "json":
        print_json(many)
    else:
        print_many(many, options.format)
    return 0


def read_margin(text: str | None) -> float | Mapping[str, float] | None:
    """``3`` or ``name=3,name=0.1``.

    Raises:
        UsageError: a margin that is no number.
    """
    from empeval.errors import UsageError
    from empeval.question import parse_pairs

    if text is None:
        return None
    try:
        if "=" not in text:
            return float(text)
        return {name: float(value) for name, value in parse_pairs(text, "--margin").items()}
    except ValueError as error:
        raise UsageError(f"--margin: {text!r} is no number, and not NAME=NUMBER,... .") from error


def print_comparison(result: Comparison, form: str, *, everything: bool) -> None:
    """A comparison as tables and sentences."""
    from empeval.amounts import amount, interval, probability
    from empeval.cli.text import blank, print_marks, print_notices, print_rows, say
    from empeval.comparing.words import sentence

    say(f"base       {result.base}  {result.base_model}", form)
    say(f"candidate  {result.candidate}  {result.candidate_model}", form)
    blank(form)
    print_notices(result.notices, form)
    for problem in result.forced:
        say(f"FORCED: {problem}", form)
    for task in result.tasks:
        alone = f"; only in base {task.only_base}, only in candidate {task.only_candidate}"
        say(
            f"{task.task}: {task.shared} of {task.items} items shared, {task.clusters} clusters"
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
    print_rows(every, form)
    if rest:
        blank(form)
        say(f"{rest} more figures: --all", form)
    blank(form)
    for d in shown:
        if d.headline:
            say(sentence(d), form)
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
    from empeval.amounts import amount, interval, probability
    from empeval.cli.text import blank, print_rows, say

    chosen = [
        s for s in result.slices if everything or (s.p_adjusted is not None and s.p_adjusted < 0.05)
    ]
    if chosen:
        print_rows(
            [
                {
                    "figure": f"{s.task} {s.metric}",
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
        from empeval.errors import some

        parts = some([f"{s.name} = {s.value} ({s.change.n})" for s in small])
        say(f"{len(small)} slices are too small to be judged: {parts}", form)
    hidden = len(result.slices) - len(chosen) - len(small)
    if hidden:
        say(f"{hidden} slices show no difference after Benjamini-Hochberg: --all lists them", form)


def difference_row(d: Difference) -> dict[str, str]:
    """A figure as a row of a table."""
    from empeval.amounts import amount, interval, probability
    from empeval.comparing.words import verdict_of

    return {
        "task": d.task,
        "figure": f"{d.scorer}.{d.metric}",
        "base": amount(d.sides.base.mean),
        "candidate": amount(d.sides.candidate.mean),
        "difference": amount(d.change.value),
        "95% interval": interval(d.change.interval),
        "p (Holm)": probability(d.p_values.holm),
        "n": f"{d.change.n} of {max(d.sides.base.items, d.sides.candidate.items)}",
        "verdict": verdict_of(d),
    }


def _turned(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """A table with a column a row: few figures of which much is said fit a terminal so."""
    first, *others = rows[0]
    return [{first: key} | {row[first]: row[key] for row in rows} for key in others]


def _details(d: Difference) -> dict[str, str]:
    from empeval.amounts import amount, interval, probability
    from empeval.comparing.words import name_of

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.0f} %"

    base, candidate, left = d.sides.base, d.sides.candidate, d.at_equal_length
    return {
        "figure": name_of(d),
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
    from pathlib import Path

    from empeval.cli.text import ALONE, print_marks, print_notices, print_rows, say

    print_notices(many.notices, form)
    for problem in many.forced:
        say(f"FORCED: {problem}", form)
    for remark in many.remarks:
        say(f"note: {remark}", form)
    if form in ALONE:
        print_rows([_figure(m) | _rank(r) for m in many.matrices for r in m.ranking], form)
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


def _figure(matrix: Matrix) -> dict[str, str]:
    return {"task": matrix.task, "figure": f"{matrix.scorer}.{matrix.metric}"}


def _rank(ranked: Ranked) -> dict[str, str]:
    from pathlib import Path

    from empeval.amounts import amount, interval

    return {
        "rank": str(ranked.rank),
        "ranks": f"{ranked.rank_low} to {ranked.rank_high}",
        "run": Path(ranked.run).name,
        "model": ranked.model,
        "mean": amount(ranked.estimate.value),
        "95% interval": interval(ranked.estimate.interval),
        "groups": ranked.groups,
    }


def _print_matrix(matrix: Matrix, form: str) -> None:
    from pathlib import Path

    from empeval.amounts import amount, interval, probability
    from empeval.cli.text import blank, print_rows, say
    from empeval.comparing.words import verdict_of

    blank(form)
    print_rows([_rank(r) for r in matrix.ranking], form)
    blank(form)
    say("Runs that share a letter could not be told apart; that does not make them the same.", form)
    blank(form)
    places = {r.run: r.rank for r in matrix.ranking}
    ordered = sorted(matrix.pairs, key=lambda p: (places[p.candidate], places[p.base]))
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


def _grid(matrix: Matrix) -> list[dict[str, str]]:
    """The row's run less the column's; a star where they differ."""
    from empeval.comparing.words import matrix_cells

    cells = matrix_cells(matrix)
    order: Sequence[str] = [r.run for r in matrix.ranking]
    return [
        {
            "row less column": str(number),
            **{str(n): cells.get((row, column), "") for n, column in enumerate(order, 1)},
        }
        for number, row in enumerate(order, 1)
    ]
