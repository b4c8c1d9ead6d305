"""Items to responses, responses to scores, scores to metrics, whatever the plugins do."""

from __future__ import annotations

import contextlib
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.odd import Length, Slow

import empeval
from empeval import DataError, EmpevalError, Response, Sampling, Score, Scorer
from empeval.answering import finish, unfinished_groups
from empeval.runs import natural_key
from empeval.scoring import score_chunk
from empeval.spending import LimitReachedError
from empeval.testing import FakeScorer, fake_item, fake_sample

pytestmark = pytest.mark.usefixtures("odd_plugins")


@pytest.fixture
def ask(tmp_path):
    """Runs a model on the task ``days`` and returns the run folder."""

    def run(model="slow:", scorers=("length",), task="days", **more):
        return empeval.run(model, [task], scorers, out=tmp_path / "run", **more)

    return run


def test_a_run_folder_holds_what_it_promises(ask):
    run = ask()
    assert sorted(p.relative_to(run.path).as_posix() for p in run.path.rglob("*.json*")) == [
        ".run.json.copy",
        "metrics.json",
        "responses/days.jsonl",
        "run.json",
        "scores/days/length.jsonl",
    ]
    lines = [json.loads(line) for line in run.responses_path("days").read_text().splitlines()]
    assert len(lines) == 12
    for line in lines:
        assert {"id", "response", "status", "prompt_tokens", "completion_tokens", "seconds"} <= set(
            line
        )
    scores = [json.loads(x) for x in run.scores_path("days", "length").read_text().splitlines()]
    assert [set(score) for score in scores] == [{"id", "status", "values", "labels", "note"}] * 12
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["schema"] == 1
    (metric,) = metrics["metrics"]
    assert (metric["task"], metric["scorer"], metric["metric"]) == ("days", "length", "length")
    assert {"value", "ci_low", "ci_high", "n", "n_failed", "unit", "higher_is_better"} <= set(
        metric
    )
    lengths = [len(line["response"]) / 3 for line in lines]
    assert metric["value"] == pytest.approx(sum(lengths) / len(lengths))
    assert (metric["n"], metric["n_failed"]) == (12, 0)


def test_the_manifest_says_what_was_asked_of_what_with_what(ask):
    manifest = ask(limit=5, seed=7, sampling={"temperature": 0.5}).manifest
    assert manifest.status == "complete"
    assert (manifest.model.uri, manifest.model.name) == ("slow:", "slow")
    task = manifest.tasks["days"]
    assert (task.n_items, task.n_clusters) == (5, 2)
    assert task.sampling == Sampling(temperature=0.5, seed=7)
    assert task.distribution == "odd-plugins 1.0"
    assert manifest.scorers["days"]["length"].version == "1"
    assert manifest.environment["empeval"] == empeval.__version__
    assert set(manifest.timing) == {"days answers", "days length"}


def test_a_value_that_is_no_number_is_a_failure_and_not_a_zero(ask):
    run = ask(scorers=["nan"])
    scores = {s.id: s for s in run.scores("days", "nan")}
    for identifier in ("3", "5"):
        assert scores[identifier].status == "error"
        assert scores[identifier].values == {}
        assert "length is not a finite number" in scores[identifier].note
    (metric,) = run.metrics()
    assert (metric.value, metric.n, metric.n_failed) == (1.0, 10, 2)


def test_a_scorer_that_raises_on_one_sample_loses_that_one_only(ask):
    run = ask(scorers=["raising"])
    scores = {s.id: s for s in run.scores("days", "raising")}
    assert scores.pop("4") == Score("4", "error", note="ZeroDivisionError: the item ? 4")
    assert {s.status for s in scores.values()} == {"ok"}
    assert run.metrics()[0].n_failed == 1


@pytest.mark.parametrize("scorer", ["short", "shuffling"])
def test_a_scorer_whose_scores_do_not_match_its_samples_is_asked_one_by_one(ask, scorer):
    run = ask(scorers=["length", scorer])
    assert run.scores("days", scorer) == run.scores("days", "length")


