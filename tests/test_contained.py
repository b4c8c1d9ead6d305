"""What plugin code raises stays with the plugin, also what would end the process."""

from __future__ import annotations

import json

import pytest
from support import leaving
from support.distributions import make_distribution

import empeval
from empeval import EmpevalError, Run

ENDS = {
    "exit 0": lambda: SystemExit(0),
    "generator exit": GeneratorExit,
    "base": lambda: BaseException("gone"),
    "ordinary": lambda: ZeroDivisionError("no"),
}
WORDS = ("run", "--model", "leaving:x", "--tasks", "leaving", "--out", "run")
BOTH = (*WORDS, "--scorers", "leaving,staying")


@pytest.fixture(autouse=True)
def plugin(tmp_path, install):
    install(make_distribution(tmp_path / "site", "leaving-plugin", points=leaving.POINTS))
    leaving.where.clear()
    yield
    leaving.where.clear()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "point",
    ["items", "generator", "model card", "prepare", "plan", "generate", "scorer", "fingerprint"],
)
def test_where_nothing_can_go_on_the_run_stops_and_names_the_plugin(cli, tmp_path, point, end):
    leaving.where[point] = ENDS[end]
    found = cli(*BOTH)
    assert found.code == 1
    assert "leaving-plugin" in found.err
    assert "NOISE" not in found.out
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("point", ["started", "response", "close", "sheets", "register"])
def test_where_the_plugin_can_be_left_out_it_is(cli, tmp_path, point, end):
    leaving.where[point] = ENDS[end]
    found = cli(*BOTH)
    assert found.code == 0, found.err
    assert Run(tmp_path / "run").complete
    out = cli("export", "run", "--format", "csv", "--out", "sheets")
    assert out.code == 0, out.err
    assert "leaving-plugin" in found.err + out.err
    assert "NOISE" not in found.out + out.out


@pytest.mark.parametrize("end", ENDS)
def test_a_scorer_that_fails_spoils_itself_alone(cli, tmp_path, end):
    leaving.where["scorer metrics"] = ENDS[end]
    found = cli(*BOTH)
    assert found.code == 1
    assert "The metrics of the scorer 'leaving-plugin/leaving' cannot be computed" in found.err
    run = Run(tmp_path / "run")
    assert [(m.scorer, m.value) for m in run.metrics()] == [("staying", 9.0)]
    assert "staying" in found.out
    leaving.where.clear()
    assert cli(*BOTH).code == 0
    assert {m.scorer for m in run.metrics()} == {"leaving", "staying"}


@pytest.mark.parametrize("end", ENDS)
def test_a_sample_that_cannot_be_scored_is_that_samples_error(tmp_path, end):
    leaving.where["one sample"] = ENDS[end]
    run = empeval.run("leaving:x", ["leaving"], ["leaving"], out=tmp_path / "run")
    assert [s.status for s in run.scores("leaving", "leaving")] == ["ok", "error", "ok", "ok"]


def test_an_error_about_one_sample_is_not_one_of_all(tmp_path):
    leaving.where["one sample"] = lambda: EmpevalError("item 1 has no target")
    run = empeval.run("leaving:x", ["leaving"], ["leaving"], out=tmp_path / "run")
    by_id = {s.id: s for s in run.scores("leaving", "leaving")}
    assert [s.status for s in by_id.values()] == ["ok", "error", "ok", "ok"]
    assert by_id["1"].note == "item 1 has no target"


def test_a_scorer_that_lacks_its_checkpoint_says_so_and_the_other_scores(cli, tmp_path):
    leaving.where["score"] = lambda: EmpevalError("there is no checkpoint here")
    found = cli(*BOTH)
    assert found.code == 1
    assert "there is no checkpoint here" in found.err
    assert [m.scorer for m in Run(tmp_path / "run").metrics()] == ["staying"]


def test_a_finished_run_stays_one_when_a_further_scorer_fails(cli, tmp_path):
    assert cli(*WORDS, "--scorers", "staying").code == 0
    leaving.where["score"] = lambda: EmpevalError("there is no checkpoint here")
    found = cli("score", "run", "--scorers", "leaving")
    assert found.code == 1
    assert "there is no checkpoint here" in found.err
    run = Run(tmp_path / "run")
    assert run.complete
    assert list(run.manifest.scorers["leaving"]) == ["staying"]
    assert cli("export", "run", "--format", "csv", "--out", "sheets").code == 0
    leaving.where.clear()
    assert cli("score", "run", "--scorers", "leaving").code == 0
    assert {m.scorer for m in run.metrics()} == {"leaving", "staying"}


