"""Puts a report together: collects, compares, plots, and fills the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from empeval.__about__ import __version__
from empeval.amounts import amount, between, interval, probability
from empeval.comparing.many import ManyRuns, compare_many
from empeval.comparing.records import Comparison
from empeval.comparing.two import Margins, compare
from empeval.comparing.words import NO_HEADLINE, sentence, verdict_of
from empeval.errors import UsageError
from empeval.estimates import source_of
from empeval.files import write_bytes, write_text
from empeval.marks import mark_lines, mark_warnings, marks_of, other_warnings
from empeval.report import canvas, front, plots
from empeval.report.collect import (
    MOST_RUNS,
    Column,
    Values,
    columns,
    count_of,
    failures,
    main_metrics,
    samples,
    tasks_of,
    values_of,
)
from empeval.runs import Run, check_ending, notices


@dataclass(frozen=True)
class Plot:
    """A plot of a report.

    Attributes:
        name: of its files.
        title: for people.
        alt: what it shows, in words.
        figure: matplotlib's.
    """

    name: str
    title: str
    alt: str
    figure: Any


def build_report(
    runs: Sequence[Run],
    out: Path,
    *,
    figures: Path | None = None,
    margins: Margins | None = None,
    force: bool = False,
    partial: bool = False,
    resamples: int = 10_000,
) -> list[Path]:
    """Write runs as one HTML file that needs nothing else.

    Without matplotlib the page has no plots, and says how to get them.

    Args:
        runs: one to 26; with two or more the first is the base, and each other is compared
            with it.
        out: the file to write.
        figures: a folder for the plots as SVG and PNG.
        margins: of the comparison; see ``comparing.two.compare``.
        force: compare runs that differ in version, data or scorer.
        partial: take unfinished runs as they are.
        resamples: of the comparison.

    Returns:
        The files written.

    Raises:
        UsageError: too many runs, runs that cannot be compared, or ``figures`` without matplotlib.
        RunFolderError: a folder that cannot be read.
        StorageError: a file cannot be written.
    """
    if not 1 <= len(runs) <= MOST_RUNS:
        raise UsageError(f"A report takes 1 to {MOST_RUNS} runs, not {len(runs)}.")
    check_ending(
        out, "--out", (".htm", ".html"), "a report is HTML, which a browser prints as PDF."
    )
    if figures is not None:
        canvas.require_matplotlib()
    every = columns(runs, partial=partial)
    options: dict[str, Any] = {"margins": margins, "force": force, "resamples": resamples}
    base, *others = every
    many = compare_many([one.files for one in every], **options) if len(every) > 2 else None
    compared = [
        (
            one.letter,
            compare(
                base.files,
                one.files,
                known=many.between(base.run, one.run) if many else (),
                **options,
            ),
        )
        for one in others
    ]
    unplotted = canvas.unplotted("the report")
    with canvas.style():
        made = [] if unplotted else list(_plots(every, compared))
        page = _page(every, compared, many, made, unplotted)
        written = _write(out, page)
        if figures is not None:
            for plot in made:
                written += _write(
                    figures / f"{plot.name}.svg", canvas.svg(plot.figure, themed=False)
                )
                written += _write(figures / f"{plot.name}.png", canvas.png(plot.figure))
    return written


def _plots(every: Sequence[Column], compared: Sequence[tuple[str, Comparison]]) -> Iterator[Plot]:
    letters = [one.letter for one in every]
    differences = [d for _, comparison in compared for d in comparison.differences]
    for letter, comparison in compared:
        figure = plots.forest(comparison.differences, differences)
        if figure is not None:
            yield Plot(
                f"differences-{letter}",
                f"Differences of {letter} from A",
                f"Forest plot of the differences of run {letter} from run A with 95 % intervals; "
                "the table above has the numbers.",
                figure,
            )
    for task in tasks_of(every):
        own = [one for one in every if task in one.run.manifest.tasks]
        counts = failures(every, task)
        sizes = {one.letter: len(one.files.answers(task)) for one in own}
        failing = plots.failing(counts, sizes)
        if failing is not None:
            alt = f"Share of answers to {task} that failed, by reason and run."
            yield Plot(f"{task}-failures", f"{task}: answers that failed", alt, failing)
    found = [
        values_of(every, task, metric)
        for task in tasks_of(every)
        for metric in main_metrics(every, task)
    ]
    for values in found:
        same = [v for v in found if (v.scorer, v.metric) == (values.scorer, values.metric)]
        scale = plots.scale_of(same)
        if scale is not None:
            yield from _metric_plots(values, letters, scale, same)


def _metric_plots(
    values: Values, letters: Sequence[str], scale: tuple[float, float], same: Sequence[Values]
) -> Iterator[Plot]:
    name = f"{values.task}-{values.scorer}-{values.metric}"
    about = f"{values.task}: {values.scorer}.{values.metric}"
    kinds = (
        ("distribution", "distribution", plots.distribution(values, letters, scale)),
        ("by-emotion", "by emotion", plots.by_emotion(values, same)),
        ("length", "length against score", plots.length_plot(values, letters, scale)),
    )
    for kind, title, figure in kinds:
        if figure is not None:
            yield Plot(f"{name}-{kind}", f"{about}, {title}", f"{about}, {title}.", figure)


def _page(
    every: Sequence[Column],
    compared: Sequence[tuple[str, Comparison]],
    many: ManyRuns | None,
    made: Sequence[Plot],
    unplotted: str,
) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    folder = files("empeval.report") / "assets"
    read = {name: (folder / name).read_text(encoding="utf-8")
            for name in ("report.html.j2", "report.css", "report.js")}  # fmt: skip
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"amount": amount, "probability": probability}
    environment.globals |= {"interval": interval, "between": between, "no_headline": NO_HEADLINE}
    names = front.run_names(every)
    letters = {str(one.run.path): one.letter for one in every}
    first, last = every[0].letter, every[-1].letter
    shown = samples(every)
    return environment.from_string(read["report.html.j2"]).render(
        title=f"empeval: {', '.join(names.values())}",
        names=names,
        bands={letter: front.bands(c, letter) for letter, c in compared},
        falls=front.falls(every, first, last) if len(every) == 2 else [],
        boards=front.boards(many, letters) if many else [],
        gates=front.gate_outcomes(every),
        bar_width=front.BAR,
        version=__version__,
        css=Markup(read["report.css"]),  # noqa: S704 - a file of this package
        js=Markup(read["report.js"]),  # noqa: S704 - a file of this package
        runs=every,
        tasks=tasks_of(every),
        metrics=_metrics(every),
        marks=[mark for one in every for mark in marks_of(one.run)],
        letters=letters,
        notices=notices,
        mark_lines=mark_lines,
        mark_warnings=mark_warnings,
        warnings_of=other_warnings,
        compared=compared,
        sentence=sentence,
        verdict_of=verdict_of,
        plots=[
            {
                "title": plot.title,
                "alt": plot.alt,
                "space": canvas.space(plot.figure),
                # drawn by matplotlib, which escapes what it writes as text
                "svg": Markup(inline_svg(canvas.svg(plot.figure, themed=True), number)),  # noqa: S704
            }
            for number, plot in enumerate(made)
        ],
        unplotted=unplotted,
        data=Markup(_script_json(_data(every, names, shown))),  # noqa: S704 - escaped for a script element
        shown=len(shown),
        count=count_of(every),
    )


def _metrics(every: Sequence[Column]) -> list[dict[str, Any]]:
    """Every metric of any run as a row: its name, and one cell a run."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in every:
        for metric in one.run.metrics():
            key = metric.task, metric.scorer, metric.metric
            row = rows.setdefault(
                key,
                {"task": metric.task, "name": f"{metric.scorer}.{metric.metric}",
                 "scorer": metric.scorer, "headline": False, "unit": metric.unit,
                 "note": metric.note or "", "cells": {}},
            )  # fmt: skip
            row["cells"][one.letter] = metric
    for task in tasks_of(every):
        for metric in main_metrics(every, task):
            rows[task, metric.scorer, metric.metric]["headline"] = True
    return list(rows.values())


def _data(
    every: Sequence[Column], names: Mapping[str, str], shown: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "runs": [{"letter": letter, "name": name} for letter, name in names.items()],
        "main": [
            f"{metric.scorer}.{source_of(metric).value}"
            for task in tasks_of(every)
            for metric in main_metrics(every, task)
        ],
        "samples": shown,
    }


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in, or begin a comment in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def inline_svg(text: str, number: int) -> str:
    """SVG for a page that holds several: with ids of its own. It keeps its size."""
    prefix = f"p{number}-"
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', text)
    text = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{prefix}\2"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", text)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _write(path: Path, content: str | bytes) -> list[Path]:
    if isinstance(content, str):
        write_text(path, content)
    else:
        write_bytes(path, content)
    return [path]
