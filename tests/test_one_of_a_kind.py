"""Where there is one of a thing, sentences name it in the singular."""

from __future__ import annotations

import re

import pytest
from support.made_runs import make_run, normal

ODD = re.compile(
    r"(?<![\d.,/])(?<!of )1 (?:more |new |prompt )?"
    r"(?:items|clusters|questions|dialogues|runs|slices|metrics|pairs|tokens|replies|components)\b"
)


@pytest.fixture
def one_item(tmp_path):
    """A file task of one cluster with two rows, and what ``empeval run`` takes of it."""
    (tmp_path / "rows.csv").write_text(
        "number,talk,said,reply\n1,a,It rained.,Oh no.\n2,a,It poured.,Oh dear.\n"
    )
    (tmp_path / "talk.yaml").write_text(
        'version: "1"\nsummary: Rain.\nlicense: CC0-1.0\ndata: {file: rows.csv}\n'
        "columns: {id: number, cluster: talk, reference: reply}\n"
        'prompt: "{{ said }}"\nscorers: [surface]\n'
    )
    return tmp_path


def test_a_run_and_what_it_would_ask(cli, one_item, monkeypatch):
    monkeypatch.chdir(one_item)
    asked = ("run", "--model", "human:", "--tasks", "talk.yaml")
    said = [
        cli(*asked, "--dry-run").out,
        cli(*asked).out,
        cli(*asked, "--limit", "1", "--dry-run").out,
        cli("items", "talk.yaml", "--limit", "1", "-o", "q.jsonl").err,
        cli("runs", "prune", "--keep", "0").out,
    ]
    assert "2 items in 1 cluster\n" in said[0]
    assert "2 of 2 answered in 1 cluster (" in said[1]
    assert "1 item in 1 cluster\n" in said[2]
    assert said[3] == "q.jsonl: 1 question of talk.yaml\n"
    assert "\n1 run would be removed" in said[4]
    assert not ODD.search("".join(said))


def test_a_comparison_and_a_plan(cli, tmp_path):
    first = normal(12, 1, mean=3)
    for name, shift in (("old", 0.0), ("new", 0.7)):
        values = [v + shift * (n % 3) for n, v in enumerate(first)]
        make_run(tmp_path / "runs" / name, values, clusters=["a"] * 4 + ["b"] * 4 + ["c"] * 4)
    old, new = (str(tmp_path / "runs" / name) for name in ("old", "new"))
    said = cli("compare", old, new).out
    assert "12 of 12 items shared, 3 clusters" in said
    planned = cli("power", "--task", "talks", "--margin", "0.5", "--runs", tmp_path / "runs").out
    assert ": 1 pair of past runs, 12 items of 3 clusters" in planned
    assert not ODD.search(said + planned)
