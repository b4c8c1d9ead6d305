"""The benchmark of throughput: what it measures side by side, and what it refuses beforehand."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys

import pytest
from support.hub_server import ROOT

from empeval.memory import Cost

pytestmark = pytest.mark.skipif(os.name != "posix", reason="wait4 is of POSIX")


@pytest.fixture
def benchmark(monkeypatch):
    """The script, on the chats that come with empeval."""
    monkeypatch.delenv("EMPEVAL_DATA", raising=False)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    path = ROOT / "benchmarks" / "scorer_throughput.py"
    spec = importlib.util.spec_from_file_location("scorer_throughput", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("empathy_scorers", None)


def test_a_command_of_ours_is_measured_without_a_path(
    benchmark, checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    file = benchmark.write_dialogues(tmp_path / "six.jsonl", 6, seed=1)
    assert len({json.loads(line)["response"] for line in file.read_text().splitlines()}) == 6
    names = tuple(f"{name}:{checkpoints[name]}" for name in ("stm", "baseline"))
    cost = benchmark.cost_of(benchmark.Row(names, 1, 6), file, tmp_path / "run")
    assert cost.processor_seconds > 0.5
    assert 5e7 < cost.peak_bytes < 2e9
    scores = sorted((tmp_path / "run" / "scores" / "dialogues").iterdir())
    assert [path.name.partition("-")[0] for path in scores] == ["baseline", "stm"]
    assert all(len(path.read_text().splitlines()) == 6 for path in scores)


def test_ratios_and_further_replies_are_those_of_the_formulas(
    benchmark, checkpoints, tmp_path, monkeypatch, capsys
):
    names = [f"{name}:{checkpoints[name]}" for name in ("mvc", "stm", "baseline")]
    asked = []

    def cost_of(row, file, folder):
        asked.append(row)
        assert len(file.read_text().splitlines()) == row.count
        cpu = 4 + len(row.scorers) * row.count / 10
        return Cost(2 * cpu / row.threads, cpu, 100 * len(row.scorers) * 10**6)

    monkeypatch.setattr(benchmark, "cost_of", cost_of)
    out = tmp_path / "figures.json"
    arguments = ["--alone", names[0], "--counts", "20", "10", "--json", str(out)]
    assert benchmark.main([*names, *arguments]) == 0
    assert [(len(r.scorers), r.threads, r.count) for r in asked] == [
        (n, threads, count) for count in (10, 20) for threads in (1, 2) for n in (1, 3)
    ]
    rows = json.loads(out.read_text())["rows"]
    assert rows[0]["replies_per_second"] == pytest.approx(10 / 10)
    assert rows[2]["seconds"] == pytest.approx(5)
    shown = capsys.readouterr().out
    tables = [table.splitlines()[2:] for table in shown.split("\n\n")[:3]]
    cells = [[[c.strip() for c in line.split("|")[1:-1]] for line in table] for table in tables]
    assert [row[3] for row in cells[1]] == ["100.0", "300.0", "100.0", "300.0"]
    assert [row[1:] for row in cells[2]] == [
        [str(threads), str(count), f"{(4 + 3 * count / 10) / (4 + count / 10):.2f}", "3.00"]
        for count in (10, 20)
        for threads in (1, 2)
    ]


def test_the_parts_of_a_scorers_time_are_all_of_it(benchmark, checkpoints):
    name, milliseconds, *shares = benchmark.profile(f"mvc:{checkpoints['mvc']}", seed=0)
    assert name.startswith("mvc:")
    assert milliseconds > 0
    assert len(shares) == len(benchmark.PARTS) + 1
    assert sum(shares) == pytest.approx(100)
    assert min(shares) > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mvx"], r"Unknown empathy scorer 'mvx'\. Did you mean 'mvc'"),
        (["stm", "stm"], "stm is named twice"),
        (["stm", "--alone", "mvc:nowhere at all"], "nowhere at all"),
        (["stm", "--json", "no/such/folder/x.json"], "no file can be written there"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_measured(
    benchmark, bundled, arguments, said, monkeypatch, capsys
):
    monkeypatch.setattr(benchmark, "measured", lambda *_: pytest.fail("measured"))
    assert benchmark.main(arguments) == 2
    assert re.match(f"error: .*{said}", capsys.readouterr().err)
