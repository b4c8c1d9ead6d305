"""The benchmark of the empathy scorers: what it counts, and what it refuses before it starts."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import time

import pytest
from support.hub_server import ROOT
from support.tiny_checkpoints import make_tiny_adapter

from empeval import Score
from empeval_empathy.scorers import MVC

SMALL = ("--replies", "6", "--bulk", "12", "--rounds", "3")


@pytest.fixture(scope="module")
def benchmark():
    path = ROOT / "benchmarks" / "empathy_scorers.py"
    spec = importlib.util.spec_from_file_location("empathy_scorers", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(autouse=True)
def own_chats(monkeypatch):
    """Whatever mirror the machine has, these tests read the chats that come with empeval."""
    monkeypatch.delenv("EMPEVAL_DATA", raising=False)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture
def named(checkpoints):
    """The tiny checkpoints as scorers are named on the command line."""
    return {name: f"{name}:{checkpoints[name]}" for name in ("baseline", "stm", "mvc")}


def test_a_scorer_that_sleeps_is_slower_by_its_sleep_alone_and_in_bulk(
    benchmark, named, tmp_path, monkeypatch, capsys
):
    import torch

    judge, threads = MVC.score, []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)

    def sleepy(self, samples):
        assert threads == [1]
        time.sleep(0.2)
        return judge(self, samples)

    monkeypatch.setattr(MVC, "score", sleepy)
    out = tmp_path / "figures.json"
    arguments = [named["mvc"], named["baseline"], "--against", named["baseline"], *SMALL]
    assert benchmark.main([*arguments, "--no-memory", "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    assert threads == [1, torch.get_num_threads()]
    mvc, baseline = document["scorers"][named["mvc"]], document["scorers"][named["baseline"]]
    assert mvc["alone_ms"] - baseline["alone_ms"] > 190
    assert 12 / 2 < mvc["bulk_per_second"] < 12 / 0.2
    assert mvc["alone_to_baseline"] > 190 / baseline["alone_ms"] > 1
    assert mvc["bulk_to_baseline"] > 1
    assert baseline["alone_to_baseline"] == baseline["bulk_to_baseline"] == 1
    assert mvc["unscored"] == 0
    settings = document["settings"]
    assert (settings["source"], settings["bulk"], settings["threads"]) == ("ed-mini", 12, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| scorer ")
    assert [line.split("|")[1].strip() for line in lines[2:4]] == [named["mvc"], named["baseline"]]


def test_the_memory_is_of_a_process_of_its_own_and_the_bytes_are_the_folders(
    benchmark, encoders, tmp_path
):
    pytest.importorskip("resource", reason="nobody counts memory on this system")
    adapter = make_tiny_adapter(tmp_path / "adapter", encoders["bert"], "shared")
    name = f"stm:{adapter}"
    out = tmp_path / "figures.json"
    ballast = bytearray(10**9)
    ballast[::4096] = bytes(len(ballast[::4096]))  # so that this process really holds it
    assert benchmark.main([name, "--against", name, *SMALL, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())["scorers"][name]
    assert 5e7 < figures["peak_bytes"] < len(ballast)
    assert figures["checkpoint_bytes"] == sum(p.stat().st_size for p in adapter.iterdir())
    assert figures["encoder_bytes"] == (encoders["bert"] / "model.safetensors").stat().st_size


def test_the_scorers_take_turns_and_begin_with_another_one_each_time(benchmark):
    now = 0.0
    order = []

    class Fake:
        def __init__(self, name, seconds):
            self.name, self.seconds = name, seconds

        def score(self, samples):
            nonlocal now
            order.append(self.name)
            now += self.seconds * len(samples)

    calls = [["one"], ["one", "two"], ["one"]]
    taken = benchmark.race([Fake("a", 2), Fake("b", 3)], calls, clock=lambda: now)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert taken == [[2, 4, 2], [3, 6, 3]]
    # In a machine that slows down to a tenth half-way the medians' ratio would be 6.
    assert benchmark.ratio([2, 20, 2, 20], [1, 10, 1, 10]) == 2
    assert benchmark.ratio([2, 20, 20], [1, 1, 10]) == 2


def test_agreement_is_of_the_replies_that_both_scored(benchmark):
    def scores(*empathy):
        return [
            Score(str(number), values={"empathy": value}, labels={"emotion": "sad"[: int(value)]})
            if value
            else Score(str(number), status="unparsed", note="no word")
            for number, value in enumerate(empathy)
        ]

    found = benchmark.agreement(scores(1.5, 2, 3, 0, 1), scores(1.25, 3.5, 3, 2, 0))
    assert found == {"replies": 3, "difference": 1.5, "spearman": 0.5, "emotion": 2 / 3}
    table = benchmark.agreements({"a": {}, "b": {"agreement": found}}, "a")
    assert [cell.strip() for cell in table.splitlines()[2].split("|")[1:5]] == [
        "b", "1.50000", "0.50000", "66.7"
    ]  # fmt: skip
    assert benchmark.agreements({"a": {}}, "a") == ""


def test_replies_differ_so_that_none_is_scored_twice_and_the_seed_decides(benchmark):
    source, replies = benchmark.draw(500, seed=3)
    assert source == "ed-mini"
    asked = {(r.item.messages, r.text) for r in replies}
    assert len(asked) == len({r.id for r in replies}) == 500
    assert all(r.item.reference is None for r in replies)
    assert all(r.item.messages[-1].role == "user" for r in replies)
    assert benchmark.draw(500, seed=3)[1] == replies
    assert benchmark.draw(500, seed=4)[1] != replies


def test_a_mirror_with_the_data_set_is_read(benchmark, tmp_path, monkeypatch):
    folder = tmp_path / "facebook" / "empathetic_dialogues"
    folder.mkdir(parents=True)
    rows = ["conv_id,utterance_idx,context,prompt,speaker_idx,utterance"]
    for number in range(9):
        rows.append(f"c{number},1,sad,I lost it,1,I lost my bag number {number} on the way home.")
        rows.append(f"c{number},2,sad,I lost it,2,I am sorry to hear that about bag {number}.")
    (folder / "test.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    source, replies = benchmark.draw(9, seed=0)
    assert source == "ed-empathy"
    assert {r.text[-2] for r in replies} == set("012345678")
    assert all(f"number {r.text[-2]} on" in r.item.messages[0].content for r in replies)
    assert benchmark.main(["baseline", "--bulk", "10", "--replies", "1"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mvx"], r"Unknown empathy scorer 'mvx'\. Did you mean 'mvc'"),
        (["mvc:"], "Unknown empathy scorer 'mvc:'"),
        (["stm", "stm"], "stm is named twice"),
        (["mvc:nowhere at all"], "nowhere at all"),
        (["stm", "--bulk", "100000"], "not 100000"),
        (["stm", "--json", "no/such/folder/x.json"], "no file can be written there"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_measured(
    benchmark, arguments, said, monkeypatch, tmp_path, capsys, bundled
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "measure", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(benchmark, "peak_of", lambda *_: pytest.fail("measured"))
    assert benchmark.main(arguments) == 2
    assert re.match(f"error: .*{said}", capsys.readouterr().err)


def test_a_checkpoint_for_another_scorer_is_refused(benchmark, checkpoints, capsys):
    assert benchmark.main([f"stm:{checkpoints['mvc']}", "--against", "stm"]) == 2
    assert "is a checkpoint for mvc" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_counts_are_whole_numbers_from_one_on(benchmark, count, capsys):
    with pytest.raises(SystemExit) as left:
        benchmark.main(["--rounds", count])
    assert left.value.code == 2