def test_numbers_of_numpy_are_kept_as_numbers(ask):
    run = ask(scorers=["numpy"])
    assert {s.status for s in run.scores("days", "numpy")} == {"ok"}
    (metric,) = run.metrics()
    assert (metric.value, metric.ci_low, metric.n) == (1.0, None, 12)


def test_a_score_that_the_folder_cannot_hold_is_an_error_of_its_sample(ask):
    run = ask(scorers=["inventive"])
    scores = {s.id: s for s in run.scores("days", "inventive")}
    assert [scores[i].status for i in "1234"] == ["error", "error", "error", "ok"]
    assert "status" in scores["1"].note
    assert "labels" in scores["2"].note
    assert "could not convert string to float" in scores["3"].note


def test_a_scorer_without_metrics_is_named_and_its_scores_are_kept(ask, tmp_path):
    with pytest.raises(
        EmpevalError, match=r"metrics of the scorer 'odd-plugins/faceless'.*KeyError"
    ):
        ask(scorers=["length", "faceless"])
    run = empeval.Run(tmp_path / "run")
    assert len(run.scores("days", "faceless")) == 12
    assert not run.complete
    assert ask(scorers=["length"]).complete


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "progress"), [(Terminal(), True), (io.StringIO(), True), (Terminal(), False)]
)
def test_progress_is_shown_on_a_terminal_from_the_beginning_and_nowhere_else(
    ask, monkeypatch, stream, progress
):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "100")
    ask(limit=4, progress=progress)
    shown = stream.getvalue()
    if stream.isatty() and progress:
        assert "days: answers:   0%" in shown
        assert "0/4 [00:00<?" in shown
        assert "days: length" in shown
    else:
        assert shown == ""


def test_items_that_the_model_leaves_out_are_named_and_the_rest_is_kept(ask, tmp_path):
    with pytest.raises(EmpevalError, match="left items unanswered: 3, 6, 9, 12"):
        ask("forgetful:")
    run = empeval.Run(tmp_path / "run")
    assert [line.id for line in run.responses("days")] == ["1", "2", "4", "5", "7", "8", "10", "11"]
    assert not run.complete
    assert run.metrics() == []


def test_an_answer_to_what_was_not_asked_stops_the_run(ask, tmp_path):
    with pytest.raises(EmpevalError, match="answered 'never asked', which was not asked"):
        ask("strange:")
    assert len(empeval.Run(tmp_path / "run").responses("days")) == 2


def test_of_two_answers_to_one_item_the_first_stays(ask):
    run = ask("repeating:")
    assert len(run.responses("days")) == 12
    assert not [line for line in run.responses("days") if line.response == "Something else."]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "Expected `str`"),
        ("status", "Invalid enum value 'done'"),
        ("count", "numpy"),
    ],
)
def test_an_answer_that_the_folder_cannot_hold_stops_the_run(ask, tmp_path, target, reason):
    said = "the answer of the generator 'odd-plugins/shapeless' to '1' is no valid response: .*"
    with pytest.raises(EmpevalError, match=said + reason):
        ask(f"shapeless:{target}")
    assert empeval.Run(tmp_path / "run").responses("days") == []


def test_half_characters_are_replaced_wherever_a_model_gives_text(ask):
    run = ask("torn:")
    for line in run.responses("days"):
        assert {line.response, line.reasoning, line.stop, line.note} == {"sorry ?"}


@pytest.mark.parametrize(("model", "error"), [("repeating:", None), ("dying:", EmpevalError)])
def test_a_model_is_closed_before_scoring_starts_and_when_it_dies(ask, monkeypatch, model, error):
    happened = []
    monkeypatch.setattr(Slow, "close", lambda self: happened.append("closed"))
    monkeypatch.setattr(Length, "score", lambda self, samples: happened.append("scored") or [])
    with pytest.raises(error) if error else contextlib.nullcontext():
        ask(model)
    assert happened[0] == "closed"
    assert happened.count("closed") == 1
    assert ("scored" in happened) == (error is None)