@pytest.mark.parametrize("end", ENDS)
def test_a_verb_of_a_plugin_that_leaves_is_no_success(cli, end):
    assert cli("leave").code == 7
    leaving.where["verb"] = ENDS[end]
    found = cli("leave")
    assert found.code == 1
    assert "the verb 'leave' of plugin 'leaving-plugin/leaving-hooks'" in found.err.lower()
    assert "NOISE from verb" in found.out, "a verb's own output is its own"


@pytest.mark.parametrize("end", ["SystemExit(0)", "GeneratorExit()", "BaseException('gone')"])
def test_a_module_that_leaves_while_it_is_imported_is_an_error(cli, tmp_path, install, end):
    install(
        make_distribution(
            tmp_path / "other",
            "import-plugin",
            points={
                "empeval": {"gone-hooks": "gone_module"},
                "empeval.scorers": {"gone": "gone_module:Gone"},
            },
            modules={"gone_module": f"print('NOISE')\nraise {end}\n"},
        )
    )
    found = cli(*WORDS, "--scorers", "gone", "--format", "json")
    assert found.code == 2
    assert "import-plugin/gone" in found.err
    fine = cli(*WORDS, "--format", "json")
    assert fine.code == 0
    assert json.loads(fine.out)["metrics"]


def test_control_c_goes_through(cli):
    def interrupt():
        return KeyboardInterrupt()

    for point in ("generate", "score", "scorer metrics", "started"):
        leaving.where.clear()
        leaving.where[point] = interrupt
        assert cli(*BOTH).code == 130, point


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"length": 1.0, "charm": 2.0}, "charm (2) is no value of the scorer's card"),
        ({"length": -1.0}, "length is -1, outside of the card's range"),
        ({"length": 1000.2}, "length is 1000.2, outside of the card's range"),
    ],
)
def test_values_that_the_card_does_not_allow_are_errors_of_the_sample(
    tmp_path, monkeypatch, values, said
):
    def score(self, samples):
        made = {"2": values, "3": {"length": 1000.0001}}  # rounding may go past a bound
        return [empeval.Score(s.id, values=made.get(s.id, {"length": 5.0})) for s in samples]

    monkeypatch.setattr(leaving.Other, "score", score)
    run = empeval.run("leaving:x", ["leaving"], ["staying"], out=tmp_path / "run")
    by_id = {s.id: s for s in run.scores("leaving", "staying")}
    assert [by_id[i].status for i in "0123"] == ["ok", "ok", "error", "ok"]
    assert said in by_id["2"].note
    assert by_id["2"].values == {k: v for k, v in values.items() if v == 1.0}


@pytest.mark.parametrize("bad", [7, b"x", object()])
def test_a_bad_fingerprint_is_refused_before_the_manifest_is_replaced(
    cli, tmp_path, monkeypatch, bad
):
    assert cli(*WORDS, "--scorers", "staying").code == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    monkeypatch.setattr(leaving.Judge, "fingerprint", lambda self: bad)
    found = cli("score", "run", "--scorers", "leaving")
    assert found.code == 2
    assert "leaving-plugin/leaving" in found.err
    assert (tmp_path / "run" / "run.json").read_bytes() == before


@pytest.mark.parametrize("card", [None, {"version": "1"}, {"values": ({"name": 3},)}])
def test_a_bad_card_is_refused_before_anything_is_written(cli, tmp_path, monkeypatch, card):
    made = card if card is None else empeval.ScorerCard(
        **{"version": 1, "summary": "x", "values": (), **card}
    )  # fmt: skip
    monkeypatch.setattr(leaving.Judge, "__init__", lambda self: setattr(self, "card", made))
    if card == {"version": "1"}:
        monkeypatch.setattr(leaving.Judge, "__init__", lambda self: setattr(self, "card", 5))
    found = cli(*WORDS)
    assert found.code == 2
    assert "card of the scorer 'leaving-plugin/leaving'" in found.err
    assert not (tmp_path / "run").exists()
