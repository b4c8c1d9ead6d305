"""Every kind of metric in the report: what stands on the page is in the metric's own unit."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from support import textbook
from support.made_runs import MadeScorer, MadeTask, Value, normal, write_run
from support.matrix import COUNT, GROUPS, NAMES

FALL = re.compile(r"<h4>talks (item \d+): judge\.mark ([-\d.]+) to ([-\d.]+)</h4>")


def page(cli, tmp_path, columns, unit, up, margin):
    runs = [
        write_run(
            tmp_path / name,
            [MadeTask("talks", NAMES, [MadeScorer("judge", [value])], GROUPS)],
            model=f"made:{name}",
        )
        for name, column in columns.items()
        for value in [Value("mark", list(map(float, column)), unit=unit, higher_is_better=up)]
    ]
    done = cli("report", *(run.path for run in runs), "-o", "report.html", "--resamples", "300",
               "--margin", margin)  # fmt: skip
    assert done.code == 0, done.err
    return (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("unit", ["points", "percent"])
@pytest.mark.parametrize("gain", [-1.5, 1.5])
def test_the_page_has_the_verdict_and_the_falls_in_the_metrics_unit(cli, tmp_path, unit, up, gain):
    base, noise = np.array(normal(COUNT, 1, 5)), np.array(normal(COUNT, 2, 0, 0.4))
    columns = {"old": base, "new": base + (gain if up else -gain) + noise}
    scale = 1
    if unit == "percent":
        columns = {name: (column > 5) * 1.0 for name, column in columns.items()}
        scale = 100
    text = html.unescape(page(cli, tmp_path, columns, unit, up, "0.25" if scale == 1 else "5"))
    old, new = (scale * column for column in columns.values())
    known = textbook.KnownMetric("talks", "judge", "mark", unit, up, old, new, None, (0, 0))
    found = textbook.expected(known)
    word = textbook.verdict(known, found, 0.25 * scale / 5, found.p)
    assert word == ("worse" if gain < 0 else "better")
    said = re.search(r"B is (\w+) on talks judge\.mark: ([-\d.]+) to ([-\d.]+), "
                     r"([-+\d.]+) \(([-\d.]+) to ([-\d.]+)\)", text)  # fmt: skip
    assert said, text[:500]
    assert said[1] == word
    numbers = [float(x) for x in said.groups()[1:]]
    wanted = [found.base, found.candidate, found.difference, *found.interval]
    assert numbers == pytest.approx(wanted, abs=0.06)
    worse = known.sign * (new - old)
    falls = FALL.findall(text)
    assert len(falls) == min(3, int((worse < 0).sum()))
    for name, before, after in falls:
        n = NAMES.index(name)
        assert (float(before), float(after)) == pytest.approx((old[n], new[n]), abs=0.06)
        assert worse[n] <= sorted(worse)[2]