def test_a_model_that_dies_leaves_its_answers_behind(ask, tmp_path):
    with pytest.raises(EmpevalError, match="RuntimeError: out of memory"):
        ask("dying:")
    assert len(empeval.Run(tmp_path / "run").responses("days")) == 5


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("numbered", "invalid item, 1: Expected `str`, got `int`"),
        ("same", "doubled item ids: same"),
    ],
)
def test_items_that_cannot_be_told_apart_are_refused_before_anything_is_written(
    ask, tmp_path, task, reason
):
    with pytest.raises(DataError, match=reason):
        ask(task=task)
    assert not (tmp_path / "run").exists()


def test_samples_come_in_the_order_of_their_ids_not_of_their_answers(ask):
    run = ask()
    written = [line.id for line in run.responses("days")]
    assert written != sorted(written, key=int), "the model answers in an order of its own"
    assert [s.id for s in run.samples("days")] == [str(n) for n in range(1, 13)]
    assert [s.id for s in run.scores("days", "length")] == [str(n) for n in range(1, 13)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (Response("1", "Oh."), ("Oh.", "ok", None)),
        (Response("1", ""), ("", "empty", None)),
        (Response("1", " \n"), (" \n", "empty", None)),
        (Response("1", "", "truncated"), ("", "truncated", None)),
        (Response("1", "", "missing", note="gone"), ("", "missing", None)),
        (Response("1", "<think>hm</think>Oh."), ("Oh.", "ok", "hm")),
        (Response("1", "<think>hm</think>"), ("", "empty", "hm")),
        (Response("1", "<think>hm"), ("", "truncated", "hm")),
        (Response("1", "<think>hm", "truncated"), ("", "truncated", "hm")),
        (Response("1", "Oh.", reasoning="told apart"), ("Oh.", "ok", "told apart")),
        (Response("1", "<think>hm</think>Oh.", reasoning="told"), ("Oh.", "ok", "told\n\nhm")),
    ],
)
def test_a_response_is_kept_without_its_reasoning_and_emptiness_is_noticed(given, kept):
    line = finish(given, fake_item())
    assert (line.response, line.status, line.reasoning) == kept


def test_a_response_keeps_counts_time_and_question():
    item = fake_item()
    line = finish(Response("1", "Oh.", "ok", None, 7, 3, 1.23456789, "eos", "fine"), item)
    assert (line.prompt_tokens, line.completion_tokens, line.seconds) == (7, 3, 1.2346)
    assert (line.stop, line.note, line.item) == ("eos", "fine", item)


class OnlyAnswers(Scorer):
    """Fails when it is shown a sample without an answer."""

    card = FakeScorer.card

    def score(self, samples):
        assert all(s.response.status in ("ok", "truncated", "empty") for s in samples)
        return [Score(s.id, values={"length": 1.0}) for s in samples]


def test_scorers_are_not_shown_samples_that_have_no_answer():
    statuses = ("ok", "missing", "truncated", "error", "empty")
    chunk = [fake_sample("x", fake_item(s), status=s) for s in statuses]
    scores = score_chunk(OnlyAnswers(), chunk)
    assert [s.id for s in scores] == list(statuses)
    assert [s.status for s in scores] == ["ok", "error", "ok", "error", "ok"]
    assert "missing" in scores[1].note
    failed = fake_sample("", fake_item("e"), status="error", note="too long")
    assert score_chunk(OnlyAnswers(), [failed])[0].note == "too long"


def test_an_error_that_speaks_to_the_user_is_not_swallowed():
    class Unable(OnlyAnswers):
        def score(self, samples):
            raise EmpevalError("pip install something")

    with pytest.raises(EmpevalError, match="pip install something"):
        score_chunk(Unable(), [fake_sample("Oh.")])


def test_a_group_that_lacks_one_answer_is_asked_again_whole():
    a, b, c, d = (fake_item(name) for name in "abcd")
    plan = [[a, b], [c], [d]]
    assert unfinished_groups(plan, set()) == [a, b, c, d]
    assert unfinished_groups(plan, {"a", "c"}) == [a, b, d]
    assert unfinished_groups(plan, {"a", "b", "c", "d"}) == []


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("2", "10"),
        ("9", "10#1"),
        ("a2b", "a10b"),
        ("a#2", "a#10"),
        ("hit:1_conv:9#2", "hit:1_conv:10#1"),
        ("3", "a"),
        ("", "0"),
        ("a", "a1"),
        ("7" * 5000, "8" * 5000),
    ],
)
def test_numbers_inside_ids_count_as_numbers(smaller, larger):
    assert natural_key(smaller) < natural_key(larger)


@given(st.integers(0, 10**30), st.integers(0, 10**30), st.text(max_size=3))
def test_ids_with_numbers_are_ordered_like_the_numbers(a, b, around):
    if not any(character.isdigit() for character in around):
        keys = [natural_key(f"{around}{n}{around}") for n in (a, b)]
        assert (keys[0] < keys[1]) == (a < b)


@given(st.text("0123456789a#²٣-", max_size=8), st.text("0123456789a#²٣-", max_size=8))
def test_different_ids_have_different_keys_and_any_two_can_be_compared(one, other):
    same = natural_key(one) == natural_key(other)
    assert same == (one == other)
    if not same:
        assert (natural_key(one) < natural_key(other)) != (natural_key(other) < natural_key(one))


def test_the_order_of_ids_does_not_depend_on_the_order_they_came_in():
    ids = ["01", "1", "001", "1a", "01a"]
    assert sorted(ids, key=natural_key) == sorted(ids[2:] + ids[:2], key=natural_key)


class Particular(Scorer):
    """Fails in the very same way on whatever is marked, and on each chunk that holds such."""

    card = OnlyAnswers.card

    def __init__(self):
        self.asked = []

    def score(self, samples):
        self.asked.append([s.id for s in samples])
        if any(s.text == "bad" for s in samples):
            raise ZeroDivisionError("division by zero")
        return [Score(s.id) for s in samples]


def marked(count, bad):
    return [fake_sample("bad" if n in bad else "Oh.", fake_item(str(n))) for n in range(count)]


@pytest.mark.parametrize("bad", [range(3), range(5), range(7, 10), [0, 9], [5], [0, 4, 9]])
def test_samples_that_stand_together_and_fail_alike_do_not_fail_the_others(bad):
    scores = score_chunk(Particular(), marked(10, bad))
    assert {int(s.id) for s in scores if s.status == "error"} == set(bad)
    assert {s.note for s in scores if s.status == "error"} == {
        "ZeroDivisionError: division by zero"
    }


def test_what_was_not_tried_is_said_of_a_scorer_that_takes_its_time_to_fail(monkeypatch):
    monkeypatch.setattr("empeval.scoring.PATIENCE_S", -1.0)
    scorer = Particular()
    scores = score_chunk(scorer, marked(10, range(10)))
    assert scorer.asked == [[str(n) for n in range(10)], ["0"], ["4"], ["9"]]
    said = {s.id: s.note for s in scores}
    assert said["4"] == "ZeroDivisionError: division by zero"
    assert said["5"] == (
        "not tried, since the scorer fails alike on 3 others: ZeroDivisionError: division by zero"
    )
    monkeypatch.undo()
    fast = Particular()
    assert {s.note for s in score_chunk(fast, marked(10, range(10)))} == {said["4"]}
    assert len(fast.asked) == 11  # all together, and each
    assert [s.status for s in score_chunk(Particular(), marked(1, [0]))] == ["error"]
    assert [s.status for s in score_chunk(Particular(), marked(2, [0]))] == ["error", "ok"]


def test_a_limit_that_is_reached_on_one_sample_is_no_failure_of_it():
    class Dear(OnlyAnswers):
        def score(self, samples):
            if len(samples) > 1:
                raise ValueError("too many at once")
            raise LimitReachedError("spent", option="--max-cost", limit=1.0, spent=1.0, hint="")

    with pytest.raises(LimitReachedError):
        score_chunk(Dear(), marked(4, []))
